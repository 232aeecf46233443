import type { DatabaseSync } from 'node:sqlite';
import { relaxed } from './connection.ts';
import { prepareEventDetailPrune } from './event-detail-table.ts';
import { prepareTrimHistory } from './event-share-table.ts';
import type { TrimmedHistory } from './event-share-table.ts';
import type { RetainedEventTable } from './retained-event-table.ts';
import { prepareTrendPrune } from './trend.ts';

/** Rows deleted in one transaction: under 10 ms, so that commits get their turn in between. */
const CHUNK = 500;

/** Access to the cursors of sinks. */
export interface CursorTable {
  readonly read: (sink: string) => number;
  readonly write: (sink: string, position: number) => void;
}

/** Prepares the statements. */
export function prepareCursorTable(db: DatabaseSync): CursorTable {
  const select = db.prepare('SELECT position FROM cursor WHERE sink = ?');
  const upsert = db.prepare(
    'INSERT INTO cursor (sink, position) VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET position = excluded.position',
  );
  return {
    read: (sink) => Number(select.get(sink)?.['position'] ?? 0),
    write: (sink, position) => {
      upsert.run(sink, position);
    },
  };
}

/**
 * Prepares `Store.prune`. An event that every listed sink has passed leaves the outbox at once, with its details; its
 * row stays as history until it is old enough, or its node has too much history (event-share-table.ts). Rows go in order of position, so an old row is kept as long as older ones are.
 */
export function preparePrune(
  db: DatabaseSync,
  { cursors, retained }: { readonly cursors: CursorTable; readonly retained: RetainedEventTable },
): (sinks: readonly string[], historyBeforeMs: number) => Promise<readonly TrimmedHistory[]> {
  const selectPosition = db.prepare('SELECT position FROM store');
  const raiseFloor = db.prepare('UPDATE store SET outbox_floor = ?1 WHERE outbox_floor < ?1');
  const selectFirstKept = db.prepare(
    `SELECT min(
       (SELECT outbox_floor + 1 FROM store),
       coalesce((SELECT position FROM event WHERE at >= ? ORDER BY position LIMIT 1), 9007199254740991)
     ) AS position`,
  );
  const remove = db.prepare(
    'DELETE FROM event WHERE position IN (SELECT position FROM event WHERE position < ? ORDER BY position LIMIT ?)',
  );
  const pruneDetails = prepareEventDetailPrune(db);
  const pruneTrend = prepareTrendPrune(db);
  const shares = prepareTrimHistory(db);
  return async (sinks, historyBeforeMs) => {
    relaxed(db, () => {
      const newest = Number(selectPosition.get()?.['position']);
      raiseFloor.run(Math.min(newest, ...sinks.map((sink) => Math.max(cursors.read(sink), retained.end(sink)))));
    });
    while (relaxed(db, pruneDetails)) {
      await new Promise(setImmediate);
      if (!db.isOpen) return [];
    }
    while (relaxed(db, () => retained.prune(sinks))) {
      await new Promise(setImmediate);
      if (!db.isOpen) return [];
    }
    while (relaxed(db, () => pruneTrend(historyBeforeMs))) {
      await new Promise(setImmediate);
      if (!db.isOpen) return [];
    }
    const firstKept = Number(selectFirstKept.get(historyBeforeMs)?.['position']);
    for (;;) {
      const { changes } = relaxed(db, () => remove.run(firstKept, CHUNK));
      if (Number(changes) < CHUNK) break;
      await new Promise(setImmediate);
      if (!db.isOpen) return [];
    }
    shares.forget(firstKept);
    return shares.trim();
  };
}
