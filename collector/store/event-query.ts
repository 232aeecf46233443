import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { StoreError } from './error.ts';
import { prepareEventDetails } from './event-detail-table.ts';
import { toOutboxEvent } from './event-writer.ts';
import { fromStatusCode } from './status-code.ts';
import { findingUid, isDetail, toAction, toSubject, toWaiver, uidNumber } from './row.ts';
import type { ContentRow } from './row.ts';
import type { HistoryEntry, HistoryFilter, HistoryPage, HistoryRange } from './store.ts';
import type { OutboxEvent } from './stored-event.ts';

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

const COLUMNS = `event.position, event.at AS atMs, event.action, event.check_id AS "check", event.subject,
  event.status_code AS statusCode, event.previous, event.first_seen AS firstSeenMs, event.changed AS changedMs, event.name, event.detail, event.waiver,
  node.id AS nodeId, node.name AS nodeName`;

/** A row as an array, in the order of COLUMNS. */
type Values = readonly [
  position: number,
  atMs: number,
  action: number,
  check: string,
  subject: string,
  statusCode: number,
  previous: number | null,
  firstSeenMs: number,
  changedMs: number,
  name: string,
  detail: string,
  waiver: string | null,
  nodeId: string,
  nodeName: string,
];

/**
 * Characters of details in one answer, which exceeds them by one detail at most. A node decides how long a finding is, up
 * to a message of 1 MiB: 500 of those, for each sink, are more memory than a collector has.
 */
const MAX_DETAIL_LENGTH = 4 * 1024 * 1024;

/** Changes of findings in the outbox, oldest first. */
export interface OutboxPage {
  readonly events: readonly OutboxEvent[];
  /** No further change has a position up to this one. Infinite: the limit of characters was not reached. */
  readonly end: number;
}

/** Prepares what `Store.outbox` returns of findings. */
export function prepareOutbox(db: DatabaseSync): (position: number, limit: number) => OutboxPage {
  const storeId = String(db.prepare('SELECT id FROM store').get()?.['id']);
  const select = db.prepare(
    `SELECT ${COLUMNS} FROM event JOIN node ON node.key = event.node
     WHERE event.position > max(?, (SELECT outbox_floor FROM store)) ORDER BY event.position LIMIT ?`,
  );
  // Objects of node:sqlite are dictionaries: slow to make and slow to read.
  select.setReturnArrays(true);
  const readDetails = prepareEventDetails(db);
  return (position, limit) => {
    assertLimit(limit);
    const rows = select.all(position, limit) as unknown as Values[];
    const [first = 0] = rows[0] ?? [];
    const [last = -1] = rows.at(-1) ?? [];
    const { byPosition, end } = readDetails(first, last, MAX_DETAIL_LENGTH);
    const isWhole = end === last;
    const read = isWhole ? rows : rows.filter(([of]) => of <= end);
    return { events: read.map((values) => toEvent(values, byPosition, storeId)), end: isWhole ? Infinity : end };
  };
}

/** Events in one part of the index `event_finding`, which begins with the part; see schema.ts. */
const PART_EVENTS = 16_384;

