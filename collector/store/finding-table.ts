import type { DatabaseSync } from 'node:sqlite';
import { FINDINGS_OF_SUBJECT, CHECK_OF_FINDING } from './key-table.ts';
import type { ContentRow } from './row.ts';
import type { PackedFinding } from './store.ts';

/** What must be known of a stored finding before it changes. An array: half the price of an object, on a hot path. */
export type Known = readonly [hash: number, statusCode: number, firstSeenMs: number];

/** As {@link Known}, with where it is. */
export type KnownAt = readonly [...Known, key: number];

/** A finding as the table holds it, without the texts of its subject and check. */
export type FindingRow = Omit<ContentRow, 'check' | 'subject'> & { readonly hash: number };

/** Access to the findings by their key (key-table.ts). */
export interface FindingTable {
  readonly known: (key: number) => Known | undefined;
  /** All of one node by finding id. */
  readonly allKnown: (node: number) => ReadonlyMap<string, KnownAt>;
  readonly read: (key: number) => FindingRow | undefined;
  /** Inserts a finding, first seen at `atMs`. */
  readonly insert: (key: number, node: number, finding: PackedFinding, atMs: number) => void;
  /** Updates everything but `firstSeenMs`; `previous` is the status code before. */
  readonly update: (key: number, finding: PackedFinding, changedMs: number, previous: number) => void;
  readonly remove: (key: number) => void;
}

/** Prepares the statements. */
export function prepareFindingTable(db: DatabaseSync): FindingTable {
  const selectAll = db.prepare(
    `SELECT check_name.id, subject.text, finding.hash, finding.status_code, finding.first_seen, finding.key FROM subject
     CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT} CROSS JOIN check_name ON check_name.key = ${CHECK_OF_FINDING}
     WHERE subject.node = ?`,
  );
  const selectKnown = db.prepare('SELECT hash, status_code, first_seen FROM finding WHERE key = ?');
  const select = db.prepare(
    `SELECT status_code AS statusCode, hash, first_seen AS firstSeenMs, changed AS changedMs, name, detail, waiver
     FROM finding WHERE key = ?`,
  );
  const insert = db.prepare('INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
  // Two statements, because naming an indexed column costs a write to the index even where its value stays.
  const updateContent = db.prepare('UPDATE finding SET hash = ?, changed = ?, name = ?, detail = ? WHERE key = ?');
  const updateAll = db.prepare(
    'UPDATE finding SET status_code = ?, hash = ?, changed = ?, name = ?, detail = ?, waiver = ? WHERE key = ?',
  );
  const remove = db.prepare('DELETE FROM finding WHERE key = ?');
  // What writes is called with `get`, which answers nothing: `run` makes an object each time.
  for (const statement of [selectAll, selectKnown]) statement.setReturnArrays(true);
  return {
    known: (key) => selectKnown.get(key) as unknown as Known | undefined,
    allKnown: (node) => {
      const all = new Map<string, KnownAt>();
      for (const row of selectAll.iterate(node)) {
        const [check, subject, ...known] = row as unknown as [string, string, ...KnownAt];
        all.set(`${check}/${subject}`, known);
      }
      return all;
    },
    read: (key) => select.get(key) as unknown as FindingRow | undefined,
    insert: (key, node, { statusCode, hash, name, detail, waiver = null }, atMs) => {
      insert.get(key, node, statusCode, hash, atMs, atMs, name, detail, waiver);
    },
    update: (key, { statusCode, hash, name, detail, waiver = null }, changedMs, previous) => {
      // Without a waiver the code says that there was none before either.
      if (statusCode === previous && waiver === null) updateContent.get(hash, changedMs, name, detail, key);
      else updateAll.get(statusCode, hash, changedMs, name, detail, waiver, key);
    },
    remove: (key) => {
      remove.get(key);
    },
  };
}

/** Prepares `Store.findingBytes`. */
export function prepareFindingBytes(db: DatabaseSync): (nodeId: string) => number {
  const select = db.prepare(
    `SELECT total(octet_length(subject.text) + octet_length(finding.name) + octet_length(finding.detail)) AS bytes
     FROM node CROSS JOIN subject ON subject.node = node.key CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT} WHERE node.id = ?`,
  );
  return (nodeId) => Number(select.get(nodeId)?.['bytes']);
}
