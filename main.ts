import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Output, Parent, World } from './cli/context.ts';
import type { Programs } from './cli/programs.ts';
import { runCli } from './cli/run.ts';
import { systemClock } from './service/clock.ts';
import { listenForShutdown } from './service/shutdown.ts';

/** Set by the bundler; from source the version stands in package.json. */
declare const __PLIMSOLL_VERSION__: string | undefined;

/** Runs the command that the process was started with, then ends the process. `script` starts this program again. */
export async function main(script: string): Promise<void> {
  const code = await runCli(process.argv.slice(2), createWorld(script)).catch(async (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await outputOf(process.stderr).write(`plimsoll: this is a defect, please report it\n${text}\n`);
    return 2;
  });
  // Something that still holds a handle must not keep a finished command alive.
  process.stdout.write('', () => process.exit(code));
}

function createWorld(script: string): World {
  const version = ownVersion();
  const clock = systemClock();
  return {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    environment: process.env,
    workingDirectory: process.cwd(),
    uid: process.geteuid?.() ?? 0,
    pid: process.pid,
    home: homedir(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    version,
    platform: { node: process.version, system: process.platform, architecture: process.arch },
    parent: parentOf(),
    clock,
    programs: createPrograms(script, version),
    listenForShutdown: () => listenForShutdown(process).signal,
  };
}

/** What commands start; each is loaded when it is called. */
function createPrograms(script: string, version: string): Programs {
  const clock = systemClock();
  return {
    scan: async ({ settings, recorded, signal }) => {
      const [{ openAccess }, { scanOnce }, { CHECKS }] = await Promise.all([
        import('./agent/access.ts'),
        import('./agent/scan.ts'),
        import('./posture/check/registry.ts'),
      ]);
      throw new Error(`not yet ${String([openAccess, scanOnce, CHECKS, settings, recorded, signal])}`);
    },
    record: () => Promise.reject(new Error('not yet')),
    agent: () => Promise.reject(new Error('not yet')),
    collector: async ({ settings, signal, onReady }) => {
      const [{ runCollector }, { createLogger }] = await Promise.all([
        import('./collector/main.ts'),
        import('./service/pino-log.ts'),
      ]);
      const log = await createLogger({ level: settings.logLevel, format: settings.logFormat });
      return runCollector({ settings, version, clock, log, signal, onReady, standardOutput: process.stdout });
    },
    prepare: () => Promise.reject(new Error('not yet')),
    start: (args, stdio) =>
      // A group of its own: Ctrl-C reaches the one that started it, which then ends its children in order.
      spawn(process.execPath, [...process.execArgv, script, ...args], { stdio, detached: true }),
  };
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
