import type { Json } from '../../posture/query/json.ts';

/** The text of an answer: its bytes and, for a list, how many items are in them. */
export type JsonText =
  | { readonly ok: true; readonly bytes: Buffer; readonly rows: number; readonly truncated: boolean }
  | { readonly ok: false; readonly problem: string };

/** Takes text in pieces as long as it fits. */
interface Writer {
  /** False: the piece does not fit any more, and nothing was taken. */
  readonly write: (piece: string) => boolean;
  readonly bytes: () => Buffer;
}

/**
 * `value` as JSON text of at most `maxBytes`. A list is cut between two items; anything else that does not fit is a
 * problem. The text is made in pieces and outside of the heap: a string of its whole length could end the process.
 */
export function jsonText(value: Json, maxBytes: number): JsonText {
  return isList(value) ? listText(value, maxBytes) : valueText(value, maxBytes);
}

function valueText(value: Json, maxBytes: number): JsonText {
  const writer = createWriter(maxBytes);
  if (!writeJson(value, writer)) return { ok: false, problem: tooLarge('the answer', maxBytes) };
  return { ok: true, bytes: writer.bytes(), rows: 1, truncated: false };
}

function listText(items: readonly Json[], maxBytes: number): JsonText {
  const rows: Buffer[] = [];
  // The brackets; each row brings its comma, the first one instead of nothing.
  let size = 2;
  for (const item of items) {
    const writer = createWriter(maxBytes - size - (rows.length === 0 ? 0 : 1));
    if (!writeJson(item, writer)) break;
    const row = writer.bytes();
    size += row.length + (rows.length === 0 ? 0 : 1);
    rows.push(row);
  }
  if (rows.length === 0 && items.length > 0) return { ok: false, problem: tooLarge('the first row alone', maxBytes) };
  const comma = Buffer.from(',');
  const parts = rows.flatMap((row, index) => (index === 0 ? [row] : [comma, row]));
  const bytes = Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]);
  return { ok: true, bytes, rows: rows.length, truncated: rows.length < items.length };
}

function tooLarge(what: string, maxBytes: number): string {
  return `${what} is larger than ${String(maxBytes)} bytes: ask for less of it`;
}

function writeJson(value: Json, writer: Writer): boolean {
  if (value === null || typeof value !== 'object') return writer.write(JSON.stringify(value));
  const [open, close] = isList(value) ? ['[', ']'] : ['{', '}'];
  const entries: Iterable<readonly [string, Json]> = isList(value)
    ? value.map((item) => ['', item] as const)
    : Object.entries(value).map(([key, item]) => [`${JSON.stringify(key)}:`, item] as const);
  let separator = open;
  for (const [key, item] of entries) {
    if (!writer.write(separator + key) || !writeJson(item, writer)) return false;
    separator = ',';
  }
  return writer.write(separator === open ? open + close : close);
}

/** Pieces are gathered up to this length before they leave the heap. */
const GATHERED = 16 * 1024;

function createWriter(maxBytes: number): Writer {
  const done: Buffer[] = [];
  let size = 0;
  let gathered = '';
  const flush = (): void => {
    done.push(Buffer.from(gathered));
    gathered = '';
  };
  return {
    write: (piece) => {
      size += Buffer.byteLength(piece);
      if (size > maxBytes) return false;
      gathered += piece;
      if (gathered.length >= GATHERED) flush();
      return true;
    },
    bytes: () => {
      flush();
      return done.length === 1 && done[0] !== undefined ? done[0] : Buffer.concat(done);
    },
  };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
