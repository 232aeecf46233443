import type { FileSystem } from '../../posture/fact/node-status.ts';

/**
 * The `Host` port: the only way in which the program sees the files of a node. Every path is absolute and resolved
 * inside the host root: a symbolic link, absolute or relative, never leads out of it. Every call is bounded and
 * answers with a value; none throws for what a host can do to it.
 */
export interface Host {
  /** Reads a regular file (or a file of /proc or /sys). Anything else answers `notRegular`. */
  readonly readFile: (path: string, limits?: ReadLimits) => Promise<Read<Buffer>>;
  /** Names in a directory, sorted, without `.` and `..`. */
  readonly list: (path: string, limits?: ListLimits) => Promise<Read<readonly string[]>>;
  /** Owner, mode and kind of what the path leads to, links followed inside the root. */
  readonly stat: (path: string) => Promise<Read<HostStat>>;
  /** Size and free room of the file system that the path leads to, links followed inside the root. Not of /proc or /sys. */
  readonly fileSystem: (path: string) => Promise<Read<FileSystem>>;
  /** The target of a symbolic link, unresolved: `pid:[4026531836]`, `/usr/bin/dockerd`. */
  readonly readLink: (path: string) => Promise<Read<string>>;
  /**
   * Performs many reads in one call and returns their results in order: for /proc, where a call costs more than the read.
   * `previous`: earlier results of the same requests. An unchanged result is the same object as before; if all are
   * unchanged, `previous` itself is returned, and nothing needs to be parsed again.
   */
  readonly readMany: (
    requests: readonly ReadRequest[],
    previous?: readonly (ReadResult | undefined)[],
  ) => Promise<readonly ReadResult[]>;
  /**
   * Calls `onChange` with one of `paths` when it, or what it leads to, may have changed: at the earliest possible
   * moment, possibly once too often, never too seldom. A path that does not exist yet is watched for. Bursts are
   * joined. Returns a function that stops watching.
   */
  readonly watch: (paths: readonly string[], onChange: (path: string) => void) => () => void;
}

/** The outcome of a read. `reason` is for people and names no secret: `permission denied (EACCES)`. */
export type Read<T> = { readonly ok: true; readonly value: T } | ReadFailure;

/** A read that did not work. */
export interface ReadFailure {
  readonly ok: false;
  readonly code: ReadFailureCode;
  readonly reason: string;
}

/** Why a read did not work. Closed list. */
export type ReadFailureCode =
  | 'absent' // ENOENT, ENOTDIR, ESRCH: there is nothing
  | 'denied' // EACCES, EPERM
  | 'notRegular' // FIFO, socket, device or directory where a file is expected
  | 'tooLarge' // over maxBytes or maxEntries; nothing is returned
  | 'loop' // too many symbolic links
  | 'timeout'
  | 'notRecorded' // only of a recorded host: nobody looked when it was recorded
  | 'failed'; // anything else, the reason has the errno

/** A request of `readMany`: one of the single reads with its bound. */
export type ReadRequest =
  | { readonly op: 'readFile'; readonly path: string; readonly maxBytes?: number | undefined }
  | { readonly op: 'list'; readonly path: string; readonly maxEntries?: number | undefined }
  | { readonly op: 'readLink'; readonly path: string };

/** The result of the single read: bytes, names, or the target of a link. */
export type ReadResult = Read<Buffer | readonly string[] | string>;

/** Bound of a file read; default 1 MiB. */
export interface ReadLimits {
  readonly maxBytes?: number;
}

/** Bound of a directory listing; default 10,000 entries. */
export interface ListLimits {
  readonly maxEntries?: number;
}

/** What `stat` says. `mode` has the permission bits only (`mode & 07777`). */
export interface HostStat {
  readonly realPath: string;
  readonly kind: 'file' | 'directory' | 'socket' | 'fifo' | 'device' | 'other';
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly size: number;
  readonly modifiedAtMs: number;
  /** `device:inode` of stat(2): the same for all names of one file. */
  readonly fileId: string;
  /** Names that the file has in its file system. */
  readonly links: number;
}
