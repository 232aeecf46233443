// A Docker daemon of the tests' own: its socket, data and bridge are separate from whatever else runs on the machine.
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The image that tests start: one static busybox. */
export const TEST_IMAGE = 'plimsoll-test/busybox:1';
/** Runs can be side by side on a machine: each has a bridge of its own. A name has at most 15 characters. */
const BRIDGE = `plimsoll${process.pid}`;
/** Directories of daemons that end with the process in their file `owner`. */
const PREFIX = 'plimsoll-dockerd-';
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;

/** Starts a daemon. Resolves to its socket and a function that ends it, or to the reason why there is none. */
export async function startDockerd() {
  if (process.getuid?.() !== 0) return { reason: 'a Docker daemon of its own needs root' };
  removeAbandoned();
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(directory, 'owner'), `${process.pid} ${startTime(process.pid)} ${BRIDGE} ${pidNamespace()}`);
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
  removeContainers(socket);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(15_000)]);
  child.kill('SIGKILL');
  removeBridge();
  removeDirectory(directory);
}

function removeContainers(socket) {
  const ids = String(docker(socket, ['ps', '-aq']).stdout)
    .split('\n')
    .filter(Boolean);
  if (ids.length > 0) docker(socket, ['rm', '-f', ...ids]);
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
  const address = freeAddress();
  const steps = [
    ['link', 'add', BRIDGE, 'type', 'bridge'],
    ['addr', 'add', address ?? '', 'dev', BRIDGE],
    ['link', 'set', BRIDGE, 'up'],
  ];
  return address !== undefined && steps.every((args) => ip(...args).status === 0);
}

/** One of 16 networks of 4,096 addresses that no interface has. */
function freeAddress() {
  const taken = ip('-o', '-4', 'addr').stdout;
  const networks = Array.from({ length: 16 }, (_, index) => ((process.pid + index) % 16) * 16);
  const free = networks.find((third) => {
    const own = Array.from({ length: 16 }, (_, index) => ` 10.231.${third + index}.`);
    return !own.some((start) => taken.includes(start));
  });
  return free === undefined ? undefined : `10.231.${free}.1/20`;
}

function removeBridge(name = BRIDGE) {
  ip('link', 'del', name);
}

function ip(...args) {
  return spawnSync('ip', args, { encoding: 'utf8', env: { ...process.env, PATH } });
}

/** Ends and removes what runs left behind that were killed. A daemon whose run goes on is not touched. */
function removeAbandoned() {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const directory = join(tmpdir(), name);
    const [pid, started, bridge, namespace] = read(join(directory, 'owner')).split(' ');
    // A process of another PID namespace is not visible here although it runs.
    if (pid !== '' && namespace !== pidNamespace()) continue;
    // Without the file it is a daemon of one test file, or older than this rule: its processes are looked for.
    const isOwned = pid !== '' && startTime(pid) === started;
    if (isOwned || (pid === '' && hasProcess(directory))) continue;
    const daemon = read(join(directory, 'dockerd.pid')).trim();
    if (/^\d+$/.test(daemon) && read(`/proc/${daemon}/cmdline`).includes(`${directory}/`)) {
      removeContainers(join(directory, 'docker.sock'));
      spawnSync('kill', ['-9', daemon]);
    }
    if (/^plimsoll\d+$/.test(bridge ?? '')) removeBridge(bridge);
    removeDirectory(directory);
  }
}

/** Does a process name the directory in its arguments? A directory that was just made may have none yet. */
function hasProcess(directory) {
  const madeMs = statSync(directory, { throwIfNoEntry: false })?.ctimeMs ?? Date.now();
  if (Date.now() - madeMs < 10 * 60_000) return true;
  return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`).includes(directory));
}

/** When a process was started, in clock ticks since boot: with its number, this names it. Empty: it does not run. */
function startTime(pid) {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? '';
}

/** The PID namespace of this process, such as `pid:[4026531836]`. */
function pidNamespace() {
  return readlinkSync('/proc/self/ns/pid');
}

/** Empty where the file cannot be read. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
