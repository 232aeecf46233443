import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';

/** Packages of one database; a full Fedora has about 70,000 in all its repositories. */
export const MAX_HEADERS = 100_000;
/** One header; the largest known, of kernel and texlive packages, have about 10 MiB. */
export const MAX_HEADER_BYTES = 64 * 1024 * 1024;
/** All headers of one database. */
export const MAX_TOTAL_BYTES = 2 * 1024 ** 3;

/** Reads exactly this range of a database. Throws `FileTreeError` (`damaged`) where the file is shorter. */
export function readExactly(file: TreeFile, offset: number, length: number): Uint8Array {
  const bytes = length === 0 ? new Uint8Array(0) : file.read(offset, length);
  if (bytes.length !== length) throw damagedStore('it ends too early');
  return bytes;
}

/** A view of bytes for numbers of several bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The error for a database that breaks its format. */
export function damagedStore(detail: string): FileTreeError {
  return new FileTreeError('damaged', `the database is damaged: ${detail}`);
}

/** Counts what a database yields against the limits above. */
export function createBudget(): (headerBytes: number) => void {
  let headers = 0;
  let bytes = 0;
  return (headerBytes) => {
    headers += 1;
    bytes += headerBytes;
    if (headerBytes > MAX_HEADER_BYTES || headers > MAX_HEADERS || bytes > MAX_TOTAL_BYTES)
      throw new FileTreeError('too-large', 'the database is larger than what is read of one');
  };
}
