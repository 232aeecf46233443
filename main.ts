import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeAccess } from './agent/node-access.ts';
import { describeInvocation } from './cli/invocation.ts';
import { prompterAt } from './cli/prompt.ts';
import type { Output, Parent, CliEnvironment } from './cli/context.ts';
import type { Programs } from './cli/programs.ts';
import { runCli } from './cli/run.ts';
import { redactJson } from './posture/redaction/redact.ts';
import { systemClock } from './service/clock.ts';
import type { Settings } from './service/config/settings.ts';
import { listenForShutdown } from './service/shutdown.ts';

/** Set by the bundler; from source the version is in package.json. */
declare const __PLIMSOLL_VERSION__: string | undefined;

/** How a long-running process is started: flags of V8 and environment variables. */
export interface V8Tuning {
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Runs the command that the process was started with, then ends the process. `script` starts this program again;
 * `tuning` is for programs that are started, by their command.
 */
export async function main(script: string, tuning: ReadonlyMap<string, V8Tuning>): Promise<void> {
  const code = await runCli(process.argv.slice(2), createWorld(script, tuning)).catch(async (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await outputOf(process.stderr).write(`plimsoll: internal error, please report it\n${text}\n`);
    return 2;
  });
  // Something that still holds a handle must not keep a finished command alive.
  process.stdout.write('', () => process.exit(code));
}

function createWorld(script: string, tuning: ReadonlyMap<string, V8Tuning>): CliEnvironment {
  const version = ownVersion();
  const clock = systemClock();
  return {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    prompter: prompterAt(process.stdin, process.stderr),
    environment: withoutOwnSwitches(process.env),
    workingDirectory: process.cwd(),
    uid: process.geteuid?.() ?? 0,
    home: homeOf(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    version,
    platform: { node: process.version, system: process.platform, architecture: process.arch },
    installation: { directory: dirname(dirname(script)) },
    inventoryWorker: workerUrls().inventoryWorker,
    invocation: describeInvocation({
      script: process.argv[1] ?? script,
      environment: process.env,
      workingDirectory: process.cwd(),
    }),
    parent: parentOf(),
    clock,
    programs: createPrograms(script, tuning, version),
    listenForShutdown: () => listenForShutdown(process).signal,
  };
}

/** The user's home; `/`, as Docker has it, for a user without one, such as one that systemd makes up for a service. */
function homeOf(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

type Opened =
  | { readonly ok: true; readonly access: NodeAccess }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

async function openRecording(directory: string): Promise<Opened> {
  const { openRecorded } = await import('./agent/record/recording.ts');
  const opened = await openRecorded(directory);
  return opened.ok ? opened : { ...opened, hint: 'a recording is a directory that plimsoll record wrote' };
}

/** PLIMSOLL_SOURCE was for the script that started this, and is no setting. */
function withoutOwnSwitches({ PLIMSOLL_SOURCE: _source, ...environment }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return environment;
}

/** What commands start; each is loaded when it is called. */
function createPrograms(script: string, tuning: ReadonlyMap<string, V8Tuning>, version: string): Programs {
  const clock = systemClock();
  const openLive = async (settings: Settings, signal: AbortSignal): Promise<Opened> => {
    const { liveNodeSettings, openLiveNode } = await import('./agent/live-node.ts');
    const now = (): number => clock.now();
    try {
      return {
        ok: true,
        access: await openLiveNode({ ...liveNodeSettings(settings, version), now, isSingleLook: true, signal }),
      };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ok: false, problem: `the node cannot be read: ${reason}`, hint: 'see: --host-root, --docker-host' };
    }
  };
  return {
    scan: async ({ settings, checks, recorded, signal }) => {
      const { scanOnce } = await import('./agent/scan.ts');
      const opened = recorded === undefined ? await openLive(settings, signal) : await openRecording(recorded);
      if (!opened.ok) return opened;
      const { facts, findings, durationMs } = await scanOnce({ access: opened.access, checks });
      return { ok: true, facts, findings: [...findings.values()], durationMs };
    },
    findingEvents: async (listed) => {
      const { findingEvents } = await import('./collector/event/finding-events.ts');
      return findingEvents(listed);
    },
    findingAsff: async (listed, to) => {
      const [{ findingEvents }, { toAsff }] = await Promise.all([
        import('./collector/event/finding-events.ts'),
        import('./collector/event/view/asff.ts'),
      ]);
      return findingEvents(listed).flatMap((event) => toAsff(event, to) ?? []);
    },
    scanImage: async (request) => {
      const { scanImage } = await import('./agent/image/scan-image.ts');
      return scanImage(request, workerUrls().inventoryWorker);
    },
    record: async ({ settings, directory, signal }) => {
      const [{ createRecorder }, { observeAll }] = await Promise.all([
        import('./agent/record/recorder.ts'),
        import('./agent/inspector/observe.ts'),
      ]);
      const opened = await openLive(settings, signal);
      if (!opened.ok) return opened;
      const { access, save } = createRecorder(opened.access);
      // Reading everything once is what fills the recording; what it amounts to is judged where it is opened.
      await observeAll(access);
      return save(directory);
    },
    agent: async ({ settings, signal, onReady }) => {
      const [{ runAgent }, { createLogger }] = await Promise.all([
        import('./agent/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      return runAgent({ settings, version, clock, log, signal, onReady, ...workerUrls() });
    },
    join: async ({ settings, signal }) => {
      const [{ joinNode }, { createLogger }] = await Promise.all([
        import('./agent/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: 'warn', format: 'text', redact: redactJson });
      return joinNode({ settings, version, clock, log, signal });
    },
    execute: async (command, args) => {
      const { execFile } = await import('node:child_process');
      const { promisify } = await import('node:util');
      await promisify(execFile)(command, args, { timeout: 60_000 });
    },
    authz: async ({ settings, signal, onReady }) => {
      const [{ runAuthz }, { createLogger }] = await Promise.all([
        import('./authz/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      const { env: environment } = process;
      return runAuthz({ settings, version, environment, clock, log, signal, onReady: () => onReady({}) });
    },
    authzFetch: async ({ settings, signal, onReady }) => {
      const [{ runAuthzFetch }, { createLogger }] = await Promise.all([
        import('./authz/fetch.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      return runAuthzFetch({ settings, clock, log, signal, onReady: () => onReady({}) });
    },
    checkContainerPolicies: async (path) => {
      const { loadContainerPolicies } = await import('./authz/policy-files.ts');
      return loadContainerPolicies(path);
    },
    broker: async ({ settings, signal, onReady }) => {
      const [{ runBrokerProgram }, { createLogger }] = await Promise.all([
        import('./agent/broker/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      const { inventoryWorker } = workerUrls();
      return runBrokerProgram({ settings, version, inventoryWorker, clock, log, signal, onReady: () => onReady({}) });
    },
    collector: async ({ settings, signal, onReady }) => {
      const [{ runCollector }, { createLogger }] = await Promise.all([
        import('./collector/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      const common = { settings, version, clock, log, signal, onReady };
      const { databaseWorker, inventoryWorker } = workerUrls();
      return runCollector({
        ...common,
        databaseWorker,
        inventoryWorker,
        standardOutput: process.stdout,
        environment: process.env,
        consoleDirectory: consoleDirectory(),
      });
    },
    admission: async ({ settings, signal, onReady }) => {
      const [{ runAdmission }, { createLogger }] = await Promise.all([
        import('./admission/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      return runAdmission({ settings, version, clock, log, signal, onReady, events: process.stdout });
    },
    rollout: async ({ settings, signal, onReady }) => {
      const [{ runRollout }, { createLogger }] = await Promise.all([
        import('./rollout/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat, redact: redactJson });
      return runRollout({ settings, clock, log, signal, onReady: () => onReady({}) });
    },
    planRollouts: async ({ settings, signal }) => {
      const { planOnce } = await import('./rollout/main.ts');
      return planOnce({ settings, clock, signal });
    },
    examine: async ({ settings, signal }) => {
      const { diagnoseNode } = await import('./agent/diagnostics/diagnose-node.ts');
      return diagnoseNode({ settings, version, uid: process.geteuid?.() ?? 0, clock, signal });
    },
    portHolders: async (port, signal) => {
      const [{ findPortHolders }, { createLinuxHost }] = await Promise.all([
        import('./agent/diagnostics/port-holders.ts'),
        import('./agent/host/linux.ts'),
      ]);
      return findPortHolders(port, createLinuxHost({ root: '/', signal }));
    },
    start: (args, stdio) => {
      const { flags, environment } = tuning.get(args[0] ?? '') ?? { flags: [], environment: {} };
      const env = { ...process.env, ...environment };
      // Loaded when it is used: most commands start no process.
      const { spawn } = process.getBuiltinModule('node:child_process');
      // A group of its own: Ctrl-C reaches the one that started it, which then ends its children in order.
      return spawn(process.execPath, [...flags, ...process.execArgv, script, ...args], { stdio, detached: true, env });
    },
  };
}

/** The bundler writes the workers beside the bundle; from source they are run in place. */
function workerUrls() {
  const isBundled = typeof __PLIMSOLL_VERSION__ === 'string';
  const urlOf = (source: string, bundled: string): URL => new URL(isBundled ? bundled : source, import.meta.url);
  return {
    queryWorker: urlOf('agent/query/worker.ts', 'query-worker.js'),
    inventoryWorker: urlOf('image/inventory/worker.ts', 'inventory-worker.js'),
    databaseWorker: urlOf('image/vulndb/verify-worker.ts', 'vulndb-worker.js'),
  };
}

/** The bundler writes the console beside the bundle; from source the last build is served. */
function consoleDirectory(): string {
  const directory = typeof __PLIMSOLL_VERSION__ === 'string' ? 'console' : 'dist/console';
  return fileURLToPath(new URL(directory, import.meta.url));
}

function outputOf(stream: NodeJS.WriteStream): Output {
  // Whoever read has read enough (`| head`): there is nobody left to tell anything.
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));
  return {
    isTerminal: stream.isTTY,
    write: (text) =>
      new Promise((resolve) => {
        if (stream.write(text)) resolve();
        else stream.once('drain', resolve);
      }),
  };
}

function parentOf(): Parent | undefined {
  if (process.send === undefined) return undefined;
  return {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
    },
    onGone: (callback) => void process.once('disconnect', callback),
  };
}

function ownVersion(): string {
  if (typeof __PLIMSOLL_VERSION__ === 'string') return __PLIMSOLL_VERSION__;
  const manifest: unknown = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
  const { version } = manifest as { version?: unknown };
  return typeof version === 'string' ? version : '0.0.0';
}
