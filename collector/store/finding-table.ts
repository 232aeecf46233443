import type { DatabaseSync } from 'node:sqlite';
import type { ContentRow } from './row.ts';

/** What must be known of a stored finding before it changes. An array: half the price of an object, on a hot path. */
export type Known = readonly [hash: number, rank: number, firstSeenMs: number];

/** A finding as the table holds it. */
export interface FindingRow extends ContentRow {
  readonly hash: number;
}

/** Access to the findings by their key: node, subject, check. */
export interface FindingTable {
  readonly known: (node: number, subject: string, check: string) => Known | undefined;
  /** All of one node by finding id. */
  readonly allKnown: (node: number) => ReadonlyMap<string, Known>;
  readonly read: (node: number, subject: string, check: string) => FindingRow | undefined;
  readonly insert: (node: number, row: FindingRow) => void;
  /** Writes all but the time of the first sight; `previous` is the rank before. */
  readonly update: (node: number, row: FindingRow, previous: number) => void;
  readonly remove: (node: number, subject: string, check: string) => void;
}

/** Prepares the statements. */
export function prepareFindingTable(db: DatabaseSync): FindingTable {
  const key = 'node = ? AND subject = ? AND check_id = ?';
  const selectAll = db.prepare('SELECT check_id, subject, hash, rank, first_seen FROM finding WHERE node = ?');
  const selectKnown = db.prepare(`SELECT hash, rank, first_seen FROM finding WHERE ${key}`);
  const select = db.prepare(
    `SELECT check_id AS "check", subject, rank, hash, first_seen AS firstSeenMs, changed AS changedMs, name, detail
     FROM finding WHERE ${key}`,
  );
  const insert = db.prepare('INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
  // Two statements, because naming an indexed column costs a write to the index even where its value stays.
  const updateContent = db.prepare(`UPDATE finding SET hash = ?, changed = ?, name = ?, detail = ? WHERE ${key}`);
  const updateAll = db.prepare(`UPDATE finding SET rank = ?, hash = ?, changed = ?, name = ?, detail = ? WHERE ${key}`);
  const remove = db.prepare(`DELETE FROM finding WHERE ${key}`);
  for (const statement of [selectAll, selectKnown]) statement.setReturnArrays(true);
  return {
    known: (node, subject, check) => selectKnown.get(node, subject, check) as unknown as Known | undefined,
    allKnown: (node) => {
      const all = new Map<string, Known>();
      for (const row of selectAll.iterate(node)) {
        const [check, subject, ...known] = row as unknown as [string, string, number, number, number];
        all.set(`${check}/${subject}`, known);
      }
      return all;
    },
    read: (node, subject, check) => select.get(node, subject, check) as unknown as FindingRow | undefined,
    insert: (node, { subject, check, rank, hash, firstSeenMs, changedMs, name, detail }) => {
      insert.run(node, subject, check, rank, hash, firstSeenMs, changedMs, name, detail);
    },
    update: (node, { subject, check, rank, hash, changedMs, name, detail }, previous) => {
      if (rank === previous) updateContent.run(hash, changedMs, name, detail, node, subject, check);
      else updateAll.run(rank, hash, changedMs, name, detail, node, subject, check);
    },
    remove: (node, subject, check) => {
      remove.run(node, subject, check);
    },
  };
}
