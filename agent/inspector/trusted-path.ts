import type { Host, HostStat, Read } from '../host/host.ts';
import { failure } from '../host/failure.ts';

/** Linux itself stops after 40 links, path_resolution(7). */
const MAX_LINKS = 40;
/** Bits of st_mode, inode(7). */
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * What `path` leads to, where nobody but root can change that: each directory on the way, those of symbolic links
 * included, and the end itself belong to root and are not writable by others. Otherwise the failure says which is:
 * `/srv/x is writable by uid 1000`. A socket may be writable by others: that lets them connect, not replace it. An access
 * control list grants nothing that the group bits do not show, which are its mask, acl(5).
 */
export async function statTrusted(host: Host, path: string): Promise<Read<HostStat>> {
  if (!path.startsWith('/')) return failure('failed', 'not an absolute path');
  const pending = componentsOf(path);
  let real: string[] = [];
  let links = 0;
  let at = await step(host, '/', false);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (!at.ok) return at;
    if (name === '..') {
      real.pop();
      // The directory was judged on the way down.
      at = await step(host, `/${real.join('/')}`, false);
      continue;
    }
    const parent = `/${real.join('/')}`;
    const place = `${parent === '/' ? '' : parent}/${name}`;
    // Links of /proc lead each reader to another place.
    if (place === '/proc') return failure('notRegular', 'a path of /proc is not a file of the node');
    // One call for what is no link. In a sticky directory a link is not even followed.
    const direct = isSticky(at.value) ? undefined : await host.stat(place);
    const link = direct?.ok === true && direct.value.realPath === place ? undefined : await host.readLink(place);
    if (link?.ok === true) {
      links += 1;
      if (links > MAX_LINKS) return failure('loop', 'too many symbolic links (ELOOP)');
      // In a sticky directory everybody may have made the link.
      if (isSticky(at.value)) return writable(parent, at.value);
      if (link.value.startsWith('/')) real = [];
      pending.push(...componentsOf(link.value));
      if (link.value.startsWith('/')) at = await step(host, '/', false);
      continue;
    }
    at = await step(host, place, isSticky(at.value));
    real.push(name);
  }
  return at.ok && isSticky(at.value) ? writable(path, at.value) : at;
}

/** Reads a regular file for which {@link statTrusted} holds; not a byte of any other is read. */
export async function readTrusted(
  host: Host,
  path: string,
  maxBytes?: number,
): Promise<Read<{ readonly bytes: Buffer; readonly stat: HostStat }>> {
  const stat = await statTrusted(host, path);
  if (!stat.ok) return stat;
  if (stat.value.kind !== 'file') return failure('notRegular', `a ${stat.value.kind}, not a regular file`);
  const read = await host.readFile(path, maxBytes === undefined ? {} : { maxBytes });
  return read.ok ? { ok: true, value: { bytes: read.value, stat: stat.value } } : read;
}

/** The judged stat of one place, which is not a link. */
async function step(host: Host, place: string, isBelowSticky: boolean): Promise<Read<HostStat>> {
  const stat = await host.stat(place);
  if (!stat.ok) return stat;
  const { realPath, kind, uid, mode } = stat.value;
  if (realPath !== place) return failure('failed', `${place} changed while it was read`);
  if (uid !== 0) return failure('denied', `${place} is writable by uid ${String(uid)}`);
  // A file of root may be put there by somebody else as a hard link.
  if (isBelowSticky && kind !== 'directory' && kind !== 'socket') return writable(parentOf(place), stat.value);
  const isOpen = (mode & GROUP_OR_OTHERS_WRITE) !== 0 && kind !== 'socket' && !isSticky(stat.value);
  return isOpen ? writable(place, stat.value) : stat;
}

/** Everybody may add entries to the directory, but change only their own. */
function isSticky({ kind, mode }: HostStat): boolean {
  return kind === 'directory' && (mode & GROUP_OR_OTHERS_WRITE) !== 0 && (mode & STICKY) !== 0;
}

function writable(place: string, { gid, mode }: HostStat): Read<never> {
  const who = (mode & OTHERS_WRITE) !== 0 ? 'everybody' : `gid ${String(gid)}`;
  return failure('denied', `${place} is writable by ${who}`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** In reverse, so that the next one is popped. */
function componentsOf(path: string): string[] {
  return path
    .split('/')
    .filter((component) => component !== '' && component !== '.')
    .toReversed();
}
