import { StoreError } from './error.ts';

/** A part of a cursor: of the key of the last row of a page. */
export type CursorPart = string | number;

/** Longest cursor that is looked at: a subject id has up to 4,096 bytes. */
const MAX_CURSOR = 16 * 1024;

/** The key of the last row of a page as text that callers hand back unread. */
export function writeCursor(key: readonly CursorPart[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The key in a cursor, of these types. Throws StoreError `badCursor`: it comes from a user. */
export function readCursor(cursor: string, types: readonly ('string' | 'number')[]): readonly CursorPart[] {
  const key = cursor.length <= MAX_CURSOR ? parse(Buffer.from(cursor, 'base64url').toString()) : undefined;
  if (!Array.isArray(key) || key.length !== types.length || key.some((part, index) => typeof part !== types[index]))
    throw new StoreError('badCursor', 'this cursor was not made by this store');
  return key as readonly CursorPart[];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller reports it, together with a key of the wrong shape
  }
}
