import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import { mountAt } from '../../../posture/check/mount.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import type { DaemonName } from '../proc/daemon-identity.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readText, unseen } from '../read-text.ts';

/** What fills up and then stops everything else. */
const DIRECTORIES: readonly string[] = ['/var/lib/containerd', '/var/lib/containers', '/var/lib/kubelet', '/var/log'];
const DAEMONS: readonly DaemonName[] = ['containerd', 'crio', 'dockerd', 'kubelet', 'sshd'];
const MAX_DAEMONS = 32;

/** Where each directory is mounted. */
export async function readFileSystems(access: CachedHost): Promise<HostFact['fileSystems']> {
  const source = '/proc/1/mountinfo';
  const mounts = await nodeMounts(access, '1');
  if (!mounts.ok) return unreadable(source, mounts.reason);
  const root = mountAt(mounts.value.entries, '/');
  if (root === undefined) return unreadable(source, 'no root is mounted');
  const found = [];
  for (const path of DIRECTORIES) {
    const stat = await access.host.stat(path);
    if (!stat.ok && stat.code === 'absent') continue;
    if (!stat.ok) return unreadable(path, stat.reason);
    const mount = mountAt(mounts.value.entries, stat.value.realPath);
    if (mount === undefined) return unreadable(source, `nothing is mounted above ${path}`);
    // A directory that is mounted once more (bind) and a subvolume of btrfs have the device of their file system.
    found.push({ path, mountPoint: clip(mount.mountPoint, 4096), isRoot: mount.device === root.device });
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
