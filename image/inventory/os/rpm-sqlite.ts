import type { TreeFile } from '../file-tree.ts';
import { createBudget, damagedStore, MAX_HEADER_BYTES, viewOf } from './rpm-store.ts';
import { openSqlitePages } from './sqlite-pages.ts';
import type { SqlitePages } from './sqlite-pages.ts';

const LEAF = 0x0d;
const INTERIOR = 0x05;
const SCHEMA_PAGE = 1;
/** The header of the database comes before the first page's own. */
const DATABASE_HEADER_BYTES = 100;
const MAX_DEPTH = 20;
const MAX_COLUMNS = 32;

/** One column of a row: an integer, text or bytes, as they are stored. */
type Column = { readonly kind: 'null' } | { readonly kind: 'integer' | 'text' | 'blob'; readonly bytes: Uint8Array };

/**
 * The headers of `rpmdb.sqlite`: the column `blob` of its table `Packages (hnum, blob)`. Reads the b-tree of this table
 * and nothing else. Throws `FileTreeError` where the file breaks the format.
 */
export function* readSqlite(file: TreeFile, wal: TreeFile | undefined): Generator<Uint8Array> {
  const pages = openSqlitePages(file, wal);
  const spend = createBudget();
  for (const [, blob] of readTable(pages, packagesRoot(pages))) {
    if (blob?.kind !== 'blob') throw damagedStore('a row of Packages has no header');
    spend(blob.bytes.length);
    yield blob.bytes;
  }
}

/** The first page of the table, from the row (type, name, tbl_name, rootpage, sql) of the schema. */
function packagesRoot(pages: SqlitePages): number {
  const roots: number[] = [];
  for (const [type, name, , root] of readTable(pages, SCHEMA_PAGE)) {
    if (textOf(name).toLowerCase() !== 'packages') continue;
    if (textOf(type) !== 'table') throw damagedStore('Packages is no table');
    roots.push(root?.kind === 'integer' ? integerOf(root.bytes) : 0);
  }
  const [root] = roots;
  if (root === undefined || roots.length > 1) throw damagedStore('it does not have one table Packages');
  return root;
}

/** The rows of a table in the order of their ids. A page that is reached twice is an error, so loops end. */
function* readTable(pages: SqlitePages, root: number): Generator<readonly Column[]> {
  const seen = new Set<number>();
  const pending: { number: number; depth: number }[] = [{ number: root, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { number, depth } = next;
    if (seen.has(number) || depth > MAX_DEPTH) throw damagedStore('its pages form a loop');
    seen.add(number);
    const page = pages.page(number);
    const view = viewOf(page);
    const at = number === SCHEMA_PAGE ? DATABASE_HEADER_BYTES : 0;
    const type = page[at];
    if (type !== LEAF && type !== INTERIOR) throw damagedStore(`page ${String(number)} is no page of a table`);
    const count = view.getUint16(at + 3);
    const cells = at + (type === LEAF ? 8 : 12);
    if (cells + count * 2 > page.length) throw damagedStore(`page ${String(number)} has too many cells`);
    const offsets = Array.from({ length: count }, (_, index) => view.getUint16(cells + index * 2));
    if (type === LEAF) {
      for (const offset of offsets) yield readRecord(readPayload(pages, page, offset));
      continue;
    }
    const children = offsets.map((offset) => {
      if (offset + 4 > page.length) throw damagedStore('a cell lies outside of its page');
      return view.getUint32(offset);
    });
    for (const child of [...children, view.getUint32(at + 8)].toReversed())
      pending.push({ number: child, depth: depth + 1 });
  }
}

/** The payload of a cell of a leaf: its length, the id of the row, and the bytes, the rest of which may overflow. */
function readPayload(pages: SqlitePages, page: Uint8Array, offset: number): Uint8Array {
  const length = readVarint(page, offset);
  const id = readVarint(page, length.next);
  if (length.value > MAX_HEADER_BYTES + 100) throw damagedStore('a row is too large');
  const { usableBytes } = pages;
  const inline = inlineBytes(length.value, usableBytes);
  const end = id.next + inline;
  if (end > page.length) throw damagedStore('a cell lies outside of its page');
  if (inline === length.value) return page.subarray(id.next, end);
  if (end + 4 > page.length) throw damagedStore('a cell lies outside of its page');
  const payload = new Uint8Array(length.value);
  payload.set(page.subarray(id.next, end));
  let filled = inline;
  // Each page adds bytes, so a chain that returns to itself ends, too.
  for (let number = viewOf(page).getUint32(end); filled < payload.length;) {
    const overflow = pages.page(number);
    const take = Math.min(payload.length - filled, usableBytes - 4);
    payload.set(overflow.subarray(4, 4 + take), filled);
    filled += take;
    number = viewOf(overflow).getUint32(0);
  }
  return payload;
}

/** How much of a payload is on the page itself, section 1.6 of the file format. */
function inlineBytes(length: number, usable: number): number {
  const most = usable - 35;
  if (length <= most) return length;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const split = least + ((length - least) % (usable - 4));
  return split <= most ? split : least;
}

function readRecord(payload: Uint8Array): Column[] {
  const header = readVarint(payload, 0);
  const columns: Column[] = [];
  let at = header.next;
  let data = header.value;
  while (at < header.value && columns.length < MAX_COLUMNS) {
    const serial = readVarint(payload, at);
    at = serial.next;
    const { kind, bytes } = formOf(serial.value);
    if (data + bytes > payload.length) throw damagedStore('a column lies outside of its row');
    columns.push(kind === 'null' ? { kind } : { kind, bytes: payload.subarray(data, data + bytes) });
    data += bytes;
  }
  return columns;
}

/** Serial types, section 2.1 of the file format. */
function formOf(serial: number): { kind: Column['kind']; bytes: number } {
  if (serial >= 12) return { kind: serial % 2 === 0 ? 'blob' : 'text', bytes: Math.floor((serial - 12) / 2) };
  if (serial === 0 || serial === 8 || serial === 9) return { kind: 'null', bytes: 0 };
  const bytes = [0, 1, 2, 3, 4, 6, 8, 8][serial];
  if (bytes === undefined) throw damagedStore('a column has an unknown type');
  return { kind: 'integer', bytes };
}

function integerOf(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return value;
}

function textOf(column: Column | undefined): string {
  return column?.kind === 'text' ? new TextDecoder().decode(column.bytes.subarray(0, 256)) : '';
}

/** Big-endian, seven bits per byte, nine bytes at most; values beyond 2^53 are refused. */
function readVarint(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  for (let index = 0; index < 8; index += 1) {
    const byte = bytes[start + index];
    if (byte === undefined) break;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80 && value <= Number.MAX_SAFE_INTEGER) return { value, next: start + index + 1 };
  }
  // The ids of rows may be negative, with nine bytes; rpm counts from 1.
  throw damagedStore('a number has an unknown form');
}
