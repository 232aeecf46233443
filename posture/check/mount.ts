import type { Mount } from '../fact/container.ts';

/** What decides which mount a path leads to: a line of mountinfo. */
interface MountPosition {
  readonly id: number;
  readonly parent: number;
  readonly mountPoint: string;
}

/**
 * The mount that `path` leads to, as the kernel walks it: from the root mount down, at each mount point to the topmost
 * mount there. A mount that a later one covers is not found. undefined where the table has no root: its process has
 * changed its root directory.
 */
export function mountAt<M extends MountPosition>(mounts: readonly M[], path: string): M | undefined {
  const children = new Map<number, M[]>();
  // Without an iterator: the table of a node with many containers has many hundred lines.
  for (let index = 0; index < mounts.length; index += 1) {
    const mount = mounts[index] as M;
    if (!isWithin(path, mount.mountPoint)) continue;
    const siblings = children.get(mount.parent);
    if (siblings === undefined) children.set(mount.parent, [mount]);
    else siblings.push(mount);
  }
  const roots = mounts.filter(({ mountPoint }) => mountPoint === '/');
  const outside = new Set(roots.map(({ parent }) => parent));
  for (let index = 0; index < mounts.length; index += 1) outside.delete((mounts[index] as M).id);
  let current = roots.find(({ id, parent }) => parent === id || outside.has(parent));
  // Each mount is visited once: a table that was changed while it was read could otherwise lead in a circle.
  for (const visited = new Set<M>(); current !== undefined;) {
    visited.add(current);
    let next: M | undefined;
    for (const mount of children.get(current.id) ?? [])
      if (!visited.has(mount) && (next === undefined || mount.mountPoint.length < next.mountPoint.length)) next = mount;
    if (next === undefined) return current;
    current = next;
  }
  return undefined;
}

/** Is `path` the directory itself, or below it? Both absolute and without a closing slash. */
export function isWithin(path: string, directory: string): boolean {
  return below(path, directory) !== undefined;
}

/** What follows `directory` in `path`: empty for the directory itself, `/a/b` below it; undefined outside of it. */
export function below(path: string, directory: string): string | undefined {
  if (path === directory) return '';
  if (directory === '/') return path.startsWith('/') ? path : undefined;
  return path.startsWith(directory) && path.charCodeAt(directory.length) === 0x2f
    ? path.slice(directory.length)
    : undefined;
}

/** `directory` and what {@link below} answered. */
export function joined(directory: string, rest: string): string {
  return directory === '/' && rest !== '' ? rest : directory + rest;
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
