import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT } from '../../scripts/setup.mjs';

const run = promisify(execFile);
const TOOL = join(ROOT, '..', 'shared', 'cluster', 'cluster');
const STATE = process.env['CLUSTER_STATE'] ?? '/var/tmp/test-cluster';
const LOCK = join(tmpdir(), 'plimsoll-test-cluster.lock');
const UP_DEADLINE_MS = 240_000;
/** Ephemeral containers are an alpha feature of Kubernetes 1.20. */
const APISERVER_ARGS = '--feature-gates=EphemeralContainers=true';

/** Why the tests of this folder cannot run; false: they can. */
export function cannotRunCluster(): string | false {
  if (!existsSync(TOOL)) return 'the test cluster is absent';
  return process.getuid?.() === 0 ? false : 'the test cluster needs root';
}

/** A Kubernetes of one node on this machine. */
export interface Cluster {
  /** `PATH` and `KUBECONFIG` for programs that use the cluster. */
  readonly environment: NodeJS.ProcessEnv;
  /** Resolves to what kubectl printed; rejects with what it said of a failure. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  /** The same with objects as JSON on standard input. */
  readonly apply: (...objects: readonly object[]) => Promise<void>;
  readonly loadImage: (archive: string) => Promise<void>;
  /** Kills containerd and starts it again. */
  readonly restartRuntime: () => Promise<void>;
  /** First process of each running container, by id. */
  readonly processes: () => Promise<ReadonlyMap<string, number>>;
  /** Where the cluster keeps its own keys and logs. */
  readonly state: string;
}

/** Starts the cluster if it does not run. It stays up: test files share it. */
export async function startCluster(): Promise<Cluster> {
  await up();
  // Of a first start, whose processes have inherited the umask with which it makes keys.
  for (const name of ['kubelet', 'containerd']) await restartIfUmaskIsTight(name);
  const environment = {
    ...process.env,
    PATH: `${STATE}/bin:${process.env['PATH'] ?? ''}`,
    KUBECONFIG: join(STATE, 'admin.kubeconfig'),
  };
  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('kubectl', args, { env: environment, timeout: 180_000, maxBuffer: 64 * 2 ** 20 });
    return stdout.trim();
  };
  // Of a run that did not end in order: it would refuse pods, and nobody answers for it.
  for (const kind of ['validatingwebhookconfiguration', 'mutatingwebhookconfiguration'])
    await kubectl('delete', kind, 'plimsoll-admission', '--ignore-not-found');
  return {
    environment,
    kubectl,
    apply: async (...objects) => {
      const child = run('kubectl', ['apply', '--filename=-'], { env: environment, timeout: 60_000 });
      child.child.stdin?.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
      await child;
    },
    loadImage: async (archive) => void (await run(TOOL, ['load', archive], { timeout: 120_000 })),
    restartRuntime: () => restart('containerd', 'SIGKILL'),
    processes: async () => {
      const { stdout } = await run(TOOL, ['ctr', 'tasks', 'list'], { timeout: 20_000 });
      const lines = stdout.split('\n').map((line) => line.split(/\s+/));
      return new Map(lines.filter(([, , status]) => status === 'RUNNING').map(([id = '', pid]) => [id, Number(pid)]));
    },
    state: STATE,
  };
}

async function up(): Promise<void> {
  // Files that run at the same time take turns. --close: its daemons must not inherit the lock.
  const args = ['--close', LOCK, 'sh', '-c', `umask 022; exec "${TOOL}" up`];
  await run('flock', args, { timeout: UP_DEADLINE_MS, env: { ...process.env, APISERVER_ARGS } });
}

async function restartIfUmaskIsTight(name: string): Promise<void> {
  const pid = pidOf(name);
  if (pid === undefined) return;
  if (/^Umask:\s*0077$/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))) await restart(name, 'SIGTERM');
}

async function restart(name: string, signal: NodeJS.Signals): Promise<void> {
  const pid = pidOf(name);
  if (pid !== undefined) {
    process.kill(pid, signal);
    await waitFor(`${name} to end`, 20_000, () => pidOf(name) === undefined);
  }
  await up();
}

/** The process that the cluster started under this name; undefined if it does not run. */
function pidOf(name: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(STATE, 'run', `${name}.pid`), 'utf8'));
    const commandLine = readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8');
    return commandLine.startsWith(`${name}\0`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** When a process started, in milliseconds since 1970: field 22 of /proc/PID/stat, in ticks of 10 ms since boot. */
export function startTimeMs(pid: number): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  return Date.now() - Number(uptime) * 1000 + ticks * 10;
}

/** Polls until the condition holds or has a value; rejects after `deadlineMs` with what was waited for. */
export async function waitFor<T>(
  what: string,
  deadlineMs: number,
  condition: () => Promise<T | false | undefined> | T | false | undefined,
): Promise<T> {
  const endMs = Date.now() + deadlineMs;
  for (let last: unknown; ; await sleep(250)) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > endMs) throw new Error(`waited ${String(deadlineMs / 1000)} s for ${what}`, { cause: last });
  }
}

/** A rule of iptables until the result is called. */
export function dropTraffic(...match: readonly string[]): () => void {
  const rule = (action: string): void =>
    void execFileSync('iptables', ['-w', action, 'FORWARD', ...match, '-j', 'DROP'], { stdio: 'pipe' });
  rule('-I');
  let isOn = true;
  return () => {
    if (isOn) rule('-D');
    isOn = false;
  };
}
