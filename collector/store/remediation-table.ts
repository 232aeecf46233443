import type { DatabaseSync } from 'node:sqlite';
import { parsed } from './package-row.ts';
import { eventUid } from './row.ts';
import type { Remediation, RemediationEvent } from './stored-event.ts';

/** Steps of remediations in the outbox. They have positions of their own in the one sequence of all events. */
export interface RemediationTable {
  /** Must be called within a transaction. Returns the newest position. */
  readonly write: (remediations: readonly Remediation[]) => number;
  /** Those after `position` that the outbox still holds, oldest first. */
  readonly read: (position: number, limit: number) => readonly RemediationEvent[];
  /** Deletes those that have left the outbox. */
  readonly prune: () => void;
}

/** Prepares the statements. */
export function prepareRemediationTable(db: DatabaseSync): RemediationTable {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO remediation VALUES (?, ?, ?)');
  const select = db.prepare(
    `SELECT position, at, content FROM remediation
     WHERE position > max(?, (SELECT outbox_floor FROM store)) ORDER BY position LIMIT ?`,
  );
  const remove = db.prepare('DELETE FROM remediation WHERE position <= (SELECT outbox_floor FROM store)');
  const storeRow = () => selectStore.get() as unknown as { readonly id: string; readonly position: number };
  return {
    write: (remediations) => {
      let { position } = storeRow();
      for (const remediation of remediations) {
        position += 1;
        insert.run(position, remediation.atMs, JSON.stringify(remediation));
      }
      updateStore.run(position);
      return position;
    },
    read: (position, limit) => {
      const { id } = storeRow();
      return select.all(position, limit).map((row) => {
        const [at, atMs] = [Number(row['position']), Number(row['at'])];
        const remediation = parsed(String(row['content'])) as Remediation;
        return { position: at, uid: eventUid(id, at, atMs), atMs, remediation };
      });
    },
    prune: () => void remove.run(),
  };
}
