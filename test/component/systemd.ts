import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../scripts/setup.mjs';

/** A systemd as process 1 of namespaces of its own, on a copy of this machine's files that is thrown away. */
export interface Systemd {
  /** Runs a script of bash beside the services; rejects nothing: the status is in the result. */
  readonly run: (script: string) => { readonly code: number | null; readonly output: string };
  readonly stop: () => Promise<void>;
}

const PROGRAM = '/usr/lib/systemd/systemd';
/** Where the services find the project. */
export const PLACE = '/opt/plimsoll';
const BOOT_MS = 120_000;
const SCRIPT_MS = 120_000;

/** Why no systemd can be started here; false where it can. For the `skip` option of a test. */
export function noSystemd(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to start a systemd';
  if (!existsSync(PROGRAM)) return 'systemd is not installed';
  // The services refuse a program that users other than root can change.
  if (statSync(ROOT).uid !== 0) return 'the checkout belongs to another user than root';
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-systemd-'));
  const probe = [prepareCgroup(directory, 'probe'), mountRoot(directory), `rmdir ${cgroupOf(directory, 'probe')}`];
  const { status, stderr } = spawnSync('setpriv', [...NAMESPACE, 'bash', '-ec', probe.join('\n')], {
    encoding: 'utf8',
    timeout: SCRIPT_MS,
  });
  rmdirSync(directory);
  return status === 0 ? false : `no namespaces for a systemd: ${stderr.trim().split('\n').at(-1) ?? ''}`;
}

/** Ends with the test process. */
const NAMESPACE = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation=private'] as const;

/** Mounts a directory in memory, and makes a cgroup: the slices of this systemd are not those of the machine. */
function prepareCgroup(directory: string, name: string): string {
  return `mount -t tmpfs tmpfs ${directory}; cd ${directory}; mkdir cgroup root up work
mount -t cgroup2 none cgroup; mkdir ${cgroupOf(directory, name)}`;
}

function cgroupOf(directory: string, name: string): string {
  return `${directory}/cgroup/plimsoll-systemd-${name}`;
}

/** The files of this machine, with changes in memory. */
function mountRoot(directory: string): string {
  return `mount -t overlay overlay -o lowerdir=/,upperdir=${directory}/up,workdir=${directory}/work ${directory}/root`;
}

/**
 * What process 1 finds: https://systemd.io/CONTAINER_INTERFACE/. It would raise limits of this machine in /proc/sys.
 * A Plimsoll that is installed here, or runs from a checkout, is not there.
 */
const BOOT = `mount -t proc proc proc; mount --bind proc/sys proc/sys; mount -o remount,ro,bind proc/sys; mount -t sysfs -o ro sysfs sys; mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for n in null zero full random urandom tty; do touch dev/$n; mount --bind /dev/$n dev/$n; done
ln -s /proc/self/fd dev/fd; mkdir dev/pts; mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
for d in run tmp dev/shm; do mkdir -p $d; mount -t tmpfs -o mode=755 tmpfs $d; done; chmod 1777 tmp dev/shm
mkdir -p .${PLACE} old; mount --bind ${ROOT} .${PLACE}; pivot_root . old; umount -l /old
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/plimsoll* /etc/plimsoll /var/lib/plimsoll /usr/local/bin/plimsoll
exec env -i container=plimsoll-test PATH=/usr/sbin:/usr/bin:/sbin:/bin ${PROGRAM} --log-level=warning --log-target=console --show-status=no --unit=basic.target`;

/** Starts it, and waits until it is up. Ends with the test process. */
export async function startSystemd(): Promise<Systemd> {
  const name = String(process.pid);
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-systemd-'));
  const inner = `${mountRoot(directory)}; cd ${directory}/root\n${BOOT}`;
  const outer = `${prepareCgroup(directory, name)}
echo $$ > ${cgroupOf(directory, name)}/cgroup.procs
exec unshare --pid --cgroup --mount --uts --ipc --net --fork --kill-child=KILL bash -ec "$1"`;
  const child = spawn('setpriv', [...NAMESPACE, 'bash', '-ec', outer, 'outer', inner], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    removeCgroup(directory, name);
    rmdirSync(directory);
  };
  const run: Systemd['run'] = (script) => {
    const leader = spawnSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).stdout.trim();
    const options = { input: script, encoding: 'utf8', timeout: SCRIPT_MS } as const;
    const { status, stdout, stderr } = spawnSync('nsenter', ['-t', leader, '-a', 'bash', '-s'], options);
    return { code: status, output: stdout + stderr };
  };
  for (const endMs = performance.now() + BOOT_MS; ;) {
    if (child.exitCode !== null) throw new Error(`systemd did not start: ${said}`);
    if (/^(?:running|degraded)$/m.test(run('systemctl is-system-running').output)) return { run, stop };
    if (performance.now() > endMs) {
      await stop();
      throw new Error(`systemd did not come up: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The cgroups that a systemd leaves behind when it is killed. */
function removeCgroup(directory: string, name: string): void {
  const script = `mount -t cgroup2 none ${directory}
for i in $(seq 100); do
  find ${directory}/plimsoll-systemd-${name} -depth -type d -exec rmdir {} + && break; sleep 0.1
done`;
  spawnSync('setpriv', [...NAMESPACE, 'bash', '-c', script], { timeout: SCRIPT_MS });
}