/** Prepares `Store.history`. It throws StoreError `badFilter` and `badCursor`. */
export function prepareHistory(db: DatabaseSync): (filter: HistoryFilter) => HistoryPage {
  const selectNewestBefore = db.prepare('SELECT max(position) AS position FROM event WHERE position < ?');
  return (filter) => {
    assertLimit(filter.limit);
    if (filter.subject !== undefined && filter.nodes === undefined)
      throw new StoreError('badFilter', 'the history of a subject needs its node');
    const indexed = filter.nodes !== undefined || filter.findingUid !== undefined;
    const { conditions, values } = conditionsOf(filter);
    const [before = Number.MAX_SAFE_INTEGER] = filter.cursor === undefined ? [] : readCursor(filter.cursor, ['number']);
    const statement = db.prepare(
      `SELECT ${COLUMNS} FROM event ${indexed ? 'INDEXED BY event_finding' : ''} JOIN node ON node.key = event.node
       WHERE event.position < ? ${conditions.map((condition) => `AND ${condition}`).join(' ')}
       ORDER BY event.position DESC LIMIT ?`,
    );
    if (!indexed) return toPage(statement.all(before, ...values, filter.limit + 1) as unknown as Row[], filter);
    const newestBefore = (position: number): number | undefined => {
      const newest = selectNewestBefore.get(position)?.['position'];
      return typeof newest === 'number' ? newest : undefined;
    };
    const rows: Row[] = [];
    // Part by part, the newest first, until the page is full. Positions can have jumped over many parts.
    for (let position = newestBefore(Number(before)); position !== undefined && rows.length <= filter.limit;) {
      const part = Math.floor(position / PART_EVENTS);
      rows.push(...(statement.all(before, part, ...values, filter.limit + 1 - rows.length) as unknown as Row[]));
      position = newestBefore(part * PART_EVENTS);
    }
    return toPage(rows, filter);
  };
}

/** The conditions of a filter but its cursor, in the order of the index; the value of the part comes first. */
function conditionsOf({ nodes, findingUid, subject, sinceMs }: HistoryFilter): {
  readonly conditions: readonly string[];
  readonly values: readonly SQLInputValue[];
} {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  if (nodes !== undefined || findingUid !== undefined) {
    conditions.push('event.position >> 14 = ?');
    // The index has the node before the finding: naming all of them makes it usable.
    const wanted = nodes === undefined ? '' : `WHERE id IN (${nodes.map(() => '?').join(', ')})`;
    conditions.push(`event.node IN (SELECT key FROM node ${wanted})`);
    values.push(...(nodes ?? []));
  }
  if (findingUid !== undefined) {
    conditions.push('event.finding = ?');
    values.push(uidNumber(findingUid) || 0);
  }
  if (subject !== undefined) {
    const texts = SUBJECT_KINDS.map((kind) => `${kind}/${subject}`);
    conditions.push(`(event.name = ? OR event.subject IN (${texts.map(() => '?').join(', ')}))`);
    values.push(subject, ...texts);
  }
  if (sinceMs !== undefined) {
    conditions.push('event.at >= ?');
    values.push(sinceMs);
  }
  return { conditions, values };
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
    ...toAction(row.action),
    nodeId: row.nodeId,
    findingUid: findingUid(row.nodeId, `${row.check}/${row.subject}`),
    check: row.check,
    subjectKind: subject.kind,
    subjectName: subject.name,
    ...fromStatusCode(row.statusCode),
    ...(typeof row.waiver === 'string' && { waiver: toWaiver(row.waiver) }),
  };
}

function toEvent(values: Values, details: ReadonlyMap<number, string>, storeId: string): OutboxEvent {
  const [
    position,
    atMs,
    stored,
    check,
    subject,
    statusCode,
    before,
    firstSeenMs,
    changedMs,
    name,
    ownDetail,
    waiver,
    id,
    nodeName,
  ] = values;
  const { action, cause } = toAction(stored);
  const previous = before ?? undefined;
  // Events of earlier versions have theirs with them.
  const detail = ownDetail.startsWith('[') ? ownDetail : (details.get(position) ?? '');
  const change = {
    action,
    cause,
    atMs,
    previous,
    check,
    subject,
    statusCode,
    firstSeenMs,
    changedMs,
    name,
    detail,
    waiver,
  };
  const node = { id, name: nodeName };
  try {
    return toOutboxEvent(change, node, storeId, position);
  } catch (error) {
    if (isDetail(detail)) throw error;
    const event = toOutboxEvent({ ...change, detail: lostDetail(check) }, node, storeId, position);
    return { ...event, isIncomplete: true };
  }
}

/** Title and reason of an event whose own are damaged: what else it says still holds. */
function lostDetail(check: string): string {
  return JSON.stringify([check, 'title and evidence were lost: the store of the collector is damaged']);
}
