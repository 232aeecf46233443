import type { TreeFile } from '../file-tree.ts';
import { createBudget, damagedStore, MAX_HEADER_BYTES, readExactly, viewOf } from './rpm-store.ts';

const HASH_MAGIC = 0x0006_1561;
const METADATA_BYTES = 512;
const PAGE_HEADER_BYTES = 26;
/** Types of pages, dbinc/db_page.h. */
const PAGE = Object.freeze({ invalid: 0, hashUnsorted: 2, overflow: 7, hashMeta: 8, hash: 13 });
/** Types of items on hash pages. */
const ITEM = Object.freeze({ keyData: 1, offPage: 3 });
const MAX_PAGES = 4_000_000;

interface Database {
  readonly file: TreeFile;
  readonly isLittle: boolean;
  readonly pageBytes: number;
  readonly lastPage: number;
}

/**
 * The headers of `Packages` in the hash format of Berkeley DB (dbinc/db_page.h), in either byte order. Every page of the
 * file is looked at: hash pages hold pairs of a package number and a header, a header that does not fit onto its page
 * lies in a chain of overflow pages. Number 0 holds the next free number. Throws `FileTreeError` where the file breaks
 * the format.
 */
export function* readBdb(file: TreeFile): Generator<Uint8Array> {
  const database = openBdb(file);
  const { pageBytes, lastPage, isLittle } = database;
  const spend = createBudget();
  for (let number = 1; number <= lastPage; number += 1) {
    const page = readExactly(file, number * pageBytes, pageBytes);
    const type = page[25];
    if (type !== PAGE.hash && type !== PAGE.hashUnsorted) continue;
    const view = viewOf(page);
    const count = view.getUint16(20, isLittle);
    if (count % 2 !== 0 || PAGE_HEADER_BYTES + count * 2 > pageBytes)
      throw damagedStore(`page ${String(number)} has a wrong number of items`);
    for (let index = 0; index < count; index += 2) {
      const key = itemOf(page, index, count, isLittle);
      const value = itemOf(page, index + 1, count, isLittle);
      if (key[0] !== ITEM.keyData || key.length !== 5) throw damagedStore('a key is no package number');
      if (viewOf(key).getUint32(1, isLittle) === 0) continue;
      const header = headerOf(database, value);
      spend(header.length);
      yield header;
    }
  }
}

function openBdb(file: TreeFile): Database {
  const view = viewOf(readExactly(file, 0, METADATA_BYTES));
  const isLittle = view.getUint32(12, true) === HASH_MAGIC;
  if ((!isLittle && view.getUint32(12, false) !== HASH_MAGIC) || view.getUint8(25) !== PAGE.hashMeta)
    throw damagedStore('not a hash of Berkeley DB');
  // An encrypted database, or one whose pages have checksums, has other offsets; rpm makes none.
  if (view.getUint8(24) !== 0) throw damagedStore('it is encrypted');
  const pageBytes = view.getUint32(20, isLittle);
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0)
    throw damagedStore('the size of its pages is wrong');
  const lastPage = view.getUint32(32, isLittle);
  if (lastPage > MAX_PAGES || (lastPage + 1) * pageBytes > file.sizeBytes) throw damagedStore('it ends too early');
  return { file, isLittle, pageBytes, lastPage };
}

/** Items grow from the end of the page, so each one ends where the item before it starts. */
function itemOf(page: Uint8Array, index: number, count: number, isLittle: boolean): Uint8Array {
  const view = viewOf(page);
  const offsetOf = (item: number): number => view.getUint16(PAGE_HEADER_BYTES + item * 2, isLittle);
  const start = offsetOf(index);
  const end = index === 0 ? page.length : offsetOf(index - 1);
  if (start < PAGE_HEADER_BYTES + count * 2 || start >= end || end > page.length)
    throw damagedStore('an item lies outside of its page');
  return page.subarray(start, end);
}

function headerOf(database: Database, item: Uint8Array): Uint8Array {
  if (item[0] === ITEM.keyData) return item.subarray(1);
  if (item[0] !== ITEM.offPage || item.length < 12) throw damagedStore('a header has an unknown form');
  const { file, isLittle, pageBytes, lastPage } = database;
  const view = viewOf(item);
  const total = view.getUint32(8, isLittle);
  if (total > MAX_HEADER_BYTES) throw damagedStore('a header is too large');
  const header = new Uint8Array(total);
  let filled = 0;
  // Each page adds at least a byte, so a chain that returns to itself ends, too.
  for (let number = view.getUint32(4, isLittle); filled < total;) {
    if (number === 0 || number > lastPage) throw damagedStore('a chain of overflow pages is broken');
    const page = readExactly(file, number * pageBytes, pageBytes);
    const pageView = viewOf(page);
    const used = pageView.getUint16(22, isLittle);
    if (page[25] !== PAGE.overflow || used === 0 || used > pageBytes - PAGE_HEADER_BYTES || filled + used > total)
      throw damagedStore('a chain of overflow pages is broken');
    header.set(page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + used), filled);
    filled += used;
    number = pageView.getUint32(16, isLittle);
  }
  return header;
}
