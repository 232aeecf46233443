import type { DatabaseSync } from 'node:sqlite';
import { relaxed } from './connection.ts';

/*
 * How much of the history is each node's. `event_share` has a row for each node and part of 2^20 positions, whose weight
 * is one for each event and one for each 512 characters of its texts, so that few long events weigh as much as many.
 */

/** Bits of a position within a part, and within a group of the index `event_finding` (schema.ts). */
const PART_BITS = 20;
const GROUP_BITS = 14;
const UNIT_LENGTH = 512;
/**
 * Weight that a node may have in the history, some 600 MiB: 50,000 starts of a container, which make 40 events each. What
 * one node adds beyond it displaces its own oldest history, and none of another.
 */
const MAX_NODE_WEIGHT = 2_000_000;
/** Once it is too much, so much less is left: what deletes it then runs seldom. */
const SLACK = 1 / 16;
const CHUNK = 1000;

/** History that was deleted since its node has too much. */
export interface TrimmedHistory {
  readonly nodeId: string;
  readonly events: number;
}

/** Counts what a transaction adds. */
export interface EventShares {
  readonly add: (position: number, node: number, texts: readonly string[]) => void;
  /** Must be called before the transaction ends. */
  readonly finish: () => void;
}

/** Prepares what counts events. The result is for the transaction that is open now. */
export function prepareEventShares(db: DatabaseSync): () => EventShares {
  const upsert = db.prepare(
    `INSERT INTO event_share VALUES (?, ?, ?)
     ON CONFLICT (part, node) DO UPDATE SET weight = weight + excluded.weight`,
  );
  return () => {
    const parts = new Map<number, Map<number, number>>();
    return {
      add: (position, node, texts) => {
        const part = Math.floor(position / 2 ** PART_BITS);
        const nodes = parts.get(part) ?? new Map<number, number>();
        parts.set(part, nodes);
        nodes.set(node, (nodes.get(node) ?? 0) + weightOf(texts));
      },
      finish: () => {
        for (const [part, nodes] of parts) for (const [node, weight] of nodes) upsert.run(part, node, weight);
      },
    };
  };
}

function weightOf(texts: readonly string[]): number {
  let length = 0;
  for (const text of texts) length += text.length;
  return 1 + Math.floor(length / UNIT_LENGTH);
}

/**
 * Prepares the deletion of history beyond what nodes may have, oldest first. What is in the outbox stays. Commits get
 * their turn in between. `maxWeight` is for tests.
 */
export function prepareTrimHistory(
  db: DatabaseSync,
  maxWeight = MAX_NODE_WEIGHT,
): { readonly trim: () => Promise<readonly TrimmedHistory[]>; readonly forget: (firstKept: number) => void } {
  const selectFull = db.prepare(
    `SELECT node.key, node.id, full.weight FROM (
       SELECT node, sum(weight) AS weight FROM event_share GROUP BY node HAVING sum(weight) > ?) AS full
     JOIN node ON node.key = full.node`,
  );
  const selectParts = db.prepare('SELECT part FROM event_share WHERE node = ? ORDER BY part');
  const remove = db.prepare(
    `DELETE FROM event WHERE position IN (
       SELECT position FROM event INDEXED BY event_finding WHERE position >> ${String(GROUP_BITS)} = ? AND node = ?
         AND position <= (SELECT outbox_floor FROM store) ORDER BY position LIMIT ${String(CHUNK)}) RETURNING check_id, subject, name`,
  );
  const reduce = db.prepare('UPDATE event_share SET weight = max(0, weight - ?) WHERE part = ? AND node = ?');
  const removeEmpty = db.prepare(
    `DELETE FROM event_share WHERE part = ? AND node = ? AND part < (SELECT outbox_floor FROM store) >> ${String(PART_BITS)}`,
  );
  const forget = db.prepare('DELETE FROM event_share WHERE part < ?');
  const groups = 2 ** (PART_BITS - GROUP_BITS);
  /** Deletes up to `excess` of one part. Returns what was deleted. */
  const trimPart = async (node: number, part: number, excess: number): Promise<{ weight: number; events: number }> => {
    const removed = { weight: 0, events: 0 };
    for (let group = part * groups; group < (part + 1) * groups && removed.weight < excess;) {
      const rows = relaxed(db, () => {
        const gone = remove.all(group, node);
        let weight = 0;
        for (const row of gone)
          weight += weightOf([String(row['check_id']), String(row['subject']), String(row['name'])]);
        if (gone.length > 0) reduce.run(weight, part, node);
        removed.weight += weight;
        return gone.length;
      });
      removed.events += rows;
      if (rows < CHUNK) group += 1;
      if (rows === 0) continue;
      await new Promise(setImmediate);
      if (!db.isOpen) return removed;
    }
    if (removed.weight < excess) removeEmpty.run(part, node);
    return removed;
  };
  return {
    trim: async () => {
      const trimmed: TrimmedHistory[] = [];
      for (const full of selectFull.all(maxWeight)) {
        const node = Number(full['key']);
        let excess = Number(full['weight']) - Math.floor(maxWeight * (1 - SLACK));
        let events = 0;
        for (const { part } of selectParts.all(node)) {
          if (excess <= 0) break;
          const removed = await trimPart(node, Number(part), excess);
          if (!db.isOpen) return trimmed;
          excess -= removed.weight;
          events += removed.events;
        }
        if (events > 0) trimmed.push({ nodeId: String(full['id']), events });
      }
      return trimmed;
    },
    forget: (firstKept) => void forget.run(Math.floor(firstKept / 2 ** PART_BITS)),
  };
}
