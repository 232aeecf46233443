import { close, closeSync, constants, fstat, open, opendir, read, readlink, readlinkSync, statfs } from 'node:fs';
import { promisify } from 'node:util';
import { failure, failureFrom } from './failure.ts';
import { nameFromBytes, pathToNative } from './native-path.ts';
import { walk } from './walk.ts';
import type { Dir, Stats } from 'node:fs';
import type { FileSystem } from '../../posture/fact/node-status.ts';
import type { Read, ReadFailure } from './host.ts';
import type { NativePath } from './native-path.ts';
import type { PathMapper } from './path-mapper.ts';

const calls = {
  close: promisify(close),
  fstat: promisify(fstat),
  open: promisify(open),
  opendir: promisify(opendir),
  read: promisify(read),
  readlink: promisify(readlink),
  statfs: promisify(statfs),
};

// O_PATH of open(2): a handle on the place that opens nothing, so that a FIFO does not block and a device (a watchdog,
// a tape) does not start. Node does not export it; the number holds on every architecture that Node runs on.
const O_PATH = 0o10000000;
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const FIRST_READ_BYTES = 64 * 1024;

/** What is at a path after every link was followed inside the root. `handle` is an O_PATH descriptor. */
interface Place {
  readonly handle: number;
  readonly realPath: string;
  readonly stats: Stats;
}

/** The bytes of the regular file that `path` leads to. */
export function readOrdinary(tree: PathMapper, path: string, maxBytes: number): Promise<Read<Buffer>> {
  return atPlace(tree, path, async ({ handle, stats }) => {
    if (!stats.isFile()) return failure('notRegular', `a ${kindOf(stats)}, not a regular file`);
    if (stats.size > maxBytes) return tooLarge(maxBytes);
    const file = await calls.open(handlePath(handle), READ_FLAGS);
    try {
      return await readToEnd(file, stats.size, maxBytes);
    } finally {
      // A file system in user space is asked at each close (FUSE_FLUSH, linux/fuse.h), and may not answer.
      await calls.close(file);
    }
  });
}

/** The names in the directory that `path` leads to, sorted. */
export function listOrdinary(tree: PathMapper, path: string, maxEntries: number): Promise<Read<readonly string[]>> {
  return atPlace(tree, path, async ({ handle, stats }) => {
    if (!stats.isDirectory()) return failure('absent', 'not a directory (ENOTDIR)');
    // Node types names of a directory that is read in this encoding as strings; they are buffers.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 256 };
    const directory: Dir = await calls.opendir(handlePath(handle), options);
    try {
      const names: string[] = [];
      for (let entry = await directory.read(); entry !== null; entry = await directory.read()) {
        if (names.length === maxEntries) return failure('tooLarge', `more than ${String(maxEntries)} entries`);
        names.push(nameFromBytes(entry.name as unknown as Buffer));
      }
      return { ok: true, value: names.sort() };
    } finally {
      await directory.close();
    }
  });
}

/** What is at the end of `path`. */
export function statOrdinary(tree: PathMapper, path: string): Promise<Read<{ realPath: string; stats: Stats }>> {
  return atPlace(tree, path, ({ realPath, stats }) => Promise.resolve({ ok: true, value: { realPath, stats } }));
}

/** The file system that `path` leads to. */
export function fileSystemOrdinary(tree: PathMapper, path: string): Promise<Read<FileSystem>> {
  return atPlace(tree, path, async ({ handle }) => {
    const { bsize, frsize, blocks, bavail, files, ffree } = await calls.statfs(handlePath(handle));
    // Blocks are counted in fragments; kernels before 2.6 report none.
    const unit = frsize > 0 ? frsize : bsize;
    return {
      ok: true,
      value: { totalBytes: blocks * unit, availableBytes: bavail * unit, totalFiles: files, availableFiles: ffree },
    };
  });
}

/** The text of the link at `path`; links before the last component are followed. */
export async function linkOrdinary(tree: PathMapper, path: string): Promise<Read<string>> {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  if (name === '' || name === '..') return failure('failed', 'not a symbolic link (EINVAL)');
  const known = await findNoLink(tree, path);
  if (known !== undefined) return known;
  return atPlace(tree, path.slice(0, slash) || '/', async ({ handle }) => {
    const native = pathToNative(`${handlePath(handle)}/${name}`);
    return { ok: true, value: nameFromBytes(await calls.readlink(native, { encoding: 'buffer' })) };
  });
}

