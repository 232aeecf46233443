import { below, isWithin, joined, mountAt } from '../../../posture/check/mount.ts';
import type { MountEntry } from './mountinfo.ts';

/** All mounts of one mount namespace, as mountinfo lists them. */
export interface MountTable {
  readonly entries: readonly MountEntry[];
  readonly byDevice: ReadonlyMap<string, readonly MountEntry[]>;
  /** Numbers of the peer groups that its mounts are in. */
  readonly peerGroups: ReadonlySet<number>;
}

/** A place in a file system: the device of its superblock and the path from its top. The same in every namespace. */
export interface FileLocation {
  /** `major:minor` as mountinfo has it; on btrfs another number than that of stat(2). */
  readonly device: string;
  readonly root: string;
}

/** The kernel appends this to the root of a mount whose file or directory was removed; no name can hold a slash. */
const DELETED = '//deleted';

/** More mount points of one file system are not kept for one mount. */
const MAX_PATHS = 64;

/** An index over the lines of mountinfo. */
export function createMountTable(entries: readonly MountEntry[]): MountTable {
  const byDevice = new Map<string, MountEntry[]>();
  for (const entry of entries) {
    const same = byDevice.get(entry.device);
    if (same === undefined) byDevice.set(entry.device, [entry]);
    else same.push(entry);
  }
  return { entries, byDevice, peerGroups: new Set(entries.map(({ peerGroup }) => peerGroup)) };
}

/** Was the file that is mounted there removed from its directory? */
export function isDeleted(root: string): boolean {
  return root.endsWith(DELETED);
}

/** A path that leads to all files of a location, and the mount point that it leads through. */
export interface WholePath {
  readonly path: string;
  readonly mountPoint: string;
}

/** Paths of one location; `isComplete` is false where there are more than are kept. */
export interface FoundPaths {
  readonly paths: readonly string[];
  /** Those of them that lead to all of the files: the first ones. */
  readonly whole: readonly WholePath[];
  readonly isComplete: boolean;
}

/**
 * Every path at which the namespace of `table` has the files at `location`, or a part of them where only directories
 * below it are mounted. Paths that another mount covers are among them: the files are the same. What a file system shows
 * once more below a place where it is mounted as well (the root file system below /run) is left out: those places mean
 * nothing for the files.
 */
export function pathsIn(table: MountTable, location: FileLocation): FoundPaths {
  const root = withoutDeleted(location.root);
  const mounts = table.byDevice.get(location.device) ?? [];
  const showing = mounts.filter((mount) => below(root, withoutDeleted(mount.root)) !== undefined);
  const whole = new Map<string, WholePath>();
  for (const mount of showing) {
    if (showing.some((other) => isCopy(mount, other))) continue;
    const path = joined(mount.mountPoint, below(root, withoutDeleted(mount.root)) ?? '');
    if (!whole.has(path)) whole.set(path, { path, mountPoint: mount.mountPoint });
  }
  const paths = new Set(whole.keys());
  for (const mount of mounts) {
    const rest = below(withoutDeleted(mount.root), root);
    if (rest === undefined || rest === '') continue;
    // Where the files at the location have a path, so has this part of them.
    if (![...paths].some((path) => joined(path, rest) === mount.mountPoint)) paths.add(mount.mountPoint);
    if (paths.size > MAX_PATHS) break;
  }
  return {
    paths: [...paths].slice(0, MAX_PATHS),
    whole: [...whole.values()].slice(0, MAX_PATHS),
    isComplete: paths.size <= MAX_PATHS,
  };
}

/** Does `mount` show what `other` shows, or more, at a place below that? */
function isCopy(mount: MountEntry, other: MountEntry): boolean {
  const isBelow = mount.mountPoint !== other.mountPoint && isWithin(mount.mountPoint, other.mountPoint);
  return isBelow && isWithin(withoutDeleted(other.root), withoutDeleted(mount.root));
}

/** Where the file at `path`, which holds no symbolic link, lies; undefined where the table has no root. */
export function locate(table: MountTable, path: string): FileLocation | undefined {
  const mount = mountAt(table.entries, path);
  const rest = mount === undefined ? undefined : below(path, mount.mountPoint);
  if (mount === undefined || rest === undefined) return undefined;
  return { device: mount.device, root: joined(mount.root, rest) };
}

function withoutDeleted(root: string): string {
  return isDeleted(root) ? root.slice(0, -DELETED.length) : root;
}
