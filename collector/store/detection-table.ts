import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Detection, DetectionEvent } from '../detection/detection.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { StoreError } from './error.ts';
import { parsed } from './package-row.ts';
import { eventUid, positionOfUid } from './row.ts';

/** A detection, and when it was made. */
export interface TimedDetection {
  readonly atMs: number;
  readonly detection: Detection;
}

/** Which detections. Lists are alternatives, fields are combined; an absent field matches all. */
export interface DetectionFilter {
  /** `uid` of events. */
  readonly ids?: readonly string[];
  readonly nodes?: readonly string[];
  readonly rules?: readonly string[];
  readonly sinceMs?: number;
  /** At most 1,000. */
  readonly limit: number;
  readonly cursor?: string;
}

/** One page of detections, newest first. */
export interface DetectionPage {
  readonly detections: readonly DetectionEvent[];
  readonly cursor?: string;
}

/** Detections. They are events of the outbox, and stay for as long as history or the bound allow. */
export interface DetectionTable {
  /** Must be called within a transaction. Returns the newest position, 0: none. */
  readonly write: (detections: readonly TimedDetection[]) => number;
  /** Those after `position` that the outbox still holds, oldest first. */
  readonly read: (position: number, limit: number) => readonly DetectionEvent[];
  readonly list: (filter: DetectionFilter) => DetectionPage;
  /** Deletes some that have left the outbox and are too old or too many. Returns whether there may be more. */
  readonly prune: (beforeMs: number) => boolean;
}

/** Detections that are kept of one node: one that floods the collector displaces none of another. */
const MAX_OF_NODE = 5_000;
const CHUNK = 500;
const MAX_LIMIT = 1_000;

interface Row {
  readonly position: number;
  readonly at: number;
  readonly content: string;
}

/** Prepares the statements. */
export function prepareDetectionTable(db: DatabaseSync, maxOfNode = MAX_OF_NODE): DetectionTable {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO detection VALUES (?, ?, ?, ?, ?)');
  const select = db.prepare(
    `SELECT position, at, content FROM detection
     WHERE position > max(?, (SELECT outbox_floor FROM store)) ORDER BY position LIMIT ?`,
  );
  const removeOld = db.prepare(
    `DELETE FROM detection WHERE position IN
     (SELECT position FROM detection WHERE at < ? AND position <= (SELECT outbox_floor FROM store) LIMIT ${String(CHUNK)})`,
  );
  const fullNodes = db.prepare('SELECT node FROM detection GROUP BY node HAVING count(*) > ?');
  const removeOldest = db.prepare(
    `DELETE FROM detection WHERE position IN
     (SELECT position FROM detection WHERE node = ?1 AND position <= (SELECT outbox_floor FROM store)
      ORDER BY position LIMIT max(0, min(${String(CHUNK)}, (SELECT count(*) FROM detection WHERE node = ?1) - ?2)))`,
  );
  const storeRow = () => selectStore.get() as unknown as { readonly id: string; readonly position: number };
  const toEvent = ({ position, at: atMs, content }: Row, id: string): DetectionEvent => ({
    position,
    uid: eventUid(id, position, atMs),
    atMs,
    detection: parsed(content) as Detection,
  });
  return {
    write: (detections) => {
      if (detections.length === 0) return 0;
      let { position } = storeRow();
      for (const { atMs, detection } of detections) {
        position += 1;
        insert.run(position, atMs, detection.nodeId, detection.rule, JSON.stringify(detection));
      }
      updateStore.run(position);
      return position;
    },
    read: (position, limit) => {
      const rows = select.all(position, limit) as unknown as readonly Row[];
      if (rows.length === 0) return [];
      const { id } = storeRow();
      return rows.map((row) => toEvent(row, id));
    },
    list: (filter) => {
      const { conditions, values } = conditionsOf(filter);
      const statement = db.prepare(
        `SELECT position, at, content FROM detection WHERE ${conditions.join(' AND ')} ORDER BY position DESC LIMIT ?`,
      );
      const rows = statement.all(...values, filter.limit + 1) as unknown as readonly Row[];
      const { id } = storeRow();
      const page = rows.slice(0, filter.limit).map((row) => toEvent(row, id));
      const last = page.at(-1);
      // A position says less than a uid: one of another store has none here.
      const detections = filter.ids === undefined ? page : page.filter(({ uid }) => filter.ids?.includes(uid));
      return rows.length <= filter.limit || last === undefined
        ? { detections }
        : { detections, cursor: writeCursor([last.position]) };
    },
    prune: (beforeMs) => {
      let more = Number(removeOld.run(beforeMs).changes) >= CHUNK;
      for (const { node } of fullNodes.all(maxOfNode))
        more = Number(removeOldest.run(String(node), maxOfNode).changes) >= CHUNK || more;
      return more;
    },
  };
}

function conditionsOf({ ids, nodes, rules, sinceMs, limit, cursor }: DetectionFilter): {
  readonly conditions: readonly string[];
  readonly values: readonly SQLInputValue[];
} {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new StoreError('badFilter', `limit must be 1 to ${String(MAX_LIMIT)}`);
  const [before = Number.MAX_SAFE_INTEGER] = cursor === undefined ? [] : readCursor(cursor, ['number']);
  const conditions = ['position < ?'];
  const values: SQLInputValue[] = [before];
  for (const [column, wanted] of [
    ['position', ids?.flatMap((id) => positionOfUid(id) ?? [])],
    ['node', nodes],
    ['rule', rules],
  ] as const) {
    if (wanted === undefined) continue;
    conditions.push(`${column} IN (${wanted.map(() => '?').join(', ')})`);
    values.push(...wanted);
  }
  if (sinceMs !== undefined) {
    conditions.push('at >= ?');
    values.push(sinceMs);
  }
  return { conditions, values };
}
