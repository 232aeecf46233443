import type { DatabaseSync } from 'node:sqlite';
import { ofRank } from './rank.ts';
import { actionNumber, eventUid, findingUid, toStoredFinding, uidNumber } from './row.ts';
import type { ContentRow, NodeName } from './row.ts';
import type { FindingAction, OutboxEvent } from './store.ts';
import { prepareTrendWriter } from './trend.ts';

/** One thing that happened, before it has a place. */
export interface Happening {
  readonly action: FindingAction;
  readonly atMs: number;
  /** Rank before; undefined for a finding that is new. */
  readonly previous: number | undefined;
  readonly row: ContentRow;
}

/** Writes events within one transaction. */
export interface EventWriter {
  /** The position that it got. */
  readonly write: (node: NodeName & { readonly key: number }, happening: Happening) => number;
  /** The event that was written for `happening` at `position`. */
  readonly read: (node: NodeName, happening: Happening, position: number) => OutboxEvent;
  /** Must be called before the transaction ends: keeps the positions that were given. */
  readonly finish: () => void;
}

/** Prepares what writes events. The result opens a writer for the transaction that is open now. */
export function prepareEventWriter(db: DatabaseSync): () => EventWriter {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const openTrend = prepareTrendWriter(db);
  return () => {
    const store = selectStore.get() as unknown as { readonly id: string; readonly position: number };
    let { position } = store;
    const trend = openTrend();
    return {
      write: (node, { action, atMs, previous, row }) => {
        position += 1;
        trend.note(atMs, action, previous, row.rank);
        const { check, subject, rank, firstSeenMs, changedMs, name, detail } = row;
        const finding = uidNumber(findingUid(node.id, `${check}/${subject}`));
        const place = [position, atMs, actionNumber(action), node.key, finding] as const;
        // As in finding-table.ts.
        insert.get(...place, check, subject, rank, previous ?? null, firstSeenMs, changedMs, name, detail);
        return position;
      },
      read: (node, { action, atMs, previous, row }, at) => {
        const uid = eventUid(store.id, at, atMs);
        const event = { position: at, uid, action, atMs, finding: toStoredFinding(row, node) };
        return previous === undefined ? event : { ...event, previousVerdict: ofRank(previous).verdict };
      },
      finish: () => {
        if (position === store.position) return;
        updateStore.run(position);
        trend.finish();
      },
    };
  };
}
