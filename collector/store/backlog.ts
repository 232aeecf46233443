import type { DatabaseSync } from 'node:sqlite';
import type { CursorTable } from './prune.ts';
import type { RetainedEventTable } from './retained-event-table.ts';

/** What waits for a sink. */
export interface Backlog {
  /** Positions that are in use after its cursor; also those of events that it is not meant to get. */
  readonly events: number;
  /** Its cursor. */
  readonly position: number;
  /** What waits in the outbox comes after it: its cursor, the end of retained events, or of what has left the outbox. */
  readonly outboxFrom: number;
}

/** How many events wait for sinks. Positions are counted, not rows: it costs the same for one event and for millions. */
export interface BacklogCounter {
  readonly of: (sink: string) => Backlog;
  /** The next event gets a position after `position`. Returns the newest position before. */
  readonly raisePosition: (position: number) => number;
}

/** Positions that no event has. */
interface Unused {
  readonly first: number;
  readonly last: number;
}

/** Prepares the statements. What writes must be called within a transaction. */
export function prepareBacklogCounter(
  db: DatabaseSync,
  { cursors, retained }: { readonly cursors: CursorTable; readonly retained: RetainedEventTable },
): BacklogCounter {
  const selectStore = db.prepare('SELECT position AS newest, outbox_floor AS floor FROM store');
  const updatePosition = db.prepare('UPDATE store SET position = ?');
  const selectUnused = db.prepare('SELECT first, last FROM unused_position WHERE last > ? ORDER BY first DESC');
  const insertUnused = db.prepare('INSERT INTO unused_position VALUES (?, ?)');
  const countReplays = db.prepare(
    'SELECT count(*) AS events FROM dead_letter WHERE replay > ? AND replay <= ? AND sink = ?',
  );
  const replaysBetween = (sink: string, after: number, last: number) =>
    Number(countReplays.get(after, last, sink)?.['events']);
  const storeRow = () => selectStore.get() as unknown as { readonly newest: number; readonly floor: number };
  const unusedAfter = (position: number) => selectUnused.all(position) as unknown as readonly Unused[];
  const of = (sink: string): Backlog => {
    const { newest, floor } = storeRow();
    const position = cursors.read(sink);
    const end = retained.end(sink);
    const outboxFrom = Math.max(position, end, floor);
    let events = newest - outboxFrom;
    for (const { first, last } of unusedAfter(outboxFrom)) events -= last - Math.max(first - 1, outboxFrom);
    if (position < end) events += retained.of(sink, position).count + replaysBetween(sink, position, end);
    return { events, position, outboxFrom };
  };
  return {
    of,
    raisePosition: (position) => {
      const { newest } = storeRow();
      if (position <= newest) return newest;
      insertUnused.run(newest + 1, position);
      updatePosition.run(position);
      return newest;
    },
  };
}
