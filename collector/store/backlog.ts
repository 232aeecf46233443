import type { DatabaseSync } from 'node:sqlite';
import type { CursorTable } from './prune.ts';

/** What waits for a sink. */
export interface Backlog {
  /** Positions that are in use after its cursor; also those of events that it is not meant to get. */
  readonly events: number;
  /** Its cursor, or the end of what has left the outbox. */
  readonly position: number;
}

/** Events that a sink will not get. */
export interface DroppedEvents {
  readonly events: number;
  /** New position of the cursor. */
  readonly position: number;
}

/** How many events wait for sinks. Positions are counted, not rows: it costs the same for one event and for millions. */
export interface BacklogCounter {
  readonly of: (sink: string) => Backlog;
  /** Moves the cursor of a sink so that at most `limit` events wait. Undefined: no more than that wait. */
  readonly limit: (sink: string, limit: number) => DroppedEvents | undefined;
  /** The next event gets a position after `position`. Returns the newest position before. */
  readonly raisePosition: (position: number) => number;
}

/** Positions that no event has. */
interface Unused {
  readonly first: number;
  readonly last: number;
}

/** Prepares the statements. What writes must be called within a transaction. */
export function prepareBacklogCounter(db: DatabaseSync, cursors: CursorTable): BacklogCounter {
  const selectStore = db.prepare('SELECT position AS newest, outbox_floor AS floor FROM store');
  const updatePosition = db.prepare('UPDATE store SET position = ?');
  const selectUnused = db.prepare('SELECT first, last FROM unused_position WHERE last > ? ORDER BY first DESC');
  const insertUnused = db.prepare('INSERT INTO unused_position VALUES (?, ?)');
  const storeRow = () => selectStore.get() as unknown as { readonly newest: number; readonly floor: number };
  const unusedAfter = (position: number) => selectUnused.all(position) as unknown as readonly Unused[];
  const of = (sink: string): Backlog => {
    const { newest, floor } = storeRow();
    const position = Math.max(cursors.read(sink), floor);
    let events = newest - position;
    for (const { first, last } of unusedAfter(position)) events -= last - Math.max(first - 1, position);
    return { events, position };
  };
  return {
    of,
    limit: (sink, limit) => {
      const { events, position } = of(sink);
      if (events <= limit) return undefined;
      let { newest: end } = storeRow();
      let left = limit;
      for (const { first, last } of unusedAfter(position)) {
        if (end - last >= left) break;
        left -= end - last;
        end = first - 1;
      }
      cursors.write(sink, end - left);
      return { events: events - limit, position: end - left };
    },
    raisePosition: (position) => {
      const { newest } = storeRow();
      if (position <= newest) return newest;
      insertUnused.run(newest + 1, position);
      updatePosition.run(position);
      return newest;
    },
  };
}
