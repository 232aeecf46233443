import type { Mount } from '../fact/container.ts';

/** The mount that `path` lies on, as the container sees it: the longest mount point above it, the last one if several. */
export function mountAt(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts)
    if (isWithin(path, mount.mountPoint) && (found === undefined || mount.mountPoint.length >= found.mountPoint.length))
      found = mount;
  return found;
}

/** Is `path` the directory itself, or below it? Both absolute and without a closing slash. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/** A mount in the words of mountinfo: `254:0 /etc /host/etc ro - ext4 /dev/vda`. */
export function mountLine({ device, root, mountPoint, readOnly, shared, fsType, source }: Mount): string {
  const options = `${readOnly ? 'ro' : 'rw'}${shared ? ' shared' : ''}`;
  return `${device} ${cut(root)} ${cut(mountPoint)} ${options} - ${fsType} ${cut(source)}`;
}

/** Paths are up to 4,096 characters long; the front of one says enough. */
function cut(path: string): string {
  return path.length <= 120 ? path : `${path.slice(0, 120)}…`;
}
