import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TEST_IMAGE } from '../../../component/docker.ts';

/** Podman with storage of the test's own, and its API service. */
export interface OwnPodman {
  readonly socketPath: string;
  readonly endpoint: string;
  /** Runs `podman`; returns what it printed. Throws what it complained about. */
  readonly podman: (...args: readonly string[]) => string;
  /** Starts the API service and waits until it listens; resolves to its pid. */
  readonly startService: () => Promise<number>;
  readonly stopService: () => Promise<void>;
  /** Removes the containers and ends the service. */
  readonly stop: () => Promise<void>;
}

/** The runtime directory of a user, made if it is not there: what pam_systemd(8) does at login. */
export function userDirectory(uid: number): string {
  const path = `/run/user/${String(uid)}`;
  // Where nobody has ever logged in, /run/user is absent. Users must be able to pass through it.
  mkdirSync('/run/user', { recursive: true });
  chmodSync('/run/user', 0o755);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chownSync(path, uid, uid);
  return path;
}

/** Why no Podman can be run here; false where it can. For the `skip` option of a test. */
export const noPodman: string | false =
  process.getuid?.() !== 0
    ? 'needs root for a Podman of its own'
    : spawnSync('podman', ['--version']).status !== 0 && 'Podman is not installed';

/**
 * A Podman without containers, with the image of the tests from the Docker engine at `dockerEndpoint`. With `uid` it is
 * the rootless one of that user, with its socket at the usual place.
 */
export function ownPodman(dockerEndpoint: string, uid = 0, driver: 'vfs' | 'overlay' = 'vfs'): OwnPodman {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-podman-'));
  const socketDirectory = uid === 0 ? directory : join(userDirectory(uid), 'podman');
  mkdirSync(socketDirectory, { recursive: true });
  for (const path of [directory, socketDirectory]) chownSync(path, uid, uid);
  const socketPath = join(socketDirectory, 'podman.sock');
  const places = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')];
  // By itself it takes crun where that is installed, which cannot start anything on hybrid cgroups. Docker brings runc.
  const flags = [...places, `--storage-driver=${driver}`, '--cgroup-manager=cgroupfs', '--runtime=runc'];
  const home = uid === 0 ? {} : { HOME: directory, XDG_RUNTIME_DIR: userDirectory(uid), TMPDIR: directory };
  const env = { ...process.env, ...home, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' };
  const as = { env, uid, gid: uid, cwd: directory };
  const podman = (...args: readonly string[]): string => {
    const done = spawnSync('podman', [...flags, ...args], { ...as, encoding: 'utf8', timeout: 60_000 });
    if (done.status !== 0) throw new Error(`podman ${args[0] ?? ''}: ${done.stderr}`);
    return done.stdout.trim();
  };
  const saved = spawnSync('docker', ['-H', dockerEndpoint, 'save', TEST_IMAGE], { maxBuffer: 64 * 1024 * 1024 });
  const loaded = spawnSync('podman', [...flags, 'load'], { ...as, input: saved.stdout });
  if (loaded.status !== 0) throw new Error(`podman load: ${String(loaded.stderr)}`);
  let endService: (() => Promise<void>) | undefined;
  const stopService = async (): Promise<void> => {
    await endService?.();
    endService = undefined;
  };
  return {
    socketPath,
    endpoint: `unix://${socketPath}`,
    podman,
    startService: async () => {
      const args = [...flags, 'system', 'service', '--time=0', `unix://${socketPath}`];
      const child = spawn('podman', args, { ...as, stdio: 'ignore' });
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      endService = () => {
        child.kill('SIGKILL');
        return exited;
      };
      for (let attempt = 0; !readFileSync('/proc/net/unix', 'utf8').includes(socketPath); attempt += 1) {
        if (child.exitCode !== null || attempt > 200) throw new Error('the service of Podman did not start');
        await sleep(50);
      }
      return child.pid ?? 0;
    },
    stopService,
    stop: async () => {
      podman('rm', '--all', '--force', '--time=0');
      await stopService();
      // A rootless Podman keeps a process that holds its user namespace.
      if (uid !== 0) podman('system', 'migrate');
      // The supervisors and clean-up processes of the containers may still write there for a moment.
      rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** The name that Podman gives the image of the tests. */
export const PODMAN_TEST_IMAGE = `docker.io/${TEST_IMAGE}`;
