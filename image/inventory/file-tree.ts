import type { InventoryGap } from '../../vulnerability/package.ts';

/**
 * The file system of one image, however it is stored: a root directory (`/proc/PID/root`), layer directories, or an
 * archive. Paths are absolute in the image, separated by `/`, without `.` and `..`. Links are resolved inside the image
 * and never lead out of it. Methods are synchronous, because parsers read many small ranges: whoever needs to stay
 * responsive runs the inventory in a worker, which can also be killed.
 */
export interface FileTree {
  /**
   * Visits each regular file once, and names each symbolic link, with bounds on entries and depth. Pseudo file systems
   * and mounts are not entered. Returns what could not be walked. What `visit` throws ends the walk.
   */
  readonly walk: (visit: (file: TreeFile) => void, onLink?: (path: string) => void) => readonly InventoryGap[];
  /**
   * The regular file at a path, links followed inside the image; undefined if absent. Its `path` is the one
   * that the links lead to. Throws `FileTreeError` where a directory on the way cannot be read.
   */
  readonly file: (path: string) => TreeFile | undefined;
  /**
   * Names of the entries of a directory, sorted, links followed inside the image; empty if absent. Throws
   * `FileTreeError` where it cannot be read or has too many entries.
   */
  readonly list: (path: string) => readonly string[];
}

/** A tree that holds descriptors or temporary files. */
export interface OpenFileTree extends FileTree {
  /** Releases them; the tree and its files cannot be read afterwards. */
  readonly close: () => void;
}

/** One regular file of an image. */
export interface TreeFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Permission bits, with setuid and setgid. */
  readonly mode: number;
  /**
   * Reads up to `length` bytes from `offset`; shorter at the end of the file. Throws `FileTreeError` where the bytes
   * cannot be read; the inventory turns that into a gap.
   */
  readonly read: (offset: number, length: number) => Uint8Array;
}

/**
 * `unreadable`: the file system refused. `too-large`: a limit was reached. `damaged`: the archive or database breaks its
 * format. `stopped`: the inventory ran out of its time or its budget.
 */
export type FileTreeErrorCode = 'unreadable' | 'too-large' | 'damaged' | 'stopped';

/** Why bytes of an image could not be read. */
export class FileTreeError extends Error {
  readonly code: FileTreeErrorCode;

  constructor(code: FileTreeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
