// A Docker daemon of the tests' own: its socket, data and bridge stand apart from whatever else runs on the machine.
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The image that tests start: one static busybox. */
export const TEST_IMAGE = 'plimsoll-test/busybox:1';
const BRIDGE = 'plimsoll-test0';
const BRIDGE_ADDRESS = '10.231.64.1/20';
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;

/** Starts a daemon. Resolves to its socket and a function that ends it, or to the reason why there is none. */
export async function startDockerd() {
  if (process.getuid?.() !== 0) return { reason: 'a Docker daemon of its own needs root' };
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-dockerd-'));
  const own = ['--bridge', BRIDGE];
  const attempts = makeBridge() ? [own, ['--bridge', 'none', '--iptables=false', '--ip6tables=false']] : [];
  attempts.push(['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--storage-driver', 'vfs']);
  let reason = 'dockerd did not start';
  for (const flags of attempts) {
    const started = await attempt(directory, flags);
    if (started.stop !== undefined) return started;
    reason = started.reason;
  }
  removeBridge();
  removeDirectory(directory);
  return { reason };
}

async function attempt(directory, flags) {
  const socket = join(directory, 'docker.sock');
  // A configuration of its own, so that the machine's does not reach in.
  writeFileSync(join(directory, 'daemon.json'), '{}\n');
  const log = openSync(join(directory, 'dockerd.log'), 'w');
  const places = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')];
  const files = ['--pidfile', join(directory, 'dockerd.pid'), '--config-file', join(directory, 'daemon.json')];
  const child = spawn('dockerd', ['-H', `unix://${socket}`, ...places, ...files, ...flags], {
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH },
  });
  closeSync(log);
  let over = false;
  child.on('error', () => (over = true));
  child.on('exit', () => (over = true));
  const deadline = Date.now() + 60_000;
  while (!over && Date.now() < deadline) {
    if (docker(socket, ['version']).status === 0) {
      const problem = importImage(socket, directory);
      const stop = () => end(child, directory);
      if (problem === undefined) return { socket, stop };
      await stop();
      return { reason: problem };
    }
    await sleep(200);
  }
  child.kill('SIGKILL');
  const tail = readFileSync(join(directory, 'dockerd.log'), 'utf8').trim().split('\n').slice(-2).join(' | ');
  return { reason: `dockerd did not start: ${tail}` };
}

function importImage(socket, directory) {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (busybox === undefined) return 'no static busybox to make an image of';
  const root = join(directory, 'image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync(busybox, join(root, 'bin', 'busybox'));
  for (const name of ['sh', 'sleep', 'cat']) symlinkSync('busybox', join(root, 'bin', name));
  const packed = spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 });
  const imported = docker(socket, ['import', '-', TEST_IMAGE], packed.stdout);
  return imported.status === 0 ? undefined : `docker import failed: ${String(imported.stderr)}`;
}

function docker(socket, args, input) {
  return spawnSync('docker', ['-H', `unix://${socket}`, ...args], {
    input,
    env: { ...process.env, PATH },
    timeout: 60_000,
  });
}

async function end(child, directory) {
  const socket = join(directory, 'docker.sock');
  const running = String(docker(socket, ['ps', '-aq']).stdout)
    .split('\n')
    .filter(Boolean);
  if (running.length > 0) docker(socket, ['rm', '-f', ...running]);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(15_000)]);
  child.kill('SIGKILL');
  removeBridge();
  removeDirectory(directory);
}

/** dockerd may leave mounts behind; what is still busy then stays in the temporary directory, and is no failure. */
function removeDirectory(directory) {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  for (const mount of mounts.filter((path) => path.startsWith(`${directory}/`)).toReversed()) {
    spawnSync('umount', ['--lazy', mount], { env: { ...process.env, PATH } });
  }
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  } catch (error) {
    process.stderr.write(`test: ${directory} could not be removed (${error.message})\n`);
  }
}

function makeBridge() {
  removeBridge();
  const steps = [
    ['link', 'add', BRIDGE, 'type', 'bridge'],
    ['addr', 'add', BRIDGE_ADDRESS, 'dev', BRIDGE],
    ['link', 'set', BRIDGE, 'up'],
  ];
  return steps.every((args) => spawnSync('ip', args, { env: { ...process.env, PATH } }).status === 0);
}

function removeBridge() {
  spawnSync('ip', ['link', 'del', BRIDGE], { env: { ...process.env, PATH } });
}
