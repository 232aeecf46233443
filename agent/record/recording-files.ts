import { close, constants, fstat, lstat, open, readdir, readlink, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { failure, failureFrom } from '../host/failure.ts';
import { kindOf, readToEnd } from '../host/ordinary-files.ts';
import type { Host, Read } from '../host/host.ts';

const calls = {
  close: promisify(close),
  fstat: promisify(fstat),
  lstat: promisify(lstat),
  open: promisify(open),
  readdir: promisify(readdir),
  readlink: promisify(readlink),
};

/** More than any node gives: answers are bounded too. */
const MAX_ENTRIES = 1_000_000;
const MAX_DEPTH = 64;
const DEFAULT_MAX_BYTES = 1024 * 1024;

/** The files of a recording, by path within it: `/host/etc/os-release`. */
export type RecordingFiles = Pick<Host, 'readFile'>;

/**
 * Opens the directory of a recording, which may come from anybody. It may hold regular files and directories only: a
 * link could lead to files of the one who reads it, and a FIFO or device does something when it is opened. The failure
 * names the first entry that is something else. Throws where there is no such directory.
 */
export async function openRecordingFiles(directory: string): Promise<Read<RecordingFiles>> {
  const root = realpathSync(directory);
  const foreign = await findForeign(root);
  if (foreign !== undefined) return foreign;
  return {
    ok: true,
    value: { readFile: (path, limits) => readBelow(root, path, limits?.maxBytes ?? DEFAULT_MAX_BYTES) },
  };
}

/** The first entry that is neither a regular file nor a directory. */
async function findForeign(root: string): Promise<ReturnType<typeof failure> | undefined> {
  const queue: { readonly path: string; readonly depth: number }[] = [{ path: '', depth: 0 }];
  let entries = 0;
  // The queue grows while it is walked.
  for (const { path, depth } of queue) {
    if (depth > MAX_DEPTH) return failure('tooLarge', `${path}: directories are nested too deeply`);
    for (const entry of await calls.readdir(join(root, path), { withFileTypes: true })) {
      entries += 1;
      if (entries > MAX_ENTRIES) return failure('tooLarge', `more than ${String(MAX_ENTRIES)} entries`);
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) queue.push({ path: name, depth: depth + 1 });
      else if (!entry.isFile()) return failure('notRegular', `${name}: ${await kindAt(join(root, name))}`);
    }
  }
  return undefined;
}

async function kindAt(path: string): Promise<string> {
  const stats = await calls.lstat(path);
  const kind = stats.isSymbolicLink() ? 'symbolic link' : kindOf(stats);
  return `a ${kind}; a recording holds regular files and directories only`;
}

async function readBelow(root: string, path: string, maxBytes: number): Promise<Read<Buffer>> {
  const names = path.split('/').filter((name) => name !== '');
  if (names.length === 0 || path.includes('\0') || names.some((name) => name === '.' || name === '..'))
    return failure('failed', 'not a path within the recording');
  const native = [root === '/' ? '' : root, ...names].join('/');
  try {
    // What is no regular file is not even opened.
    const before = await calls.lstat(native);
    if (!before.isFile()) return failure('notRegular', `a ${kindOf(before)}, not a regular file`);
    const file = await calls.open(native, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await calls.fstat(file);
      // The kernel says where the file is: no directory on the way was a link, and none was swapped for one meanwhile.
      if (!stats.isFile() || (await calls.readlink(`/proc/self/fd/${String(file)}`)) !== native)
        return failure('notRegular', 'a symbolic link leads to it');
      return stats.size > maxBytes
        ? failure('tooLarge', `more than ${String(maxBytes)} bytes`)
        : await readToEnd(file, stats.size, maxBytes);
    } finally {
      await calls.close(file);
    }
  } catch (error) {
    return failureFrom(error);
  }
}
