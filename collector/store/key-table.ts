import type { DatabaseSync } from 'node:sqlite';

/**
 * A finding's key is a number: key of its subject * 2^20 + key of its check. Findings of one subject lie side by side,
 * and neither the table nor its index repeats the texts. Both parts together stay below 2^53.
 */
const CHECK_BITS = 20;
const CHECK_KEYS = 2 ** CHECK_BITS;

/** SQL for the key of the subject in `finding.key`. */
export const SUBJECT_OF_FINDING = `(finding.key >> ${String(CHECK_BITS)})`;
/** SQL for the key of the check in `finding.key`. */
export const CHECK_OF_FINDING = `(finding.key & ${String(CHECK_KEYS - 1)})`;
/** SQL that joins the texts of a finding's subject and check to `finding`; they are `subject.text` and `check_name.id`. */
export const JOIN_TEXTS = `CROSS JOIN subject ON subject.key = ${SUBJECT_OF_FINDING}
  CROSS JOIN check_name ON check_name.key = ${CHECK_OF_FINDING}`;
/** SQL condition: the findings of the subject in `subject.key`. */
export const FINDINGS_OF_SUBJECT = `finding.key BETWEEN subject.key << ${String(CHECK_BITS)}
  AND (subject.key << ${String(CHECK_BITS)}) + ${String(CHECK_KEYS - 1)}`;

/** SQL for `finding.key`, from SQL for the keys of its subject and its check. */
export function keyOfFinding(subject: string, check: string): string {
  return `(${subject} << ${String(CHECK_BITS)}) + ${check}`;
}

/** Check ids that are remembered from one transaction to the next. */
const MAX_REMEMBERED_CHECKS = 10_000;

/** Keys of findings, within one transaction. */
export interface Keys {
  /** The key that this finding has; undefined if its subject or its check was never stored. */
  readonly find: (node: number, subject: string, check: string) => number | undefined;
  /** The key that this finding has or gets. */
  readonly make: (node: number, subject: string, check: string) => number;
  /** A finding is gone, and perhaps its subject with it. */
  readonly removed: (key: number) => void;
  /** Must be called before the transaction ends: lets go of subjects that have no finding any more. */
  readonly finish: () => void;
}

/** Prepares keys. `open` is for the transaction that is open now; `rollback` must be called if it is rolled back. */
export function prepareKeys(db: DatabaseSync): { readonly open: () => Keys; readonly rollback: () => void } {
  const selectCheck = db.prepare('SELECT key FROM check_name WHERE id = ?');
  const insertCheck = db.prepare('INSERT INTO check_name (id) VALUES (?)');
  const selectSubject = db.prepare('SELECT key FROM subject WHERE node = ? AND text = ?');
  const insertSubject = db.prepare('INSERT INTO subject (node, text) VALUES (?, ?)');
  const removeSubject = db.prepare(
    `DELETE FROM subject WHERE key = ? AND NOT EXISTS (SELECT 1 FROM finding WHERE ${FINDINGS_OF_SUBJECT})`,
  );
  const checks = new Map<string, number>();
  const keyOf = (row: Record<string, unknown> | undefined): number | undefined =>
    row === undefined ? undefined : Number(row['key']);

  const findCheck = (id: string): number | undefined => {
    const known = checks.get(id) ?? keyOf(selectCheck.get(id));
    if (known !== undefined) remember(id, known);
    return known;
  };
  const remember = (id: string, key: number): void => {
    // Nodes may invent ids.
    if (checks.size >= MAX_REMEMBERED_CHECKS) checks.clear();
    checks.set(id, key);
  };
  const makeCheck = (id: string): number => {
    const key = Number(insertCheck.run(id).lastInsertRowid);
    remember(id, key);
    return key;
  };

  const open = (): Keys => {
    const subjects = new Map<number, Map<string, number>>();
    const emptied = new Set<number>();
    /** Findings of one subject mostly come one after the other. */
    const last = { node: 0, text: '', key: 0 };
    const ofNode = (node: number): Map<string, number> => {
      const known = subjects.get(node) ?? new Map<string, number>();
      subjects.set(node, known);
      return known;
    };
    const findSubject = (known: Map<string, number>, node: number, text: string): number | undefined => {
      const key = keyOf(selectSubject.get(node, text));
      if (key !== undefined) known.set(text, key);
      return key;
    };
    const makeSubject = (known: Map<string, number>, node: number, text: string): number => {
      const key = Number(insertSubject.run(node, text).lastInsertRowid);
      known.set(text, key);
      return key;
    };
    return {
      find: (node, subject, check) => {
        const known = ofNode(node);
        const subjectKey = known.get(subject) ?? findSubject(known, node, subject);
        const checkKey = findCheck(check);
        return subjectKey === undefined || checkKey === undefined ? undefined : subjectKey * CHECK_KEYS + checkKey;
      },
      make: (node, subject, check) => {
        if (last.text !== subject || last.node !== node) {
          const known = ofNode(node);
          const key = known.get(subject) ?? findSubject(known, node, subject) ?? makeSubject(known, node, subject);
          Object.assign(last, { node, text: subject, key });
        }
        return last.key * CHECK_KEYS + (checks.get(check) ?? findCheck(check) ?? makeCheck(check));
      },
      removed: (key) => void emptied.add(Math.floor(key / CHECK_KEYS)),
      finish: () => {
        for (const key of emptied) removeSubject.run(key);
      },
    };
  };
  return { open, rollback: () => checks.clear() };
}
