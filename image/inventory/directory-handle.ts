import { closeSync, constants, fstatSync, lstatSync, opendirSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { Dirent, Stats } from 'node:fs';
import { FileTreeError } from './file-tree.ts';
import type { SourceEntry, SourceFile } from './source-tree.ts';

/** O_PATH of Linux, which Node does not name: opens a directory without the right to list it. */
const O_PATH = 0o10_000_000;
const DIRECTORY_FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** O_NONBLOCK: where a FIFO has taken the place of a file, opening it does not wait for a writer. */
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Directories held open at a time; others are opened again through their parents. */
const MAX_OPEN = 64;

/**
 * Descriptors of the directories of one root, a bounded number at a time. Every access goes through the descriptor of
 * its parent directory (`/proc/self/fd/N/NAME`, without following links), as openat(2) does. Whoever exchanges a
 * directory for a link meanwhile therefore cannot lead the reader out of the root.
 */
export class DirectoryPool {
  readonly root: DirectoryHandle;
  readonly #open = new Map<DirectoryHandle, number>();
  readonly #rootDescriptor: number;
  #file: { readonly owner: object; readonly descriptor: number; readonly size: number } | undefined;

  readonly #maxOpen: number;

  /** Throws the error of open(2) where `path` is no directory or cannot be opened. */
  constructor(path: string, maxOpen = MAX_OPEN) {
    this.#maxOpen = maxOpen;
    this.#rootDescriptor = openSync(path, O_PATH | constants.O_DIRECTORY);
    this.root = new DirectoryHandle(this, undefined, '', fstatSync(this.#rootDescriptor).dev);
  }

  /** The path by which the kernel reaches an open directory. Opens it where it is closed. */
  pathOf(handle: DirectoryHandle): string {
    return `/proc/self/fd/${String(this.#descriptor(handle))}`;
  }

  /** Opens a directory below another. Throws `FileTreeError` if it is no longer a directory. */
  open(handle: DirectoryHandle): number {
    return this.#descriptor(handle);
  }

  #descriptor(handle: DirectoryHandle): number {
    const { parent } = handle;
    if (parent === undefined) return this.#rootDescriptor;
    const known = this.#open.get(handle);
    if (known !== undefined) return known;
    const descriptor = attempt('opened', () => openSync(`${this.pathOf(parent)}/${handle.name}`, DIRECTORY_FLAGS));
    if (this.#open.size >= this.#maxOpen) {
      for (const [oldest, old] of this.#open) {
        this.#open.delete(oldest);
        closeSync(old);
        break;
      }
    }
    this.#open.set(handle, descriptor);
    return descriptor;
  }

  /** Reads from a regular file; the last one stays open, since parsers read a file in many small ranges. */
  readFile(owner: object, directory: DirectoryHandle, name: string, range: Range): Uint8Array {
    if (this.#file?.owner !== owner) {
      this.#closeFile();
      const descriptor = attempt('opened', () => openSync(`${this.pathOf(directory)}/${name}`, FILE_FLAGS));
      this.#file = { owner, descriptor, size: 0 };
      const stats = attempt('read', () => fstatSync(descriptor));
      this.#file = { owner, descriptor, size: stats.size };
      if (!stats.isFile()) {
        this.#closeFile();
        throw new FileTreeError('unreadable', 'not read: it is no regular file any more');
      }
    }
    const { descriptor, size } = this.#file;
    // What a parser asks for is no reason to allocate it.
    const length = Math.max(0, Math.min(range.length, size - range.offset));
    return attempt('read', () => readRange(descriptor, { offset: range.offset, length }));
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file.descriptor);
    this.#file = undefined;
  }

  /** Closes all descriptors. */
  close(): void {
    this.#closeFile();
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    closeSync(this.#rootDescriptor);
  }
}

/** Bytes of a file. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** One directory of a pool, by its parent and name. */
export class DirectoryHandle {
  readonly #pool: DirectoryPool;
  readonly parent: DirectoryHandle | undefined;
  readonly name: string;
  /** The file system (`st_dev`) of the root. */
  readonly device: number;

  constructor(pool: DirectoryPool, parent: DirectoryHandle | undefined, name: string, device: number) {
    this.#pool = pool;
    this.parent = parent;
    this.name = name;
    this.device = device;
  }

  /** A directory in this one. `mount` where another file system is mounted there. Throws `FileTreeError`. */
  child(name: string): DirectoryHandle | 'mount' {
    const handle = new DirectoryHandle(this.#pool, this, name, this.device);
    const descriptor = this.#pool.open(handle);
    return attempt('read', () => fstatSync(descriptor)).dev === this.device ? handle : 'mount';
  }

  /** The entries, at most `max`. Throws `FileTreeError`, `too-large` where there are more. */
  entries(max: number): SourceEntry[] {
    return attempt('listed', () => {
      const path = this.#pool.pathOf(this);
      const stream = opendirSync(path, { bufferSize: 256 });
      try {
        const found: SourceEntry[] = [];
        for (let entry = stream.readSync(); entry !== null; entry = stream.readSync()) {
          if (found.length >= max)
            throw new FileTreeError('too-large', `not read: more than ${String(max)} directory entries`);
          found.push({ name: entry.name, kind: kindOf(entry) });
        }
        return found;
      } finally {
        stream.closeSync();
      }
    });
  }

  /** What an entry is, links not followed; undefined where it is absent. Throws `FileTreeError`. */
  stat(name: string): Stats | undefined {
    return attempt('read', () => lstatSync(`${this.#pool.pathOf(this)}/${name}`, { throwIfNoEntry: false }));
  }

  /** Where a link leads. Throws `FileTreeError`. */
  link(name: string): string {
    return attempt('read', () => readlinkSync(`${this.#pool.pathOf(this)}/${name}`));
  }

  /** A regular file in this directory. */
  file(name: string): SourceFile {
    return new DirectoryFile(this.#pool, this, name);
  }
}

class DirectoryFile implements SourceFile {
  readonly #pool: DirectoryPool;
  readonly #directory: DirectoryHandle;
  readonly #name: string;
  #stats: { readonly size: number; readonly mode: number } | undefined;

  constructor(pool: DirectoryPool, directory: DirectoryHandle, name: string) {
    this.#pool = pool;
    this.#directory = directory;
    this.#name = name;
  }

  get sizeBytes(): number {
    return this.#stat().size;
  }

  get mode(): number {
    return this.#stat().mode & 0o7777;
  }

  readonly read = (offset: number, length: number): Uint8Array =>
    this.#pool.readFile(this, this.#directory, this.#name, { offset, length });

  /** A file of a running container may vanish or turn into something else: then it has nothing to read. */
  #stat(): { readonly size: number; readonly mode: number } {
    if (this.#stats === undefined) {
      const stats = this.#directory.stat(this.#name);
      this.#stats = stats?.isFile() === true ? stats : { size: 0, mode: 0 };
    }
    return this.#stats;
  }
}

/** Reads a range of an open file; shorter at its end. Throws the error of read(2). */
export function readRange(descriptor: number, { offset, length }: Range): Uint8Array {
  // Not from the pool of small buffers: the bytes of one file must not share memory with those of another.
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(descriptor, buffer, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled === length ? buffer : buffer.subarray(0, filled);
}

function kindOf(entry: Dirent): SourceEntry['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

/** Whether something vanished between listing and reading, as files of a running container do. */
export function isGone(error: unknown): boolean {
  return error instanceof FileTreeError && error.cause instanceof Error && 'code' in error.cause
    ? error.cause.code === 'ENOENT'
    : false;
}

/** Runs a call of the file system; its error names the code of the kernel, never a path of this machine. */
function attempt<T>(verb: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof FileTreeError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new FileTreeError('unreadable', `cannot be ${verb}: ${code}`, { cause: error });
  }
}
