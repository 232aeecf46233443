import type { DatabaseSync } from 'node:sqlite';
import { compress, decompress } from './compression.ts';
import { relaxed } from './connection.ts';
import { sourceOf, unitsOf } from './event-source.ts';
import { parsed } from './package-row.ts';
import type { StoredEvent } from './stored-event.ts';

/*
 * Events that a sink still gets while others around them were dropped for it (backlog-limit.ts). Up to the position
 * `cursor.dropped_to`, it gets these and no others, so that the outbox need not keep what was dropped. A row of
 * `retained_event` holds the events from `first` to `last` as a JSON array, compressed; null: they turned out damaged.
 * `units`: a JSON object, how much each source has in the row.
 */

/** Rows deleted in one transaction. */
const PRUNE_CHUNK = 100;

/** How much each source has; see event-source.ts. */
export type Shares = Map<string, number>;

/** Adds to the share of a source. */
export function addShare(shares: Shares, source: string, units: number): void {
  shares.set(source, (shares.get(source) ?? 0) + units);
}

/** Access to retained events. What writes must be called within a transaction, except for `read`. */
export interface RetainedEventTable {
  /** Up to this position, a sink gets only retained events. */
  readonly end: (sink: string) => number;
  /** The next of them after `position`, at most `limit` and as many as a row has. Damaged rows are skipped and marked. */
  readonly read: (sink: string, position: number, limit: number) => readonly StoredEvent[];
  /** How many there are after `position`, and what sources have of them. */
  readonly of: (sink: string, position: number) => { readonly count: number; readonly shares: Shares };
  /** Retains `events` and raises the end to `last`. */
  readonly add: (sink: string, events: readonly StoredEvent[], last: number) => void;
  /** Removes events after `position` for which `isDropped` is true. It is called for those of these sources, oldest first. */
  readonly remove: (of: {
    readonly sink: string;
    readonly position: number;
    readonly sources: () => readonly string[];
    readonly isDropped: (event: StoredEvent) => boolean;
  }) => void;
  /** Removes the damaged rows of a sink. Returns what they held. */
  readonly removeDamaged: (sink: string) => Shares;
  /** Deletes what sinks have passed, and that of other sinks. True: there can be more. */
  readonly prune: (sinks: readonly string[]) => boolean;
}

interface Row {
  readonly first: number;
  readonly last: number;
  readonly events: number;
  readonly units: string;
  readonly content: Uint8Array;
}

/** Prepares the statements. */
export function prepareRetainedEventTable(db: DatabaseSync): RetainedEventTable {
  const selectEnd = db.prepare('SELECT dropped_to FROM cursor WHERE sink = ?');
  const raiseEnd = db.prepare(
    `INSERT INTO cursor (sink, position, dropped_to) VALUES (?, 0, ?)
     ON CONFLICT (sink) DO UPDATE SET dropped_to = max(dropped_to, excluded.dropped_to)`,
  );
  const selectAfter = `FROM retained_event WHERE sink = ? AND last > ? AND content IS NOT NULL ORDER BY last`;
  const selectNext = db.prepare(`SELECT last, content ${selectAfter} LIMIT 1`);
  const selectHeads = db.prepare(`SELECT first, last, events, units ${selectAfter}`);
  const selectContent = db.prepare('SELECT content FROM retained_event WHERE sink = ? AND last = ?');
  const insert = db.prepare(
    'INSERT INTO retained_event (sink, last, first, events, units, content) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const remove = db.prepare('DELETE FROM retained_event WHERE sink = ? AND last = ?');
  const markDamaged = db.prepare('UPDATE retained_event SET content = NULL WHERE sink = ? AND last = ?');
  const removeDamaged = db.prepare('DELETE FROM retained_event WHERE sink = ? AND content IS NULL RETURNING units');
  const heads = (sink: string, position: number) =>
    selectHeads.all(sink, position) as unknown as readonly Omit<Row, 'content'>[];
  const contentOf = (sink: string, last: number): readonly StoredEvent[] | undefined =>
    toEvents((selectContent.get(sink, last) as unknown as Row).content);
  const put = (sink: string, events: readonly StoredEvent[]): void => {
    const [first, last] = [events[0], events.at(-1)];
    if (first === undefined || last === undefined) return;
    const units: Shares = new Map();
    for (const event of events) addShare(units, sourceOf(event), unitsOf(event));
    const text = JSON.stringify(Object.fromEntries(units));
    insert.run(sink, last.position, first.position, events.length, text, compress(JSON.stringify(events)));
  };
  return {
    end: (sink) => Number(selectEnd.get(sink)?.['dropped_to'] ?? 0),
    read: (sink, position, limit) => {
      for (;;) {
        const row = selectNext.get(sink, position) as unknown as Pick<Row, 'last' | 'content'> | undefined;
        if (row === undefined) return [];
        const events = toEvents(row.content);
        if (events !== undefined) return events.filter((event) => event.position > position).slice(0, limit);
        relaxed(db, () => markDamaged.run(sink, row.last));
      }
    },
    of: (sink, position) => {
      const shares: Shares = new Map();
      let count = 0;
      for (const { first, last, events, units } of heads(sink, position)) {
        if (first > position) {
          count += events;
          for (const [source, of] of Object.entries(toShares(units))) addShare(shares, source, of);
          continue;
        }
        const left = (contentOf(sink, last) ?? []).filter((event) => event.position > position);
        count += left.length;
        for (const event of left) addShare(shares, sourceOf(event), unitsOf(event));
      }
      return { count, shares };
    },
    add: (sink, events, last) => {
      put(sink, events);
      raiseEnd.run(sink, last);
    },
    remove: ({ sink, position, sources, isDropped }) => {
      for (const { last, units } of heads(sink, position)) {
        const shares = toShares(units);
        if (!sources().some((source) => source in shares)) continue;
        const events = contentOf(sink, last);
        if (events === undefined) continue;
        const kept = events.filter((event) => event.position <= position || !isDropped(event));
        if (kept.length === events.length) continue;
        remove.run(sink, last);
        put(sink, kept);
      }
    },
    removeDamaged: (sink) => {
      const shares: Shares = new Map();
      for (const row of removeDamaged.all(sink))
        for (const [source, of] of Object.entries(toShares(String(row['units'])))) addShare(shares, source, of);
      return shares;
    },
    prune: (sinks) => {
      const { changes } = db
        .prepare(
          `DELETE FROM retained_event WHERE rowid IN (
             SELECT retained_event.rowid FROM retained_event LEFT JOIN cursor USING (sink)
             WHERE last <= cursor.position OR sink NOT IN (${sinks.map(() => '?').join(', ')}) LIMIT ?)`,
        )
        .run(...sinks, PRUNE_CHUNK);
      return Number(changes) === PRUNE_CHUNK;
    },
  };
}

function toEvents(content: Uint8Array): readonly StoredEvent[] | undefined {
  const text = decompress(content);
  return text === undefined ? undefined : (parsed(text) as readonly StoredEvent[]);
}

function toShares(units: string): Readonly<Record<string, number>> {
  return parsed(units) as Readonly<Record<string, number>>;
}
