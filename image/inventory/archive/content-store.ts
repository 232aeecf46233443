import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readRange } from '../directory-handle.ts';
import { FileTreeError } from '../file-tree.ts';

/** A part of the store. */
export interface StoredRange {
  readonly offset: number;
  readonly length: number;
}

const BUFFER_BYTES = 1024 * 1024;

/**
 * Bytes in a temporary file that only this process can open: it has no name any more once it is open, so nothing is left
 * behind whatever ends the process.
 */
export class ContentStore {
  readonly #descriptor: number;
  readonly #maxBytes: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #written = 0;

  /** Throws the error of the file system where `directory` cannot be written to. */
  constructor(directory: string, maxBytes: number) {
    this.#maxBytes = maxBytes;
    const folder = mkdtempSync(join(directory, 'plimsoll-image-'));
    const path = join(folder, 'content');
    try {
      this.#descriptor = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
    } finally {
      rmdirSync(folder);
    }
  }

  /** Bytes stored so far: where the next ones will be. */
  get length(): number {
    return this.#written + this.#buffered;
  }

  /** A path by which this process opens what is stored so far, until the store is closed. */
  get path(): string {
    this.#flush();
    return `/proc/self/fd/${String(this.#descriptor)}`;
  }

  /** Appends. Throws `FileTreeError` (`too-large`) where the store is full. */
  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#maxBytes)
      throw new FileTreeError('too-large', `more than ${String(this.#maxBytes / 1024 ** 2)} MiB have to be kept`);
    if (this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
  }

  /** Reads a part; shorter at the end of what is stored. */
  read({ offset, length }: StoredRange): Uint8Array {
    this.#flush();
    return readRange(this.#descriptor, { offset, length: Math.max(0, Math.min(length, this.#written - offset)) });
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const count = writeSync(this.#descriptor, bytes, at, bytes.length - at, this.#written);
      at += count;
      this.#written += count;
    }
  }
}
