import type { DatabaseSync } from 'node:sqlite';
import { prepareEventShares } from './event-share-table.ts';
import { prepareEventDetailWriter } from './event-detail-table.ts';
import type { LooseDetails } from './event-detail-table.ts';
import { unitsOfDetail } from './event-source.ts';
import { fromStatusCode } from './status-code.ts';
import { actionNumber, eventUid, findingNumber, toStoredFinding } from './row.ts';
import type { ContentRow, NodeName } from './row.ts';
import type { FindingAction, OutboxEvent, ResolvedBecause } from './stored-event.ts';
import { prepareTrendWriter } from './trend.ts';

/** One thing that changes to a finding, and what the finding says after it; before it has a place. */
export interface FindingChange extends ContentRow {
  readonly action: FindingAction;
  readonly cause?: ResolvedBecause | undefined;
  readonly atMs: number;
  /** Status code before; undefined for a finding that is new. */
  readonly previous: number | undefined;
}

/** Writes events within one transaction. */
export interface EventWriter {
  /** The position that it got. */
  readonly write: (node: NodeName & { readonly key: number }, change: FindingChange) => number;
  /** The event that was written for `change` at `position`. */
  readonly read: (node: NodeName, change: FindingChange, position: number) => OutboxEvent;
  /** Must be called before the transaction ends: keeps the positions that were given. */
  readonly finish: () => void;
}

interface StoreRow extends LooseDetails {
  readonly id: string;
  readonly position: number;
}

/** Prepares what writes events. The result opens a writer for the transaction that is open now. */
export function prepareEventWriter(db: DatabaseSync): () => EventWriter {
  const selectStore = db.prepare('SELECT id, position, loose_details AS length, packed_details AS packed FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?, loose_details = ?, packed_details = ?');
  const insert = db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const openDetails = prepareEventDetailWriter(db);
  const openTrend = prepareTrendWriter(db);
  const openShares = prepareEventShares(db);
  return () => {
    const store = selectStore.get() as unknown as StoreRow;
    let { position } = store;
    const details = openDetails();
    const trend = openTrend();
    const shares = openShares();
    return {
      write: (node, change) => {
        const { action, cause, atMs, previous, check, subject, statusCode, firstSeenMs, changedMs, name, detail } =
          change;
        const { waiver = null } = change;
        position += 1;
        trend.note(atMs, action, previous, statusCode);
        const finding = findingNumber(node.id, `${check}/${subject}`);
        const [number, before] = [actionNumber(action, cause), previous ?? null];
        // As in finding-table.ts.
        // prettier-ignore
        insert.get(position, atMs, number, node.key, finding, check, subject, statusCode, before, firstSeenMs, changedMs, name, sizeOf(detail), waiver);
        details.add(position, detail);
        shares.add(position, node.key, [check, subject, name]);
        return position;
      },
      read: (node, change, at) => toOutboxEvent(change, node, store.id, at),
      finish: () => {
        if (position === store.position) return;
        const loose = details.finish(store);
        updateStore.get(position, loose.length, loose.packed);
        trend.finish();
        shares.finish();
      },
    };
  };
}

/** What `event.detail` holds; see schema.ts. */
function sizeOf(detail: string): string {
  const units = unitsOfDetail(detail);
  return units === 1 ? '' : String(units);
}

/** The event of a change at `position`. Without a spread where it can be; see `toStoredFinding`. */
export function toOutboxEvent(change: FindingChange, node: NodeName, storeId: string, position: number): OutboxEvent {
  const { action, cause, atMs, previous } = change;
  const uid = eventUid(storeId, position, atMs);
  const finding = toStoredFinding(change, node);
  if (cause === undefined && previous !== undefined)
    return { position, uid, action, atMs, finding, previousVerdict: fromStatusCode(previous).verdict };
  const event = { position, uid, action, atMs, finding, ...(cause === undefined ? {} : { cause }) };
  return previous === undefined ? event : { ...event, previousVerdict: fromStatusCode(previous).verdict };
}
