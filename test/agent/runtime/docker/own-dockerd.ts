import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A dockerd of the test's own. */
export interface OwnDockerd {
  readonly pid: number;
  readonly directory: string;
  readonly socketPath: string;
  readonly endpoint: string;
  /** Resolves once it has ended. */
  readonly exited: Promise<void>;
  /** Ends it and removes what it left. */
  readonly stop: () => Promise<void>;
}

const hasDockerd = spawnSync('dockerd', ['--version']).status === 0;

/** Why no dockerd can be started here; false where it can. For the `skip` option of a test. */
export const noDockerd: string | false = whyNot();

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to start a dockerd';
  if (!hasDockerd) return 'dockerd is not installed';
  // A daemon that is told to have no bridge removes the one of the machine, on which other containers may be.
  return existsSync('/sys/class/net/docker0') ? 'docker0 belongs to another daemon' : false;
}

/** Starts a dockerd on a socket and data root of its own, with further flags, and waits until it answers. */
export async function startDockerd(flags: (directory: string) => readonly string[] = () => []): Promise<OwnDockerd> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-dockerd-'));
  const socketPath = join(directory, 'docker.sock');
  const own = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(directory, name)}`);
  const quiet = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--log-level=fatal'];
  const child = spawn('dockerd', ['-H', `unix://${socketPath}`, ...own, ...quiet, ...flags(directory)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let attempt = 0; !(await answers(socketPath)); attempt += 1) {
    if (child.exitCode !== null || attempt > 300) throw new Error(`dockerd did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    pid: child.pid ?? 0,
    directory,
    socketPath,
    endpoint: `unix://${socketPath}`,
    exited,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      unmountBelow(directory);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * dockerd mounts its data root onto itself, and may leave that behind when it is ended while it starts; with
 * --live-restore it leaves the mounts of its containers.
 */
function unmountBelow(directory: string): void {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.toReversed()) spawnSync('umount', ['-l', point], { stdio: 'ignore' });
}

function answers(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.end();
  });
}
