import type { DatabaseSync } from 'node:sqlite';
import { compress, decompress } from './compression.ts';

/*
 * What findings said (`detailOf` in row.ts) when their events happened. It is most of the bytes of an event, and only
 * the outbox needs it, so it is apart from the history and leaves the store with the outbox. A row of `event_detail`
 * holds the details of the events from `first` to `last`, one per line: the distance from the position of the line
 * before (of the first line: 0), a space, the detail, which is JSON and therefore one line.
 *
 * A large transaction adds compressed blocks, a small one a row of text, which costs it less. Where every sink is up to
 * date, rows of text are deleted before there are many. Where MAX_LOOSE_LENGTH characters of them wait, each transaction
 * that adds one also compresses the oldest into a block. `store.loose_details` counts the characters, and is corrected
 * when a search finds no rows; up to the position `store.packed_details` no row is text.
 */

/** Characters of a block before it is compressed; the last detail can exceed it. Bounds what reading one event costs. */
const BLOCK_LENGTH = 128 * 1024;
const MAX_LOOSE_LENGTH = 4 * 1024 * 1024;
/** Rows deleted in one transaction: under 10 ms. */
const PRUNE_CHUNK = 100;

/** What the row of `store` says about rows of text. */
export interface LooseDetails {
  readonly length: number;
  /** Position up to which there are none. */
  readonly packed: number;
}

/** Adds details within one transaction. */
export interface EventDetailWriter {
  /** Positions must ascend. */
  readonly add: (position: number, detail: string) => void;
  /** Must be called before the transaction ends. Takes and returns what `store` holds before and after. */
  readonly finish: (before: LooseDetails) => LooseDetails;
}

interface Row {
  readonly first: number;
  readonly last: number;
  /** Text, or compressed text. */
  readonly content: string | Uint8Array;
}

type Entry = readonly [position: number, detail: string];

/** Prepares what adds details. The result opens a writer for the transaction that is open now. */
export function prepareEventDetailWriter(db: DatabaseSync): () => EventDetailWriter {
  const insert = db.prepare('INSERT INTO event_detail (last, first, content) VALUES (?, ?, ?)');
  const selectAfter = db.prepare('SELECT first, last, content FROM event_detail WHERE last > ? ORDER BY last');
  const remove = db.prepare('DELETE FROM event_detail WHERE last BETWEEN ? AND ?');
  // As in finding-table.ts, `get` writes.
  const writeBlock = (entries: readonly Entry[]): void => {
    const [first] = entries[0] ?? [];
    const [last = 0] = entries.at(-1) ?? [];
    if (first === undefined) return; // all rows were damaged
    insert.get(last, first, compress(textOf(entries)));
  };
  const writeBlocks = (entries: readonly Entry[]): void => {
    let block: Entry[] = [];
    let length = 0;
    for (const entry of entries) {
      block.push(entry);
      length += entry[1].length;
      if (length < BLOCK_LENGTH) continue;
      writeBlock(block);
      [block, length] = [[], 0];
    }
    if (block.length > 0) writeBlock(block);
  };
  /** The oldest rows of text that lie side by side. `isEnd`: no row follows them. */
  const oldestTexts = (packed: number): { rows: readonly Row[]; length: number; isEnd: boolean } => {
    const rows: Row[] = [];
    let length = 0;
    for (const row of selectAfter.iterate(packed) as unknown as Iterable<Row>) {
      if (typeof row.content === 'string') {
        rows.push(row);
        length += row.content.length;
      }
      if (length >= BLOCK_LENGTH || (rows.length > 0 && typeof row.content !== 'string'))
        return { rows, length, isEnd: false };
    }
    return { rows, length, isEnd: true };
  };
  const packOldest = ({ length, packed }: LooseDetails): LooseDetails => {
    const oldest = oldestTexts(packed);
    const [first, last] = [oldest.rows[0], oldest.rows.at(-1)];
    if (oldest.isEnd || first === undefined || last === undefined) return { length: oldest.length, packed };
    remove.run(first.last, last.last);
    writeBlock(oldest.rows.flatMap(entriesOf));
    return { length: length - oldest.length, packed: last.last };
  };
  return () => {
    const added: Entry[] = [];
    let length = 0;
    return {
      add: (position, detail) => {
        added.push([position, detail]);
        length += detail.length;
      },
      finish: (before) => {
        const [first] = added;
        if (first === undefined) return before;
        if (length >= BLOCK_LENGTH) {
          writeBlocks(added);
          return before;
        }
        const text = textOf(added);
        insert.get(added.at(-1)?.[0] ?? 0, first[0], text);
        const after = { ...before, length: before.length + text.length };
        return after.length < MAX_LOOSE_LENGTH ? after : packOldest(after);
      },
    };
  };
}

/** Details by position, and up to which position they were read. */
export interface EventDetails {
  readonly byPosition: ReadonlyMap<number, string>;
  /** `last`, or the position of the last detail that did not exceed the limit. */
  readonly end: number;
}

/**
 * Prepares what reads the details of the events from `first` to `last`, at most about `maxLength` characters and at
 * least one. Details in a damaged row are absent.
 */
export function prepareEventDetails(
  db: DatabaseSync,
): (first: number, last: number, maxLength: number) => EventDetails {
  const select = db.prepare('SELECT first, last, content FROM event_detail WHERE last >= ? ORDER BY last');
  return (first, last, maxLength) => {
    const byPosition = new Map<number, string>();
    let length = 0;
    for (const row of select.iterate(first) as unknown as Iterable<Row>) {
      if (row.first > last) break;
      for (const [position, detail] of entriesOf(row)) {
        if (position < first) continue;
        if (position > last) break;
        byPosition.set(position, detail);
        length += detail.length;
        if (length >= maxLength) return { byPosition, end: position };
      }
    }
    return { byPosition, end: last };
  };
}

/**
 * Prepares the deletion of details that have left the outbox. It must be called within a transaction, until it returns
 * false.
 */
export function prepareEventDetailPrune(db: DatabaseSync): () => boolean {
  const remove = db.prepare(
    `DELETE FROM event_detail WHERE last IN (
       SELECT last FROM event_detail WHERE last <= (SELECT outbox_floor FROM store) ORDER BY last LIMIT ?)`,
  );
  return () => Number(remove.run(PRUNE_CHUNK).changes) === PRUNE_CHUNK;
}

function textOf(entries: readonly Entry[]): string {
  let [before = 0] = entries[0] ?? [];
  let text = '';
  for (const [position, detail] of entries) {
    text += `${String(position - before)} ${detail}\n`;
    before = position;
  }
  return text;
}

/** The details in a row. A damaged row has none. */
function entriesOf({ first, last, content }: Row): readonly Entry[] {
  const entries: Entry[] = [];
  const text = typeof content === 'string' ? content : (decompress(content) ?? '');
  let position = first;
  for (let start = 0; start < text.length;) {
    const space = text.indexOf(' ', start);
    const end = text.indexOf('\n', space);
    const distance = Number(text.slice(start, space));
    if (space < 0 || end < 0 || !Number.isSafeInteger(distance)) return [];
    position += distance;
    entries.push([position, text.slice(space + 1, end)]);
    start = end + 1;
  }
  // A distance that changed would give all that follow the details of other events.
  return position === last ? entries : [];
}
