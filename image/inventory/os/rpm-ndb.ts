import type { TreeFile } from '../file-tree.ts';
import { createBudget, damagedStore, MAX_HEADERS, readExactly, viewOf } from './rpm-store.ts';

const MAGIC = textNumber('RpmP');
const SLOT_MAGIC = textNumber('Slot');
const BLOB_MAGIC = textNumber('BlbS');
const BLOB_END_MAGIC = textNumber('BlbE');
const PAGE_BYTES = 4096;
const SLOT_BYTES = 16;
const HEADER_BYTES = 32;
/** Blobs start at multiples of this. */
const BLOCK_BYTES = 16;
const BLOB_HEAD_BYTES = 16;
const BLOB_TAIL_BYTES = 12;

/**
 * The headers of `Packages.db`, the ndb format of rpm (rpmpkg.c), little-endian. The file starts with a header (magic,
 * version, generation, number of slot pages), then slots of 16 bytes (magic, package number, block, number of blocks).
 * A blob is magic, package number, generation, length, the data, its Adler-32, the length and a closing magic. Throws
 * `FileTreeError` where the file breaks that.
 */
export function* readNdb(file: TreeFile): Generator<Uint8Array> {
  const header = viewOf(readExactly(file, 0, HEADER_BYTES));
  if (header.getUint32(0, true) !== MAGIC || header.getUint32(4, true) !== 0) throw damagedStore('not an ndb database');
  const pages = header.getUint32(12, true);
  if (pages === 0 || pages * PAGE_BYTES > file.sizeBytes || pages * (PAGE_BYTES / SLOT_BYTES) > 4 * MAX_HEADERS)
    throw damagedStore('the number of slot pages is wrong');
  const slots = viewOf(readExactly(file, 0, pages * PAGE_BYTES));
  const spend = createBudget();
  for (let at = HEADER_BYTES; at < slots.byteLength; at += SLOT_BYTES) {
    if (slots.getUint32(at, true) !== SLOT_MAGIC) throw damagedStore('a slot has no magic');
    const block = slots.getUint32(at + 8, true);
    if (block === 0) continue;
    const bytes = slots.getUint32(at + 12, true) * BLOCK_BYTES;
    spend(bytes);
    yield blobOf(readExactly(file, block * BLOCK_BYTES, bytes), slots.getUint32(at + 4, true));
  }
}

function blobOf(bytes: Uint8Array, packageNumber: number): Uint8Array {
  const view = viewOf(bytes);
  if (bytes.length < BLOB_HEAD_BYTES + BLOB_TAIL_BYTES || view.getUint32(0, true) !== BLOB_MAGIC)
    throw damagedStore('a blob has no magic');
  const length = view.getUint32(12, true);
  // The tail follows the data, rounded up so that the blob ends with its last block.
  const tail = bytes.length - BLOB_TAIL_BYTES;
  if (
    view.getUint32(4, true) !== packageNumber ||
    length > tail - BLOB_HEAD_BYTES ||
    view.getUint32(tail + 4, true) !== length ||
    view.getUint32(tail + 8, true) !== BLOB_END_MAGIC
  )
    throw damagedStore('a blob contradicts its slot');
  return bytes.subarray(BLOB_HEAD_BYTES, BLOB_HEAD_BYTES + length);
}

function textNumber(text: string): number {
  return viewOf(new TextEncoder().encode(text)).getUint32(0, true);
}
