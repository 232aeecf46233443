import { statfs } from 'node:fs/promises';

/** Room on a file system, in bytes and in files. */
export interface FreeSpace {
  /** What this user may still write: blocks that are reserved for root do not count. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Files that may still be made; undefined where the file system has no such limit. */
  readonly freeFiles: number | undefined;
}

/** `none`: the next write may fail. `little`: there is time to make room. */
export type SpaceVerdict = 'enough' | 'little' | 'none';

/** A checkpoint of the store and a full spool fit into this. */
const NONE_BELOW_BYTES = 64 * 1024 * 1024;
const LITTLE_BELOW_BYTES = 512 * 1024 * 1024;
/** The store, its two side files, a rotated file of events, a log, a few files that are replaced atomically. */
const NONE_BELOW_FILES = 16;

/** Room on the file system of `path`, which must exist. Rejects with the error of the file system. */
export async function readFreeSpace(path: string): Promise<FreeSpace> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return {
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    // btrfs and some network file systems make inodes as they need them, and report 0 of 0.
    freeFiles: files === 0 ? undefined : ffree,
  };
}

/** Is there room enough to keep a store? */
export function judgeFreeSpace({ freeBytes, freeFiles }: FreeSpace): SpaceVerdict {
  if (freeBytes < NONE_BELOW_BYTES || (freeFiles ?? Number.POSITIVE_INFINITY) < NONE_BELOW_FILES) return 'none';
  return freeBytes < LITTLE_BELOW_BYTES ? 'little' : 'enough';
}
