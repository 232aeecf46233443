/**
 * What can go wrong with a store. locked: another process holds the file; full: no space left; notWritable: read-only
 * file or file system; io: the disk failed; cannotOpen: no such directory, no permission; damaged: not readable as a
 * database any more; notOurs: a database of another program; newerVersion: written by a later version;
 * olderVersion: written by a version that none can upgrade from; closed: used
 * after close; badCursor, badFilter: the page or filter of the caller is not valid; internal: a defect of this program.
 */
export type StoreErrorCode =
  | 'locked'
  | 'full'
  | 'notWritable'
  | 'io'
  | 'cannotOpen'
  | 'damaged'
  | 'notOurs'
  | 'newerVersion'
  | 'olderVersion'
  | 'closed'
  | 'badCursor'
  | 'badFilter'
  | 'internal';

/** A failure of the store: `code` is for programs, the message says what was being done and what happened. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Temporary failures: a retry makes sense. */
const PASSING: ReadonlySet<StoreErrorCode> = new Set(['locked', 'full', 'notWritable', 'io']);

/** Can the same call succeed later, without anyone changing the call? */
export function isPassing(error: unknown): boolean {
  return error instanceof StoreError && PASSING.has(error.code);
}

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that say something about the environment. */
const CODE_OF_RESULT: ReadonlyMap<number, StoreErrorCode> = new Map([
  [3, 'cannotOpen'], // SQLITE_PERM
  [5, 'locked'], // SQLITE_BUSY
  [6, 'locked'], // SQLITE_LOCKED
  [8, 'notWritable'], // SQLITE_READONLY
  [10, 'io'], // SQLITE_IOERR
  [11, 'damaged'], // SQLITE_CORRUPT
  [13, 'full'], // SQLITE_FULL
  [14, 'cannotOpen'], // SQLITE_CANTOPEN
  [26, 'damaged'], // SQLITE_NOTADB
]);

/** Any error as a StoreError; `doing` says what was tried (`open /var/lib/plimsoll/store.sqlite`). */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const result = (error as { errcode?: unknown }).errcode;
  // A number beyond 2^53, which the store never writes.
  if ((error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE')
    return new StoreError(
      'damaged',
      `cannot ${doing}: a row of the store holds a number that was never written`,
      error,
    );
  const code = typeof result === 'number' ? CODE_OF_RESULT.get(result & 0xff) : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError(code ?? 'internal', `cannot ${doing}: ${message}`, error);
}