/** The failure where the kernel says in one call that there is no link. Nothing of what it says of a link is used. */
async function findNoLink(tree: PathMapper, path: string): Promise<ReadFailure | undefined> {
  // Under a prefix the kernel follows absolute links on the way to our own root.
  if (!tree.isOwnRoot || path.includes('/..')) return undefined;
  try {
    await calls.readlink(pathToNative(path), { encoding: 'buffer' });
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL') return failure('failed', 'not a symbolic link (EINVAL)');
    return code === 'ENOENT' ? failureFrom(error) : undefined;
  }
}

/** Opens the place that `path` leads to, hands it to `use`, and lets go of it. */
async function atPlace<T>(tree: PathMapper, path: string, use: (place: Place) => Promise<Read<T>>): Promise<Read<T>> {
  try {
    // Mostly there is no link on the way: then the place that the kernel finds has the very name that was asked for.
    const direct = await takeDirectly(tree, path);
    if (direct !== undefined) return await useAndClose(direct, use);
    const { outcome } = await walk(tree, path);
    if (!outcome.ok) return outcome;
    const place = await takePlace(tree, outcome.value);
    return place === undefined
      ? failure('failed', 'the path changed while it was read')
      : await useAndClose(place, use);
  } catch (error) {
    return failureFrom(error);
  }
}

async function takeDirectly(tree: PathMapper, path: string): Promise<Place | undefined> {
  if (path.includes('/..')) return undefined;
  try {
    return await takePlace(tree, path);
  } catch (error) {
    // Under a prefix the kernel follows an absolute link to our own root: that nothing is there means nothing.
    if (tree.isOwnRoot) throw error;
    return undefined;
  }
}

async function useAndClose<T>(place: Place, use: (place: Place) => Promise<Read<T>>): Promise<Read<T>> {
  try {
    return await use(place);
  } finally {
    // A handle holds nothing that closing could wait for.
    closeSync(place.handle);
  }
}

/** The place with exactly this path; undefined if a link is on the way. */
async function takePlace(tree: PathMapper, path: string): Promise<Place | undefined> {
  const native = pathToNative(tree.toNative(path));
  const handle = await calls.open(native, O_PATH | constants.O_NOFOLLOW);
  let kept = false;
  try {
    const stats = await calls.fstat(handle);
    if (stats.isSymbolicLink() || !hasPath(handle, native)) return undefined;
    kept = true;
    return { handle, realPath: path, stats };
  } finally {
    if (!kept) closeSync(handle);
  }
}

// The kernel's own word on where the handle is: this also refuses a directory that was swapped for a link meanwhile.
function hasPath(handle: number, native: NativePath): boolean {
  if (typeof native === 'string') return readlinkSync(handlePath(handle)) === native;
  return readlinkSync(handlePath(handle), { encoding: 'buffer' }).equals(native);
}

const handlePath = (handle: number): string => `/proc/self/fd/${String(handle)}`;

/** The bytes of an open file, which said to have `size` of them. */
export async function readToEnd(file: number, size: number, maxBytes: number): Promise<Read<Buffer>> {
  let buffer = Buffer.allocUnsafe(Math.min(size === 0 ? FIRST_READ_BYTES : size + 1, maxBytes + 1));
  let filled = 0;
  for (;;) {
    const { bytesRead } = await calls.read(file, buffer, filled, buffer.length - filled, null);
    filled += bytesRead;
    // A regular file gives less than was asked for at its end only; one that gave what it said to have is read.
    const isAll = bytesRead === 0 || (filled === size && filled < buffer.length);
    if (isAll && filled <= maxBytes) return { ok: true, value: buffer.subarray(0, filled) };
    if (filled > maxBytes) return tooLarge(maxBytes);
    if (filled === buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(filled * 2, maxBytes + 1));
      buffer.copy(larger, 0, 0, filled);
      buffer = larger;
    }
  }
}

const tooLarge = (maxBytes: number): Read<never> => failure('tooLarge', `more than ${String(maxBytes)} bytes`);

/** The kind of file in one word, as {@link import('./host.ts').HostStat} has it. */
export function kindOf(stats: Stats): 'file' | 'directory' | 'socket' | 'fifo' | 'device' | 'other' {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSocket()) return 'socket';
  if (stats.isFIFO()) return 'fifo';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other';
}
