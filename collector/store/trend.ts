import type { DatabaseSync } from 'node:sqlite';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { StoreError } from './error.ts';
import { fromStatusCode, statusCodesOf } from './status-code.ts';
import type { Trend, TrendPoint } from './store.ts';
import type { FindingAction } from './stored-event.ts';

/*
 * How many findings failed or were unknown at a moment of the past: what there is now, less what came to it since. What
 * came is kept by the minute in the table `trend`, beside the events and in the same transaction, so that an answer
 * costs as much as there are minutes with changes, and not as many events: a fleet has a million of those.
 */

const MINUTE_MS = 60_000;
/** Most moments in one answer. */
const MAX_MOMENTS = 500;
/** Minutes deleted in one step. */
const PRUNE_CHUNK = 5_000;

/** The columns of the table, and the counts in this order everywhere here: failures by severity, then unknown. */
const COLUMNS = Object.freeze([...SEVERITIES, 'unknown']);

/** By status code; a code beyond the end is not counted. */
const COLUMN_OF_CODE: readonly number[] = Object.freeze([
  ...statusCodesOf(['fail'], undefined, false).map((statusCode) =>
    SEVERITIES.indexOf(fromStatusCode(statusCode).severity),
  ),
  ...statusCodesOf(['unknown'], undefined, false).map(() => SEVERITIES.length),
]);

type Counts = number[];

/** Gathers what one transaction changes, by minute. */
export interface TrendWriter {
  /** A finding went from one status code to another; `previous` undefined: it is new; action `resolved`: it is not open now. */
  readonly note: (atMs: number, action: FindingAction, previous: number | undefined, statusCode: number) => void;
  /** Must be called before the transaction ends. */
  readonly finish: () => void;
}

/** Prepares what writes. The result opens a writer for the transaction that is open now. */
export function prepareTrendWriter(db: DatabaseSync): () => TrendWriter {
  const add = db.prepare(
    `INSERT INTO trend (minute, ${COLUMNS.join(', ')}) VALUES (?, ${COLUMNS.map(() => '?').join(', ')})
     ON CONFLICT (minute) DO UPDATE SET ${COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
  );
  return () => {
    const minutes = new Map<number, Counts>();
    return {
      note: (atMs, action, previous, statusCode) => {
        const [from, to] = [columnOf(previous), action === 'resolved' ? undefined : columnOf(statusCode)];
        if (from === to) return;
        const minute = Math.floor(atMs / MINUTE_MS);
        const counts = minutes.get(minute) ?? zeros();
        minutes.set(minute, counts);
        if (from !== undefined) counts[from] = (counts[from] ?? 0) - 1;
        if (to !== undefined) counts[to] = (counts[to] ?? 0) + 1;
      },
      finish: () => {
        for (const [minute, counts] of minutes) if (counts.some((count) => count !== 0)) add.run(minute, ...counts);
      },
    };
  };
}

/** Prepares `Store.trend`. It throws StoreError `badFilter`. */
export function prepareTrend(db: DatabaseSync): (momentsMs: readonly number[]) => Trend {
  const selectNow = db.prepare(
    `SELECT status_code AS statusCode, count(*) AS count FROM finding INDEXED BY finding_status
     WHERE status_code < ${String(COLUMN_OF_CODE.length)} GROUP BY status_code`,
  );
  const sums = COLUMNS.map((name) => `coalesce(sum(${name}), 0)`).join(', ');
  const selectSum = db.prepare(`SELECT ${sums} FROM trend WHERE minute >= ? AND minute < ?`);
  selectSum.setReturnArrays(true);
  const selectKnown = db.prepare(
    `SELECT CASE WHEN trend_floor > 0 THEN trend_floor ELSE coalesce((SELECT min(minute) FROM trend), 0) END AS minute
     FROM store`,
  );
  return (momentsMs) => {
    assertMoments(momentsMs);
    const counts = zeros();
    for (const { statusCode, count } of selectNow.all() as unknown as { statusCode: number; count: number }[]) {
      const column = columnOf(statusCode);
      if (column !== undefined) counts[column] = (counts[column] ?? 0) + count;
    }
    // From now back into the past.
    let before = Number.MAX_SAFE_INTEGER;
    const points: TrendPoint[] = [];
    for (const atMs of momentsMs.toReversed()) {
      const minute = Math.ceil(atMs / MINUTE_MS);
      const since = selectSum.get(minute, before) as unknown as readonly number[];
      for (const [column, sum] of since.entries()) counts[column] = (counts[column] ?? 0) - sum;
      before = minute;
      points.push(toPoint(atMs, counts));
    }
    return { knownFromMs: Number(selectKnown.get()?.['minute']) * MINUTE_MS, points: points.toReversed() };
  };
}

/** Prepares what forgets minutes before a moment, a chunk at a time; the result answers whether some are left. */
export function prepareTrendPrune(db: DatabaseSync): (beforeMs: number) => boolean {
  const raiseFloor = db.prepare(
    'UPDATE store SET trend_floor = max(trend_floor, ?1) WHERE EXISTS (SELECT 1 FROM trend WHERE minute < ?1)',
  );
  const remove = db.prepare(
    'DELETE FROM trend WHERE minute IN (SELECT minute FROM trend WHERE minute < ? ORDER BY minute LIMIT ?)',
  );
  return (beforeMs) => {
    const minute = Math.floor(beforeMs / MINUTE_MS);
    if (minute <= 0) return false;
    raiseFloor.run(minute);
    return Number(remove.run(minute, PRUNE_CHUNK).changes) === PRUNE_CHUNK;
  };
}

/** The column that counts a status code; undefined for what passes, is waived, does not apply, or is for a person to judge. */
function columnOf(statusCode: number | undefined): number | undefined {
  return statusCode === undefined ? undefined : COLUMN_OF_CODE[statusCode];
}

function zeros(): Counts {
  return COLUMNS.map(() => 0);
}

function toPoint(atMs: number, counts: readonly number[]): TrendPoint {
  // A node whose clock was set back can resolve before it opened: no count is below nothing.
  const count = (column: number): number => Math.max(0, counts[column] ?? 0);
  const failures = Object.fromEntries(SEVERITIES.map((severity, column) => [severity, count(column)]));
  return { atMs, failures: failures as Record<Severity, number>, unknown: count(SEVERITIES.length) };
}

function assertMoments(momentsMs: readonly number[]): void {
  const ascending = momentsMs.every((atMs, index) => Number.isSafeInteger(atMs) && atMs >= (momentsMs[index - 1] ?? 0));
  if (!ascending || momentsMs.length > MAX_MOMENTS)
    throw new StoreError('badFilter', `moments must be up to ${String(MAX_MOMENTS)} times, ascending`);
}
