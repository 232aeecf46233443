import { closeSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Of a file that this program made. */
const PAGE_BYTES = 8192;

/** What can happen to a database while nobody looks. */
export const DAMAGE: Readonly<Record<string, (path: string) => void>> = Object.freeze({
  'header overwritten': (path) => overwrite(path, 0, Buffer.alloc(100, 0xa5)),
  'pages in the middle zeroed': (path) => {
    const pages = Math.floor(statSync(path).size / PAGE_BYTES);
    for (let page = 2; page < pages; page += 1) overwrite(path, page * PAGE_BYTES, Buffer.alloc(PAGE_BYTES));
  },
  'half of it cut off': (path) => truncateSync(path, Math.floor(statSync(path).size / 2 / PAGE_BYTES) * PAGE_BYTES),
  'no database at all': (path) => {
    truncateSync(path, 0);
    overwrite(path, 0, Buffer.from('this is no database, but long enough to look like one '.repeat(100)));
  },
});

/** Writes into the file in place. */
export function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

/**
 * Damages a database that someone has open: all is moved from the WAL into the file, and by someone else, so that what
 * was read before is read again.
 */
export function damageOpenFile(path: string): void {
  const other = new DatabaseSync(path);
  other.exec(`INSERT INTO cursor (sink, position) VALUES ('someone else', 0)`);
  other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  other.close();
  DAMAGE['pages in the middle zeroed']?.(path);
}
