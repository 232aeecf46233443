import type { DatabaseSync } from 'node:sqlite';
import { eventUid } from './row.ts';
import type { Refusal, RefusalEvent } from './stored-event.ts';

/** Refusals in the outbox. They have positions of their own in the one sequence of all events. */
export interface RefusalTable {
  /** Must be called within a transaction. Returns the newest position. */
  readonly write: (refusals: readonly Refusal[]) => number;
  /** Those after `position` that the outbox still holds, oldest first. */
  readonly read: (position: number, limit: number) => readonly RefusalEvent[];
  /** Deletes those that have left the outbox. */
  readonly prune: () => void;
}

/** Prepares the statements. */
export function prepareRefusalTable(db: DatabaseSync): RefusalTable {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?)');
  const select = db.prepare(
    `SELECT position, at AS atMs, operation, node AS nodeId, address, reason, suppressed FROM refusal
     WHERE position > max(?, (SELECT outbox_floor FROM store)) ORDER BY position LIMIT ?`,
  );
  const remove = db.prepare('DELETE FROM refusal WHERE position <= (SELECT outbox_floor FROM store)');
  const storeRow = () => selectStore.get() as unknown as { readonly id: string; readonly position: number };
  return {
    write: (refusals) => {
      let { position } = storeRow();
      for (const { operation, nodeId, address, reason, atMs, suppressed } of refusals) {
        position += 1;
        insert.run(position, atMs, operation, nodeId, address, reason, suppressed);
      }
      updateStore.run(position);
      return position;
    },
    read: (position, limit) => {
      const { id } = storeRow();
      const rows = select.all(position, limit) as unknown as readonly Omit<RefusalEvent, 'uid'>[];
      return rows.map((row) => Object.assign(row, { uid: eventUid(id, row.position, row.atMs) }));
    },
    prune: () => void remove.run(),
  };
}
