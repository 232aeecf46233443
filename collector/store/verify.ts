import type { DatabaseSync } from 'node:sqlite';
import { COLLECTOR_CHECK_IDS } from '../../posture/check/registry.ts';
import { transaction } from './connection.ts';
import { StoreError } from './error.ts';
import { CHECK_OF_FINDING, FINDINGS_OF_SUBJECT } from './key-table.ts';
import { fromStatusCode, isWaivedStatus, reportedStatus, statusCodesOf } from './status-code.ts';
import { detailParts, hashOf, toSubject, toWaiver } from './row.ts';
import type { Verification } from './store.ts';

/** Subjects that are read at a time: some thousand findings, about 10 ms; commits get their turn in between. */
const PAGE = 100;

/** A finding with the text of its subject as the table and as the index of `subject` has it. */
interface Row {
  readonly key: number;
  readonly node: number;
  readonly check: string | null;
  readonly subject: string;
  readonly indexed: string;
  readonly statusCode: number;
  readonly hash: number;
  readonly name: string;
  readonly detail: string;
  readonly waiver: string | null;
}

/** What the rows that a node reported add up to; `all` also counts those of the collector. Sums of halves: a sum of hashes of 53 bits would not fit 64. */
interface Sums {
  readonly all: number;
  readonly findings: number;
  readonly high: number;
  readonly low: number;
}

/** SQL condition: the node reported the finding. */
const REPORTED = `${CHECK_OF_FINDING} NOT IN
  (SELECT key FROM check_name WHERE id IN (${[...COLLECTOR_CHECK_IDS].map((id) => `'${id}'`).join(', ')}))`;
const LOW_BITS = 26;
const MODULUS = 2n ** 53n;
/** No content has it, or one in 2^53: what is sent again differs from it. */
const NO_HASH = 0;

/** Prepares `Store.verify`. It throws StoreError `damaged` where tables and indexes do not fit each other. */
export function prepareVerify(db: DatabaseSync): (nodeId: string) => Promise<Verification | undefined> {
  const selectNode = db.prepare('SELECT key, digest, findings FROM node WHERE id = ?');
  // The index alone could answer: the table is joined, so that both are read.
  // By the bytes of the text: damaged ones are no UTF-8, and would not come back as they are.
  const selectPage = db.prepare(
    `SELECT finding.key, finding.node, check_name.id AS "check", subject.text AS subject, entry.text AS indexed,
       status_code AS statusCode, iif(hash BETWEEN 0 AND ${String(Number.MAX_SAFE_INTEGER)}, hash, -1) AS hash, name, detail, waiver
     FROM (SELECT key, text FROM subject WHERE node = ?1 AND text > CAST(?2 AS TEXT) ORDER BY text LIMIT ?3) AS entry
     CROSS JOIN subject ON subject.key = entry.key CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT}
     LEFT JOIN check_name ON check_name.key = ${CHECK_OF_FINDING}`,
  );
  const selectEnd = db.prepare(
    `SELECT CAST(max(text) AS BLOB) AS text, count(*) AS count
     FROM (SELECT text FROM subject WHERE node = ? AND text > CAST(? AS TEXT) ORDER BY text LIMIT ?)`,
  );
  const selectSums = db.prepare(
    `SELECT count(*) AS "all", count(*) FILTER (WHERE ${REPORTED}) AS findings,
       total(hash >> ${String(LOW_BITS)}) FILTER (WHERE ${REPORTED}) AS high,
       total(hash & ${String(2 ** LOW_BITS - 1)}) FILTER (WHERE ${REPORTED}) AS low
     FROM subject CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT} WHERE subject.node = ?`,
  );
  const codes = statusCodesOf().join(', ');
  const countIndexed = db.prepare(
    `SELECT count(*) AS count FROM finding INDEXED BY finding_status WHERE status_code IN (${codes}) AND node = ?`,
  );
  const mark = db.prepare('UPDATE finding SET hash = ?, status_code = ?, detail = ?, waiver = NULL WHERE key = ?');
  const reset = db.prepare(`UPDATE node SET epoch = '', sequence = 0, digest = ?, findings = ? WHERE key = ?`);
  const sumsOf = (node: number): Sums => selectSums.get(node) as unknown as Sums;

  /** Marks what is wrong among these. Synchronous: nothing comes in between. */
  const verifyPage = (node: number, rows: readonly Row[]): number => {
    if (rows.some((row) => row.node !== node || row.subject !== row.indexed)) throw misfit();
    const wrong = rows.filter((row) => row.hash !== NO_HASH && !isSound(row));
    if (wrong.length > 0)
      transaction(db, () => {
        for (const { key, statusCode, detail, subject } of wrong)
          mark.run(NO_HASH, soundStatusCode(statusCode), soundDetail(detail, subject), key);
      });
    return wrong.length;
  };
  return async (nodeId) => {
    const key = selectNode.get(nodeId)?.['key'];
    if (typeof key !== 'number') return undefined;
    let after: Uint8Array = new Uint8Array();
    let wrong = 0;
    for (;;) {
      if (!db.isOpen) return undefined;
      const rows = selectPage.all(key, after, PAGE) as unknown as Row[];
      wrong += verifyPage(key, rows);
      const { text, count } = selectEnd.get(key, after, PAGE) as { text: Uint8Array | null; count: number };
      if (text === null || count < PAGE) break;
      after = text;
      await new Promise(setImmediate);
    }
    return transaction(db, () => {
      const node = selectNode.get(nodeId) as { key: number; digest: number; findings: number } | undefined;
      if (node === undefined) return undefined;
      const sums = sumsOf(key);
      if (Number(countIndexed.get(key)?.['count']) !== sums.all) throw misfit();
      const digest = digestOfSums(sums);
      if (wrong === 0 && digest === node.digest && sums.findings === node.findings) return 'sound';
      reset.run(digest, sums.findings, key);
      return 'repaired';
    });
  };
}

/** Does a row hold what its hash was made of? */
function isSound({ check, subject, statusCode, hash, name, detail, waiver }: Row): boolean {
  if (check === null) return false;
  try {
    if (isWaivedStatus(statusCode) !== (waiver !== null)) return false;
    if (waiver !== null) toWaiver(waiver);
    const [title = ''] = detailParts(detail);
    const id = `${check}/${subject}`;
    return hashOf({ id, title, ...fromStatusCode(statusCode), subject: toSubject({ subject, name }) }, detail) === hash;
  } catch {
    return false; // what cannot be read is not what was written
  }
}

/** Until its node sends it again, a damaged row must be readable. A waiver that may be damaged accepts nothing. */
function soundStatusCode(statusCode: number): number {
  const reported = reportedStatus(statusCode);
  const known = statusCodesOf(undefined, undefined, false);
  return known.includes(reported) ? reported : Math.max(...known);
}

function soundDetail(detail: string, subject: string): string {
  try {
    detailParts(detail);
    return detail;
  } catch {
    return JSON.stringify([subject]);
  }
}

function digestOfSums({ high, low }: Sums): number {
  return Number((BigInt(high) * 2n ** BigInt(LOW_BITS) + BigInt(low)) % MODULUS);
}

function misfit(): StoreError {
  return new StoreError('damaged', 'tables and indexes of the file do not fit each other');
}
