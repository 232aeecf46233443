import type { DatabaseSync } from 'node:sqlite';
import type { Activity, ActivityEvent, ActivityKind } from '../event/activity.ts';
import { parsed } from './package-row.ts';
import { eventUid } from './row.ts';

/** An activity, and when it happened. */
export interface TimedActivity {
  readonly activity: Activity;
  readonly atMs: number;
}

/** Activities in the outbox. They have positions of their own in the one sequence of all events. */
export interface ActivityTable {
  /** Is this kind written? What nobody wants costs nothing. */
  readonly records: (kind: ActivityKind) => boolean;
  /** Must be called within a transaction. Kinds that are not recorded are left out. Returns the newest position, 0: none. */
  readonly write: (activities: readonly TimedActivity[]) => number;
  /** Those after `position` that the outbox still holds, oldest first. */
  readonly read: (position: number, limit: number) => readonly ActivityEvent[];
  /** Deletes some of those that have left the outbox. True: there may be more. */
  readonly prune: () => boolean;
}

/** Rows deleted at a time, so that commits have their turn in between. */
const CHUNK = 2000;

/** Prepares the statements. */
export function prepareActivityTable(db: DatabaseSync, recorded: ReadonlySet<ActivityKind>): ActivityTable {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO activity VALUES (?, ?, ?)');
  const select = db.prepare(
    `SELECT position, at, content FROM activity
     WHERE position > max(?, (SELECT outbox_floor FROM store)) ORDER BY position LIMIT ?`,
  );
  const remove = db.prepare(
    `DELETE FROM activity WHERE position IN (SELECT position FROM activity
       WHERE position <= (SELECT outbox_floor FROM store) ORDER BY position LIMIT ${String(CHUNK)})`,
  );
  const storeRow = () => selectStore.get() as unknown as { readonly id: string; readonly position: number };
  return {
    records: (kind) => recorded.has(kind),
    write: (activities) => {
      const wanted = activities.filter(({ activity }) => recorded.has(activity.kind));
      if (wanted.length === 0) return 0;
      let { position } = storeRow();
      for (const { activity, atMs } of wanted) {
        position += 1;
        insert.run(position, atMs, JSON.stringify(activity));
      }
      updateStore.run(position);
      return position;
    },
    read: (position, limit) => {
      const rows = select.all(position, limit);
      if (rows.length === 0) return [];
      const { id } = storeRow();
      return rows.map((row) => {
        const [at, atMs] = [Number(row['position']), Number(row['at'])];
        return {
          position: at,
          uid: eventUid(id, at, atMs),
          atMs,
          activity: parsed(String(row['content'])) as Activity,
        };
      });
    },
    prune: () => Number(remove.run().changes) === CHUNK,
  };
}
