import { accessSync, closeSync, constants, openSync, statfsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PRIVATE_FILE } from '../../service/files.ts';
import { StoreError, toStoreError } from './error.ts';
import { assertVersion, migrate, MIGRATIONS } from './schema.ts';

/** How to open a file. */
export interface ConnectionOptions {
  readonly path: string;
  /** How long a call waits for another process that holds the file; this blocks the process. */
  readonly busyTimeoutMs: number;
  /** Largest size of the file. */
  readonly maxBytes?: number;
}

/** Files up to this size are read through at the start, about 0.1 s: so damage is detected before anything uses the file. */
const MAX_CHECKED_BYTES = 64 * 1024 * 1024;
/** Holds about 20 findings; measured 10 % faster than SQLite's own 4 KiB. Only a new file takes it. */
const PAGE_BYTES = 8192;
/** 64 MiB of pages: all of a fleet of 50 nodes. In KiB, negative, as SQLite wants it. */
const CACHE_SIZE_KIB = -65_536;

/**
 * Pages in the WAL after which they are written to the database: 32 MiB, four times SQLite's own. What is written again
 * and again in between is then written once. On a small disk less: a WAL that takes all of it cannot be emptied any more.
 */
const MAX_WAL_PAGES = 4000;
const MIN_WAL_PAGES = 100;
const WAL_SHARE_OF_FREE_SPACE = 1 / 16;

/**
 * Opens or creates the database (mode 0600) and brings it to the newest version. Throws StoreError.
 * An answer to a node says "committed", so a commit must survive a power cut: WAL with synchronous FULL, one fsync a
 * transaction. Batches make that affordable.
 */
export function openConnection({ path, busyTimeoutMs, maxBytes }: ConnectionOptions): DatabaseSync {
  const doing = `open the store ${path}`;
  let db: DatabaseSync | undefined;
  try {
    createPrivate(path);
    if (!statSync(path).isFile()) throw new StoreError('cannotOpen', 'it is no regular file');
    // Foreign keys are for people who read the schema: a node goes after its last event, and each event would look for its own.
    db = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false, defensive: true });
    db.exec(`PRAGMA page_size = ${String(PAGE_BYTES)}`);
    if (maxBytes !== undefined) db.exec(`PRAGMA max_page_count = ${String(Math.ceil(maxBytes / PAGE_BYTES))}`);
    // First: a file of a later version is not for us to judge.
    assertVersion(db, MIGRATIONS);
    assertUndamaged(db, statSync(path).size <= MAX_CHECKED_BYTES);
    migrate(db, MIGRATIONS);
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${String(walPages(path))}`);
    db.exec(`PRAGMA cache_size = ${String(CACHE_SIZE_KIB)}`);
    setDurable(db, true);
    assertWritable(db);
    return db;
  } catch (error) {
    if (db?.isOpen === true) db.close();
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EROFS') throw new StoreError('notWritable', `cannot ${doing}: the file system is read-only`, error);
    if (error instanceof StoreError) throw new StoreError(error.code, `cannot ${doing}: ${error.message}`, error);
    if ((error as NodeJS.ErrnoException).syscall !== undefined)
      throw new StoreError('cannotOpen', `cannot ${doing}: ${String(code)}`, error);
    throw toStoreError(error, doing);
  }
}

/** Runs `work` in one transaction: all of it is stored, or nothing, `onUndone` is called and the error is thrown. */
export function transaction<T>(db: DatabaseSync, work: () => T, onUndone?: () => void): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite rolls back itself after some errors (disk full, out of memory).
    rollBack(db);
    onUndone?.();
    throw error;
  }
}

/** Gives what the WAL takes back to a disk that is full, as far as the database itself need not grow for it. */
export function makeRoom(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // There was no room for that either; the caller has an error that says so.
  }
}

function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec('ROLLBACK');
  } catch {
    // A damaged file; the error that led here says so.
  }
}

/** Runs `work` as one transaction without waiting for the disk: for what a power cut may take back. */
export function relaxed<T>(db: DatabaseSync, work: () => T, onUndone?: () => void): T {
  setDurable(db, false);
  try {
    return transaction(db, work, onUndone);
  } finally {
    setDurable(db, true);
  }
}

/** Waits until the disk has everything that was committed before. */
export function flush(db: DatabaseSync): void {
  transaction(db, () => db.exec('UPDATE store SET position = position'));
}

function setDurable(db: DatabaseSync, durable: boolean): void {
  db.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
}

function walPages(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  const pages = Math.floor((bavail * bsize * WAL_SHARE_OF_FREE_SPACE) / PAGE_BYTES);
  return Math.max(MIN_WAL_PAGES, Math.min(MAX_WAL_PAGES, pages));
}

/** SQLite would create the file as the umask says, and its -wal and -shm like it. */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Of a read-only file SQLite says only that it cannot open it.
    accessSync(path, constants.R_OK | constants.W_OK);
  }
}

/** A read-only file would otherwise be noticed with the first node. One that is held by someone now is not read-only. */
function assertWritable(db: DatabaseSync): void {
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK');
  } catch (error) {
    if (toStoreError(error, 'write').code !== 'locked') throw error;
  }
}

/** Reads all, or what is small: tables that are looked into at every start, and hold little whatever the fleet does. */
function assertUndamaged(db: DatabaseSync, whole: boolean): void {
  const small = db.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('store', 'node', 'cursor', 'check_name')`,
  );
  const checks = whole ? ['1'] : small.all().map(({ name }) => String(name));
  for (const check of checks) {
    const verdict = db.prepare(`PRAGMA integrity_check(${check})`).get()?.['integrity_check'];
    if (verdict !== 'ok') throw new StoreError('damaged', `the file is damaged (${String(verdict)})`);
  }
}
