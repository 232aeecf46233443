import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { readCursor, writeCursor } from './cursor.ts';
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterSelection,
  RejectedEvents,
  ReplayedEvents,
} from './dead-letter-store.ts';
import { StoreError } from './error.ts';
import { sourceOf } from './event-source.ts';
import { parsed } from './package-row.ts';
import type { StoredEvent } from './stored-event.ts';

/** Dead letters of one sink that are kept; a sink that rejects everything displaces none of another, a node neither. */
const MAX_OF_SINK = 10_000;
const MAX_BYTES_OF_SINK = 64 * 1024 ** 2;
/** What is kept of the reason, which comes from the receiver. */
const MAX_REASON = 500;
const MAX_LIMIT = 1_000;

/**
 * Dead letters. `replay` is the position in the outbox from which the event is sent again; null: it is not. All that
 * write must be called within a transaction.
 */
export interface DeadLetterTable {
  readonly add: (rejected: RejectedEvents) => number;
  readonly list: (filter: DeadLetterFilter) => DeadLetterPage;
  readonly find: (id: number) => DeadLetter | undefined;
  readonly counts: () => ReadonlyMap<string, number>;
  readonly replay: (selection: DeadLetterSelection, sinks: readonly string[]) => ReplayedEvents;
  readonly purge: (selection: DeadLetterSelection) => number;
  /** Events that are sent again after `position`, oldest first: of one sink, or of all where `sink` is undefined. */
  readonly replayed: (position: number, limit: number, sink: string | undefined) => readonly StoredEvent[];
  /** Deletes those that were acknowledged and have left the outbox. */
  readonly prune: () => void;
}

interface Row {
  readonly id: number;
  readonly sink: string;
  readonly rejectedMs: number;
  readonly attempts: number;
  readonly reason: string;
  readonly replay: number | null;
  readonly content: string;
}

const COLUMNS = 'key AS id, sink, at AS rejectedMs, attempts, reason, replay, content';
/** Not yet sent again and acknowledged. */
const WAITING =
  '(replay IS NULL OR replay > coalesce((SELECT position FROM cursor WHERE cursor.sink = dead_letter.sink), 0))';

