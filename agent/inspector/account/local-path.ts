import type { Host, HostStat, Read } from '../../host/host.ts';
import { failure } from '../../host/failure.ts';
import type { MountEntry } from '../proc/mountinfo.ts';
import { statTrusted } from '../trusted-path.ts';

/**
 * File systems whose files this machine holds itself. A server, or with FUSE a process of any user, decides when another
 * one answers: each read that hangs keeps a thread of this process.
 */
const LOCAL: ReadonlySet<string> = new Set([
  'bcachefs',
  'btrfs',
  'devtmpfs',
  'erofs',
  'exfat',
  'ext2',
  'ext3',
  'ext4',
  'f2fs',
  'jfs',
  'overlay',
  'proc',
  'ramfs',
  'reiserfs',
  'rootfs',
  'squashfs',
  'sysfs',
  'tmpfs',
  'vfat',
  'xfs',
  'zfs',
]);

/** Linux itself stops after 40 links, path_resolution(7). */
const MAX_LINKS = 40;

/** Reads below directories that users control. */
export interface LocalPaths {
  /** The real path of `path`, links followed. Fails before it touches a file system that may not answer. */
  readonly resolve: (path: string) => Promise<Read<string>>;
  /** Why nothing at this path may be read; undefined: it may. */
  readonly refusal: (path: string) => string | undefined;
}

/** By the mounts of the node. The file system of `/` holds the whole node, so whatever it is, it is read. */
export function createLocalPaths(host: Host, mounts: readonly MountEntry[]): LocalPaths {
  const points = new Map<string, MountEntry>();
  // Of several mounts at one place the last covers the others.
  for (const mount of mounts) points.set(mount.mountPoint, mount);
  const root = points.get('/');
  const refusal = (path: string): string | undefined => {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const mount = points.get(at === '' ? '/' : at);
      if (mount !== undefined)
        return mount === root || LOCAL.has(mount.fsType)
          ? undefined
          : `on a file system of type ${mount.fsType}, which may not answer`;
      if (at === '') return undefined;
    }
  };
  return { refusal, resolve: (path) => resolveLocal(host, path, refusal) };
}

async function resolveLocal(host: Host, path: string, refusal: LocalPaths['refusal']): Promise<Read<string>> {
  const pending = componentsOf(path);
  let real: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      real.pop();
      continue;
    }
    const place = `/${[...real, name].join('/')}`;
    const refused = refusal(place);
    if (refused !== undefined) return failure('failed', refused);
    const link = await host.readLink(place);
    if (!link.ok && link.code === 'absent') return link;
    if (!link.ok) {
      real.push(name);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return failure('loop', 'too many symbolic links (ELOOP)');
    if (link.value.startsWith('/')) real = [];
    pending.push(...componentsOf(link.value));
  }
  return { ok: true, value: `/${real.join('/')}` };
}

/** In reverse, so that the next one is popped. */
function componentsOf(path: string): string[] {
  return path
    .split('/')
    .filter((component) => component !== '' && component !== '.')
    .toReversed();
}

/** A directory that one account controls. */
export interface OwnedDirectory {
  /** Real path, without a slash at its end. */
  readonly path: string;
  readonly stat: HostStat;
}

/** The home directory of an account: only root decides which directory that is. */
export async function findHome(host: Host, local: LocalPaths, home: string): Promise<Read<OwnedDirectory>> {
  if (!home.startsWith('/')) return failure('absent', 'no home directory');
  const real = await local.resolve(home);
  if (!real.ok) return real;
  const path = real.value === '/' ? '' : real.value;
  const parent = await statTrusted(host, path.slice(0, path.lastIndexOf('/')) || '/');
  if (!parent.ok) return parent;
  const stat = await host.stat(real.value);
  if (!stat.ok) return stat;
  if (stat.value.kind !== 'directory') return failure('absent', 'not a directory');
  return stat.value.realPath === real.value
    ? { ok: true, value: { path, stat: stat.value } }
    : failure('failed', 'the path changed while it was read');
}

/**
 * A regular file below a directory that the account controls. A link is not followed and a file of another account is
 * not read: the account would choose which file of the node that is.
 */
export async function readOwned(
  host: Host,
  local: LocalPaths,
  directory: OwnedDirectory,
  { path, uid, maxBytes }: { readonly path: string; readonly uid: number; readonly maxBytes: number },
): Promise<Read<{ readonly bytes: Buffer; readonly stat: HostStat }>> {
  const stat = await statOwned(host, local, directory, { path, uid });
  if (!stat.ok) return stat;
  if (stat.value.kind !== 'file') return failure('notRegular', `a ${stat.value.kind}, not a regular file`);
  const read = await host.readFile(path, { maxBytes });
  if (!read.ok) return read;
  const after = await statOwned(host, local, directory, { path, uid });
  return after.ok && after.value.fileId === stat.value.fileId
    ? { ok: true, value: { bytes: read.value, stat: stat.value } }
    : failure('failed', 'the file changed while it was read');
}

/** What is at a path below a directory that the account controls. */
export async function statOwned(
  host: Host,
  local: LocalPaths,
  directory: OwnedDirectory,
  { path, uid }: { readonly path: string; readonly uid: number },
): Promise<Read<HostStat>> {
  const refused = local.refusal(path);
  if (refused !== undefined) return failure('failed', refused);
  const stat = await host.stat(path);
  if (!stat.ok) return stat;
  const { realPath, uid: owner, links, kind } = stat.value;
  if (realPath !== path) return failure('denied', 'a symbolic link below a directory of the account is not followed');
  if (owner !== 0 && owner !== uid) return failure('denied', 'it belongs to another account');
  // A file of root may be put there by the account as a hard link.
  const isForeign = owner === 0 && directory.stat.uid !== 0 && kind === 'file' && links > 1;
  return isForeign ? failure('denied', 'a hard link to a file of root is not read') : stat;
}
