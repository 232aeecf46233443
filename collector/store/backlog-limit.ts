import type { DatabaseSync } from 'node:sqlite';
import type { BacklogCounter } from './backlog.ts';
import { relaxed } from './connection.ts';
import { nodeSource, sourceOf, unitsOf } from './event-source.ts';
import { addShare } from './retained-event-table.ts';
import type { RetainedEventTable, Shares } from './retained-event-table.ts';
import type { StoredEvent } from './stored-event.ts';

/** Events that a sink will not get. */
export interface DroppedEvents {
  readonly events: number;
  /** How many of each source (event-source.ts). */
  readonly bySource: ReadonlyMap<string, number>;
}

/** What limits the backlog of a sink. */
export interface BacklogLimitParts {
  readonly backlogs: BacklogCounter;
  readonly retained: RetainedEventTable;
  /** The next events for a sink after a position. */
  readonly read: (position: number, limit: number, sink: string) => readonly StoredEvent[];
}

/** Once there are too many, so much less than the limit is left: what counts all shares then runs seldom. */
const SLACK = 1 / 16;
/** Events in one transaction, under 10 ms. */
const PAGE = 500;
/** Events by source (`sourceOf` in event-source.ts) of the tables beside `event`. */
const COUNTS = Object.freeze([
  `SELECT 'node/' || node AS source, count(*) AS events FROM detection WHERE position > ? GROUP BY node`,
  `SELECT coalesce('node/' || (content ->> '$.nodeId'), 'activity') AS source, count(*) AS events
     FROM activity WHERE position > ? GROUP BY source`,
  ...['refusal', 'vulnerability_event', 'denial', 'remediation'].map(
    (table) => `SELECT '${table}' AS source, count(*) AS events FROM ${table} WHERE position > ?`,
  ),
]);
/** Events in one part of the index `event_finding`; see schema.ts. */
const PART_EVENTS = 16_384;

/**
 * Prepares `Store.dropOldest`. The sources with the largest shares lose their oldest events, until all have the same or
 * fewer: a source never loses an event while it has less than an equal share of the limit. Commits get their turn in
 * between. Resolves to undefined where nothing was dropped.
 */
export function prepareBacklogLimit(
  db: DatabaseSync,
  { backlogs, retained, read }: BacklogLimitParts,
): (sink: string, limit: number) => Promise<DroppedEvents | undefined> {
  const selectNext = db.prepare('SELECT position FROM event WHERE position > ? ORDER BY position LIMIT 1');
  const countPart = db.prepare(
    `SELECT node.id, counted.events FROM (
       SELECT node, count(*) AS events FROM event INDEXED BY event_finding
       WHERE position >> 14 = ? AND position > ? GROUP BY node) AS counted JOIN node ON node.key = counted.node`,
  );
  const countLarge = db.prepare(
    `SELECT node.id, sum(CAST(event.detail AS INTEGER) - 1) AS units FROM event INDEXED BY event_large
     JOIN node ON node.key = event.node
     WHERE event.position > ? AND event.detail > '' AND event.detail < ':' GROUP BY event.node`,
  );
  const counts = COUNTS.map((sql) => db.prepare(sql));
  /** Without those of small events: they are counted by position. */
  const extraUnits = (position: number): Shares =>
    new Map(countLarge.all(position).map((row) => [nodeSource(String(row['id'])), Number(row['units'])]));
  const unitsThatWait = (sink: string): number => {
    const { events, position, outboxFrom } = backlogs.of(sink);
    const { count, shares } = retained.of(sink, position);
    return events - count + sum(shares) + sum(extraUnits(outboxFrom));
  };
  /** Undefined: the store was closed meanwhile. */
  const countShares = async (sink: string): Promise<Shares | undefined> => {
    const { position, outboxFrom } = backlogs.of(sink);
    const { shares } = retained.of(sink, position);
    for (let next = selectNext.get(outboxFrom); next !== undefined;) {
      const part = Math.floor(Number(next['position']) / PART_EVENTS);
      for (const row of countPart.all(part, outboxFrom))
        addShare(shares, nodeSource(String(row['id'])), Number(row['events']));
      await new Promise(setImmediate);
      if (!db.isOpen) return undefined;
      next = selectNext.get((part + 1) * PART_EVENTS - 1);
    }
    for (const [source, units] of extraUnits(outboxFrom)) addShare(shares, source, units);
    for (const count of counts)
      for (const row of count.all(outboxFrom)) addShare(shares, String(row['source']), Number(row['events']));
    return shares;
  };
  /** Drops what `excess` says, in the retained events and then in the outbox. `onDropped`: what one transaction dropped. */
  const dropOldest = async (
    sink: string,
    { excess, target }: { readonly excess: Map<string, number>; readonly target: number },
    onDropped: (shares: Shares) => void,
  ): Promise<void> => {
    const inTransaction = (work: (isDropped: (event: StoredEvent) => boolean) => void): void => {
      const dropped: Shares = new Map();
      relaxed(db, () =>
        work((event) => {
          const source = sourceOf(event);
          const left = excess.get(source);
          if (left === undefined) return false;
          const units = unitsOf(event);
          if (left > units) excess.set(source, left - units);
          else excess.delete(source);
          addShare(dropped, source, 1);
          return true;
        }),
      );
      onDropped(dropped);
    };
    inTransaction((isDropped) =>
      retained.remove({ sink, position: backlogs.of(sink).position, sources: () => [...excess.keys()], isDropped }),
    );
    // Delivery can have made room meanwhile.
    while (excess.size > 0 && db.isOpen && unitsThatWait(sink) > target) {
      const page = read(backlogs.of(sink).outboxFrom, PAGE, sink);
      const last = page.at(-1);
      if (last === undefined) return;
      inTransaction((isDropped) => {
        const kept: StoredEvent[] = [];
        let end = last.position;
        for (const event of page) {
          // A dead letter that is replayed stays in its own table.
          if (event.isReplay !== true && !isDropped(event)) kept.push(event);
          if (excess.size > 0) continue;
          end = event.position;
          break;
        }
        retained.add(sink, kept, end);
      });
      await new Promise(setImmediate);
    }
  };
  return async (sink, limit) => {
    const bySource: Shares = relaxed(db, () => retained.removeDamaged(sink));
    const onDropped = (shares: Shares): void => {
      for (const [source, events] of shares) addShare(bySource, source, events);
    };
    try {
      if (unitsThatWait(sink) > limit) {
        const target = limit - Math.floor(limit * SLACK);
        const shares = await countShares(sink);
        if (shares !== undefined) await dropOldest(sink, { excess: excessOf(shares, target), target }, onDropped);
      }
    } catch (error) {
      // What was dropped before must be counted; the next attempt meets the error again.
      if (bySource.size === 0) throw error;
    }
    return bySource.size === 0 ? undefined : { events: sum(bySource), bySource };
  };
}

/** How much each source has above the level at which all together fit into `target`. */
function excessOf(shares: Shares, target: number): Map<string, number> {
  let [room, sources] = [target, shares.size];
  let level = Infinity;
  for (const units of [...shares.values()].sort((one, other) => one - other)) {
    if (units * sources > room) {
      level = Math.floor(room / sources);
      break;
    }
    room -= units;
    sources -= 1;
  }
  return new Map([...shares].filter(([, units]) => units > level).map(([source, units]) => [source, units - level]));
}

function sum(shares: Shares): number {
  let total = 0;
  for (const units of shares.values()) total += units;
  return total;
}
