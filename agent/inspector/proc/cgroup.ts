import type { MountEntry } from './mountinfo.ts';

/** One line of `/proc/PID/cgroup`. Version 2 has no controllers; a named hierarchy of version 1 has `name=systemd`. */
export interface CgroupEntry {
  readonly controllers: readonly string[];
  readonly path: string;
}

/** Where a cgroup hierarchy is mounted. Version 2 has no controllers. */
export interface CgroupMount {
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  readonly root: string;
}

/** `/proc/PID/cgroup`, cgroups(7): `hierarchy-ID:controller,controller:path`; version 2 is `0::path`. */
export function parseProcCgroup(text: string): readonly CgroupEntry[] {
  const entries: CgroupEntry[] = [];
  for (const line of text.split('\n')) {
    const first = line.indexOf(':');
    const second = line.indexOf(':', first + 1);
    if (first < 1 || second === -1) continue;
    const controllers = line.slice(first + 1, second);
    entries.push({ controllers: controllers === '' ? [] : controllers.split(','), path: line.slice(second + 1) });
  }
  return entries;
}

/** The cgroup hierarchies among mounts. Version 1 names its controllers among the options of the file system. */
export function cgroupMounts(mounts: readonly MountEntry[]): readonly CgroupMount[] {
  const found: CgroupMount[] = [];
  for (const { fsType, mountPoint, root, superOptions } of mounts) {
    if (fsType === 'cgroup2') found.push({ controllers: [], mountPoint, root });
    else if (fsType === 'cgroup') found.push({ controllers: superOptions.split(','), mountPoint, root });
  }
  return found;
}

/** Directory of a cgroup below its mount, and the mount point above which it has no ancestors. */
export interface CgroupDirectory {
  readonly path: string;
  readonly top: string;
}

/**
 * The directory of a process in the hierarchy of `controller` (`''`: version 2). undefined where the hierarchy is not
 * mounted, or where the path leads out of it: `/../…` is a cgroup outside of the reader's own cgroup namespace.
 */
export function cgroupDirectory(
  mounts: readonly CgroupMount[],
  entries: readonly CgroupEntry[],
  controller: string,
): CgroupDirectory | undefined {
  const belongs = ({ controllers }: { readonly controllers: readonly string[] }): boolean =>
    controller === '' ? controllers.length === 0 : controllers.includes(controller);
  const entry = entries.find(belongs);
  const mount = mounts.find(belongs);
  if (entry === undefined || mount === undefined || entry.path.split('/').includes('..')) return undefined;
  const { mountPoint, root } = mount;
  if (root === '/') return { path: entry.path === '/' ? mountPoint : mountPoint + entry.path, top: mountPoint };
  if (entry.path !== root && !entry.path.startsWith(`${root}/`)) return undefined;
  return { path: mountPoint + entry.path.slice(root.length), top: mountPoint };
}

/** Ids of containers in cgroup paths: 64 hexadecimal digits, as Docker, containerd, CRI-O and Podman name them. */
export function containerIds(cgroupText: string): readonly string[] {
  return cgroupText.match(/[\da-f]{64}/g) ?? [];
}