/** Prepares the statements. */
export function prepareDeadLetterTable(db: DatabaseSync): DeadLetterTable {
  const insert = db.prepare(
    `INSERT INTO dead_letter (sink, uid, position, at, attempts, reason, bytes, content, source)
     VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)
     ON CONFLICT (sink, uid) DO UPDATE
       SET at = excluded.at, attempts = attempts + 1, reason = excluded.reason, replay = NULL`,
  );
  const size = db.prepare(
    'SELECT count(*) AS events, coalesce(sum(bytes), 0) AS bytes FROM dead_letter WHERE sink = ?',
  );
  // The newest of each source first: the sources with the most lose their oldest, as in backlog-limit.ts.
  const discard = db.prepare(
    `DELETE FROM dead_letter WHERE key IN (SELECT key FROM (
       SELECT key, row_number() OVER (ORDER BY rank, key DESC) AS number,
         sum(bytes) OVER (ORDER BY bytes_of_source, key DESC) AS total
       FROM (
         SELECT key, bytes, row_number() OVER newest AS rank, sum(bytes) OVER newest AS bytes_of_source
         FROM dead_letter WHERE sink = ? WINDOW newest AS (PARTITION BY source ORDER BY key DESC)))
     WHERE number > ? OR total > ?)`,
  );
  const selectOne = db.prepare(`SELECT ${COLUMNS} FROM dead_letter WHERE key = ? AND ${WAITING}`);
  const selectCounts = db.prepare(`SELECT sink, count(*) AS count FROM dead_letter WHERE ${WAITING} GROUP BY sink`);
  const selectReplayed = db.prepare(
    `SELECT replay, content FROM dead_letter WHERE replay > ?1 AND (?3 IS NULL OR sink = ?3) ORDER BY replay LIMIT ?2`,
  );
  const remove = db.prepare(
    `DELETE FROM dead_letter WHERE replay <= (SELECT outbox_floor FROM store)
       AND replay <= (SELECT position FROM cursor WHERE cursor.sink = dead_letter.sink)`,
  );
  const selectPosition = db.prepare('SELECT position FROM store');
  const updatePosition = db.prepare('UPDATE store SET position = ?');
  return {
    add: ({ sink, events, reason, atMs }) => {
      for (const event of events) {
        const content = JSON.stringify(event);
        const bytes = Buffer.byteLength(content);
        insert.run(sink, event.uid, event.position, atMs, reason.slice(0, MAX_REASON), bytes, content, sourceOf(event));
      }
      const now = size.get(sink);
      if (Number(now?.['events']) <= MAX_OF_SINK && Number(now?.['bytes']) <= MAX_BYTES_OF_SINK) return 0;
      return Number(discard.run(sink, MAX_OF_SINK, MAX_BYTES_OF_SINK).changes);
    },
    list: ({ sink, limit, cursor }) => {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
        throw new StoreError('badFilter', `limit must be 1 to ${String(MAX_LIMIT)}`);
      const [before = Number.MAX_SAFE_INTEGER] = cursor === undefined ? [] : readCursor(cursor, ['number']);
      const wanted = sink === undefined ? [] : [sink];
      const statement = db.prepare(
        `SELECT ${COLUMNS} FROM dead_letter WHERE key < ? ${sink === undefined ? '' : 'AND sink = ?'} AND ${WAITING}
         ORDER BY key DESC LIMIT ?`,
      );
      const rows = statement.all(before, ...wanted, limit + 1) as unknown as readonly Row[];
      const deadLetters = rows.slice(0, limit).map(toDeadLetter);
      const last = deadLetters.at(-1);
      return rows.length <= limit || last === undefined
        ? { deadLetters }
        : { deadLetters, cursor: writeCursor([last.id]) };
    },
    find: (id) => {
      const row = selectOne.get(id) as unknown as Row | undefined;
      return row === undefined ? undefined : toDeadLetter(row);
    },
    counts: () => new Map(selectCounts.all().map((row) => [String(row['sink']), Number(row['count'])])),
    replay: (selection, sinks) => {
      const position = Number(selectPosition.get()?.['position']);
      const { condition, values } = conditionOf(selection);
      const { changes } = db
        .prepare(
          `UPDATE dead_letter SET replay = ? + chosen.number FROM (
             SELECT key, row_number() OVER (ORDER BY position, key) AS number FROM dead_letter
             WHERE replay IS NULL AND sink IN (${sinks.map(() => '?').join(', ')}) AND ${condition}) AS chosen
           WHERE dead_letter.key = chosen.key`,
        )
        .run(position, ...sinks, ...values);
      const newest = position + Number(changes);
      updatePosition.run(newest);
      return { replayed: Number(changes), newest };
    },
    purge: (selection) => {
      const { condition, values } = conditionOf(selection);
      return Number(db.prepare(`DELETE FROM dead_letter WHERE ${WAITING} AND ${condition}`).run(...values).changes);
    },
    replayed: (position, limit, sink) =>
      selectReplayed
        .all(position, limit, sink ?? null)
        .map((row) =>
          Object.assign(toEvent(String(row['content'])), { position: Number(row['replay']), isReplay: true as const }),
        ),
    prune: () => void remove.run(),
  };
}

function conditionOf({ ids, sink, beforeMs }: DeadLetterSelection): {
  readonly condition: string;
  readonly values: readonly SQLInputValue[];
} {
  const conditions = ['1'];
  const values: SQLInputValue[] = [];
  if (ids !== undefined) {
    conditions.push(`key IN (${ids.map(() => '?').join(', ')})`);
    values.push(...ids);
  }
  if (sink !== undefined) {
    conditions.push('sink = ?');
    values.push(sink);
  }
  if (beforeMs !== undefined) {
    conditions.push('at < ?');
    values.push(beforeMs);
  }
  return { condition: conditions.join(' AND '), values };
}

function toDeadLetter({ id, sink, rejectedMs, attempts, reason, replay, content }: Row): DeadLetter {
  return { id, sink, event: toEvent(content), reason, rejectedMs, attempts, isReplaying: replay !== null };
}

function toEvent(content: string): StoredEvent {
  return parsed(content) as StoredEvent;
}
