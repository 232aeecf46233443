import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { readCursor, writeCursor } from './cursor.ts';
import { StoreError } from './error.ts';
import { ofRank } from './rank.ts';
import { eventUid, findingUid, toAction, toStoredFinding, toSubject, uidNumber } from './row.ts';
import type { ContentRow } from './row.ts';
import type { HistoryEntry, HistoryFilter, HistoryPage, HistoryRange, OutboxEvent } from './store.ts';

/** Most entries on one page, most events at a time. */
const MAX_LIMIT = 10_000;

interface Row extends ContentRow {
  readonly position: number;
  readonly atMs: number;
  readonly action: number;
  readonly previous: number | null;
  readonly nodeId: string;
  readonly nodeName: string;
}

const COLUMNS = `event.position, event.at AS atMs, event.action, event.check_id AS "check", event.subject, event.rank,
  event.previous, event.first_seen AS firstSeenMs, event.changed AS changedMs, event.name, event.detail,
  node.id AS nodeId, node.name AS nodeName`;

/** Prepares `Store.outbox`. */
export function prepareOutbox(db: DatabaseSync): (position: number, limit: number) => readonly OutboxEvent[] {
  const storeId = String(db.prepare('SELECT id FROM store').get()?.['id']);
  const select = db.prepare(
    `SELECT ${COLUMNS} FROM event JOIN node ON node.key = event.node
     WHERE event.position > max(?, (SELECT outbox_floor FROM store)) ORDER BY event.position LIMIT ?`,
  );
  return (position, limit) => {
    assertLimit(limit);
    return (select.all(position, limit) as unknown as Row[]).map((row) => toEvent(row, storeId));
  };
}

/** Prepares `Store.history`. It throws StoreError `badFilter` and `badCursor`. */
export function prepareHistory(db: DatabaseSync): (filter: HistoryFilter) => HistoryPage {
  return (filter) => {
    assertLimit(filter.limit);
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    if (filter.cursor !== undefined) {
      conditions.push('event.position < ?');
      values.push(...readCursor(filter.cursor, ['number']));
    }
    if (filter.sinceMs !== undefined) {
      conditions.push('event.at >= ?');
      values.push(filter.sinceMs);
    }
    if (filter.nodes !== undefined) {
      conditions.push(`event.node IN (SELECT key FROM node WHERE id IN (${filter.nodes.map(() => '?').join(', ')}))`);
      values.push(...filter.nodes);
    } else if (filter.findingUid !== undefined) {
      // The index starts with the node: naming all of them makes it usable.
      conditions.push('event.node IN (SELECT key FROM node)');
    }
    if (filter.findingUid !== undefined) {
      conditions.push('event.finding = ?');
      values.push(uidNumber(filter.findingUid) || 0);
    }
    const indexed = filter.nodes === undefined && filter.findingUid === undefined ? '' : 'INDEXED BY event_finding';
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const statement = db.prepare(
      `SELECT ${COLUMNS} FROM event ${indexed} JOIN node ON node.key = event.node ${where}
       ORDER BY event.position DESC LIMIT ?`,
    );
    const rows = statement.all(...values, filter.limit + 1) as unknown as Row[];
    return toPage(rows, filter);
  };
}

/** Prepares `Store.historyRange`: two reads of the ends, whatever lies between them. */
export function prepareHistoryRange(db: DatabaseSync): () => HistoryRange | undefined {
  const oldest = db.prepare('SELECT at FROM event ORDER BY position LIMIT 1');
  const newest = db.prepare('SELECT at FROM event ORDER BY position DESC LIMIT 1');
  return () => {
    const [first, last] = [oldest.get()?.['at'], newest.get()?.['at']];
    return first === undefined || last === undefined ? undefined : { oldestMs: Number(first), newestMs: Number(last) };
  };
}

function assertLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new StoreError('badFilter', `limit must be 1 to ${String(MAX_LIMIT)}`);
}

function toPage(rows: readonly Row[], { limit, findingUid: wanted }: HistoryFilter): HistoryPage {
  // Two findings can share the 52 bits in the index; only the whole uid decides.
  const entries = rows
    .slice(0, limit)
    .map(toEntry)
    .filter((entry) => wanted === undefined || entry.findingUid === wanted);
  const last = rows[limit - 1];
  return rows.length <= limit || last === undefined ? { entries } : { entries, cursor: writeCursor([last.position]) };
}

function toEntry(row: Row): HistoryEntry {
  const subject = toSubject(row);
  return {
    position: row.position,
    atMs: row.atMs,
    action: toAction(row.action),
    nodeId: row.nodeId,
    findingUid: findingUid(row.nodeId, `${row.check}/${row.subject}`),
    check: row.check,
    subjectKind: subject.kind,
    subjectName: subject.name,
    ...ofRank(row.rank),
  };
}

function toEvent(row: Row, storeId: string): OutboxEvent {
  const event = {
    position: row.position,
    uid: eventUid(storeId, row.position, row.atMs),
    action: toAction(row.action),
    atMs: row.atMs,
    finding: toStoredFinding(row, { id: row.nodeId, name: row.nodeName }),
  };
  return row.previous === null ? event : { ...event, previousVerdict: ofRank(row.previous).verdict };
}
