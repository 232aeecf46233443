import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import { mountAt } from '../../../posture/check/mount.ts';
import type { Host, HostStat } from '../../host/host.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import type { DaemonName } from '../proc/daemon-identity.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readText, unseen } from '../read-text.ts';

/** Where distributions have the configuration that GRUB reads. */
const BOOT_FILES: readonly string[] = [
  '/boot/grub/grub.cfg',
  '/boot/grub/user.cfg',
  '/boot/grub2/grub.cfg',
  '/boot/grub2/user.cfg',
];
/** Directories that many programs write to, or that fill up. */
const DIRECTORIES: readonly string[] = [
  '/boot',
  '/dev/shm',
  '/home',
  '/tmp',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/kubelet',
  '/var/log',
  '/var/tmp',
];
const DAEMONS: readonly DaemonName[] = ['containerd', 'crio', 'dockerd', 'kubelet', 'sshd'];
const MAX_DAEMONS = 32;

/** Files of the boot loader; of a password only whether there is one, never its hash. */
export async function readBootFiles(host: Host): Promise<HostFact['bootFiles']> {
  const found: (readonly [path: string, stat: HostStat])[] = [];
  let password = false;
  for (const path of BOOT_FILES) {
    const stat = await host.stat(path);
    if (!stat.ok && stat.code === 'absent') continue;
    if (!stat.ok) return unreadable(path, stat.reason);
    const read = await readText(host, path, 1024 * 1024);
    if (!read.ok) return unreadable(path, read.reason);
    // A user.cfg alone is what grub2-setpassword of the Red Hat family writes.
    password ||= /^[ \t]*(?:password(?:_pbkdf2)?[ \t]+\w|GRUB2_PASSWORD=)/m.test(read.value);
    found.push([path, stat.value]);
  }
  return found.length === 0
    ? absent(BOOT_FILES.join(', '))
    : seen(
        found.map(([path, { mode, uid, gid }]) => ({ path, mode, uid, gid, password })),
        '/boot',
      );
}

/** Where each directory is mounted, and with which options. */
export async function readFileSystems(access: CachedHost): Promise<HostFact['fileSystems']> {
  const source = '/proc/1/mountinfo';
  const mounts = await nodeMounts(access, '1');
  if (!mounts.ok) return unreadable(source, mounts.reason);
  const found = [];
  for (const path of DIRECTORIES) {
    const stat = await access.host.stat(path);
    if (!stat.ok && stat.code === 'absent') continue;
    if (!stat.ok) return unreadable(path, stat.reason);
    const mount = mountAt(mounts.value.entries, stat.value.realPath);
    if (mount === undefined) return unreadable(source, `nothing is mounted above ${path}`);
    found.push({ path, mountPoint: clip(mount.mountPoint, 4096), options: clip(mount.options, 1024) });
  }
  return seen(found, source);
}

/** Daemons of the node with what the kernel says of their confinement. */
export async function readConfinement(access: CachedHost): Promise<HostFact['daemons']> {
  const { host } = access;
  const daemons = [];
  for (const name of DAEMONS) {
    const found = await findDaemons(access, name);
    if (!found.ok) return unreadable('/proc', found.reason);
    for (const { pid, status } of found.value.genuine) {
      const path = `/proc/${String(pid)}/attr/current`;
      const label = await readText(host, path, 4096);
      daemons.push({
        pid,
        name,
        // SELinux ends it with a NUL.
        label: label.ok ? seen(clip(label.value.replace(/[\0\n]+$/, ''), 256), path) : unseen(label, path),
        noNewPrivileges: status.noNewPrivs === true,
        seccomp: status.seccomp === 2,
      });
    }
  }
  return seen(daemons.slice(0, MAX_DAEMONS), '/proc/*/exe');
}
