/**
 * The file system of one image, however it is stored: a root directory (`/proc/PID/root`), layer directories, or an
 * archive. Paths are absolute in the image, separated by `/`, without `.` and `..`. Links are resolved inside the image
 * and never lead out of it. Methods are synchronous, because parsers read many small ranges: whoever needs to stay
 * responsive runs the inventory in a worker, which can also be killed.
 */
export interface FileTree {
  /**
   * Visits each regular file once, in no particular order, with bounds on entries, depth and time; what a bound cut off
   * is reported as a gap of the inventory by the implementation. Pseudo file systems and mounts are not entered.
   */
  readonly walk: (visit: (file: TreeFile) => void) => void;
  /** The regular file at a path, links followed inside the image; undefined where there is none. */
  readonly file: (path: string) => TreeFile | undefined;
  /** Names of the entries of a directory; empty where there is none. */
  readonly list: (path: string) => readonly string[];
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

/** Why bytes of an image could not be read. */
export class FileTreeError extends Error {
  readonly code: 'unreadable' | 'too-large' | 'damaged';

  constructor(code: FileTreeError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
