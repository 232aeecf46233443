import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Socket of the daemon that tests may use but not stop. */
export const SOCKET = process.env['PLIMSOLL_TEST_DOCKER'] ?? '/var/run/docker.sock';
export const IMAGE = 'plimsoll-test/busybox:1';

/** Calls the docker client; answers what it printed; throws what it complained of. */
export function docker(socket: string, ...args: readonly string[]): string {
  const done = spawnSync('docker', ['-H', `unix://${socket}`, ...args], { encoding: 'utf8', timeout: 60_000 });
  if (done.status !== 0) throw new Error(`docker ${args.join(' ')}: ${done.stderr}`);
  return done.stdout.trim();
}

/** Why there is no daemon to test with; false where there is one. For the `skip` option of a test. */
export const noDocker: string | false = (() => {
  if (process.getuid?.() !== 0) return 'needs root to see what the kernel says of other processes';
  if (!existsSync(SOCKET)) return 'no Docker daemon for tests';
  return spawnSync('docker', ['-H', `unix://${SOCKET}`, 'image', 'inspect', IMAGE]).status === 0
    ? false
    : `no Docker daemon with ${IMAGE}`;
})();

/** A bridge of its own: a daemon that is told to have none removes docker0, on which containers of others may be. */
interface Bridge {
  readonly name: string;
  readonly address: string;
}
/** Test runs can be side by side on a machine. A name has at most 15 characters. */
export function ownBridge(number: 1 | 2): Bridge {
  return {
    name: `plimsoll-${String(number)}-${(process.pid % 46_656).toString(36)}`,
    address: `10.${String(231 + number)}.${String(process.pid % 250)}.1/24`,
  };
}
const BRIDGE = ownBridge(1);

function makeBridge({ name, address }: Bridge): boolean {
  removeBridge(name);
  const steps = [
    ['link', 'add', name, 'type', 'bridge'],
    ['addr', 'add', address, 'dev', name],
    ['link', 'set', name, 'up'],
  ];
  return steps.every((args) => spawnSync('ip', args).status === 0);
}

function removeBridge(name: string): void {
  spawnSync('ip', ['link', 'del', name]);
}

/** A daemon of the test's own that can be stopped and started again. */
export interface OwnDaemon {
  readonly socket: string;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** 0: it does not run. */
  readonly pid: () => number;
  /** After the last stop: takes away what it needed outside of its directory. */
  readonly remove: () => void;
}

/** A daemon that does not run yet, in `directory`, with the image of `SOCKET`. */
export function ownDaemon(directory: string, own: Bridge = BRIDGE): OwnDaemon {
  const socket = join(directory, 'docker.sock');
  let child: ChildProcess | undefined;
  const bridge = makeBridge(own) ? own.name : 'none';
  if (bridge === 'none' && existsSync('/sys/class/net/docker0')) throw new Error('docker0 belongs to another daemon');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'daemon.json'), '{}');
  return {
    socket,
    start: async () => {
      const places = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(directory, name)}`);
      const quiet = [`--bridge=${bridge}`, '--iptables=false', '--ip6tables=false', '--log-level=fatal'];
      const config = `--config-file=${join(directory, 'daemon.json')}`;
      child = spawn('dockerd', ['-H', `unix://${socket}`, ...places, ...quiet, config], { stdio: 'ignore' });
      for (let attempt = 0; spawnSync('docker', ['-H', `unix://${socket}`, 'version']).status !== 0; attempt += 1) {
        if (attempt > 150 || child.exitCode !== null) throw new Error('dockerd did not start');
        await new Promise((resolve) => {
          setTimeout(resolve, 200);
        });
      }
      if (spawnSync('docker', ['-H', `unix://${socket}`, 'image', 'inspect', IMAGE]).status === 0) return;
      const saved = spawnSync('docker', ['-H', `unix://${SOCKET}`, 'save', IMAGE], { maxBuffer: 64 * 1024 * 1024 });
      spawnSync('docker', ['-H', `unix://${socket}`, 'load'], { input: saved.stdout });
    },
    stop: async () => {
      const stopping = child;
      if (stopping === undefined) return;
      child = undefined;
      const exited = once(stopping, 'exit');
      stopping.kill('SIGTERM');
      await exited;
      rmSync(socket, { force: true });
    },
    pid: () => child?.pid ?? 0,
    remove: () => removeBridge(own.name),
  };
}
