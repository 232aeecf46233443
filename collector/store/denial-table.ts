import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { parsed } from './package-row.ts';
import { eventUid } from './row.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { StoreError } from './error.ts';
import type { DenialBatch, DenialFilter, DenialPage, RecordedDenials } from './store.ts';
import type { DenialEvent } from './stored-event.ts';

/** Requests that violated a policy. They are events of the outbox, and stay for as long as history or the bound allow. */
export interface DenialTable {
  /** Must be called within a transaction. */
  readonly write: (batch: DenialBatch) => RecordedDenials;
  /** Those after `position` that the outbox still holds, oldest first. */
  readonly read: (position: number, limit: number) => readonly DenialEvent[];
  readonly list: (filter: DenialFilter) => DenialPage;
  /** Deletes some that have left the outbox and are too old or too many. Returns whether there may be more. */
  readonly prune: (receivedBeforeMs: number) => boolean;
}

/** Denials that are kept of one source: one that floods the collector displaces none of another. */
const MAX_OF_SOURCE = 10_000;
const CHUNK = 500;
const MAX_LIMIT = 1_000;

interface Row {
  readonly position: number;
  readonly at: number;
  readonly received: number;
  readonly source: string;
  readonly reporter: string;
  readonly content: string;
}

const COLUMNS = 'position, at, received, source, reporter, content';

/** Prepares the statements. `maxOfSource` is for tests. */
export function prepareDenialTable(db: DatabaseSync, maxOfSource = MAX_OF_SOURCE): DenialTable {
  const selectStore = db.prepare('SELECT id, position, outbox_floor AS floor FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare(
    `INSERT INTO denial (position, at, received, source, reporter, id, program, outcome, namespace, content)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING`,
  );
  const waiting = db.prepare('SELECT count(*) AS count FROM denial WHERE source = ? AND position > ?');
  const select = db.prepare(
    `SELECT ${COLUMNS} FROM denial
     WHERE position > max(?, (SELECT outbox_floor FROM store)) ORDER BY position LIMIT ?`,
  );
  const removeOld = db.prepare(
    `DELETE FROM denial WHERE position IN
     (SELECT position FROM denial WHERE received < ? AND position <= (SELECT outbox_floor FROM store) LIMIT ${String(CHUNK)})`,
  );
  const fullSources = db.prepare('SELECT source FROM denial GROUP BY source HAVING count(*) > ?');
  const removeOldest = db.prepare(
    `DELETE FROM denial WHERE position IN
     (SELECT position FROM denial WHERE source = ?1 AND position <= (SELECT outbox_floor FROM store)
      ORDER BY position LIMIT max(0, min(${String(CHUNK)}, (SELECT count(*) FROM denial WHERE source = ?1) - ?2)))`,
  );
  const storeRow = () =>
    selectStore.get() as unknown as { readonly id: string; readonly position: number; readonly floor: number };
  const toEvent = ({ content, at: _at, received: receivedMs, ...row }: Row, storeId: string): DenialEvent => {
    const denial = parsed(content) as DenialEvent['denial'];
    // The time of the event is that of the collector: a reporter must not choose it.
    return { ...row, atMs: receivedMs, uid: eventUid(storeId, row.position, receivedMs), denial };
  };
  return {
    write: ({ source, reporter, receivedMs, denials }) => {
      const { position: before, floor } = storeRow();
      const room = maxOfSource - Number(waiting.get(source, floor)?.['count']);
      if (denials.length > room) return { outcome: 'full' };
      let position = before;
      for (const denial of denials) {
        const { id, atMs, program, outcome, namespace } = denial;
        const content = JSON.stringify(denial);
        // prettier-ignore
        const { changes } = insert.run(position + 1, atMs, receivedMs, source, reporter, id, program, outcome, namespace, content);
        position += Number(changes);
      }
      if (position > before) updateStore.run(position);
      return { outcome: 'stored', stored: position - before, newest: position };
    },
    read: (position, limit) => {
      const { id } = storeRow();
      return (select.all(position, limit) as unknown as readonly Row[]).map((row) => toEvent(row, id));
    },
    list: (filter) => {
      const { conditions, values } = conditionsOf(filter);
      const statement = db.prepare(
        `SELECT ${COLUMNS} FROM denial WHERE ${conditions.join(' AND ')} ORDER BY position DESC LIMIT ?`,
      );
      const rows = statement.all(...values, filter.limit + 1) as unknown as readonly Row[];
      const { id } = storeRow();
      const denials = rows.slice(0, filter.limit).map((row) => toEvent(row, id));
      const last = denials.at(-1);
      return rows.length <= filter.limit || last === undefined
        ? { denials }
        : { denials, cursor: writeCursor([last.position]) };
    },
    prune: (receivedBeforeMs) => {
      let more = Number(removeOld.run(receivedBeforeMs).changes) >= CHUNK;
      for (const { source } of fullSources.all(maxOfSource))
        more = Number(removeOldest.run(String(source), maxOfSource).changes) >= CHUNK || more;
      return more;
    },
  };
}

function conditionsOf({ ids, programs, outcomes, namespace, sinceMs, limit, cursor }: DenialFilter): {
  readonly conditions: readonly string[];
  readonly values: readonly SQLInputValue[];
} {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new StoreError('badFilter', `limit must be 1 to ${String(MAX_LIMIT)}`);
  const [before = Number.MAX_SAFE_INTEGER] = cursor === undefined ? [] : readCursor(cursor, ['number']);
  const conditions = ['position < ?'];
  const values: SQLInputValue[] = [before];
  const oneOf = (column: string, wanted: readonly string[] | undefined): void => {
    if (wanted === undefined) return;
    conditions.push(`${column} IN (${wanted.map(() => '?').join(', ')})`);
    values.push(...wanted);
  };
  oneOf('id', ids);
  oneOf('program', programs);
  oneOf('outcome', outcomes);
  oneOf('namespace', namespace === undefined ? undefined : [namespace]);
  if (sinceMs !== undefined) {
    conditions.push('received >= ?');
    values.push(sinceMs);
  }
  return { conditions, values };
}
