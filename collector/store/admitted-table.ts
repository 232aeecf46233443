import type { DatabaseSync } from 'node:sqlite';
import type { StoredAdmission } from './store.ts';

/** Pods that admission webhooks have reported as admitted. */
export interface AdmittedTable {
  /** Must be called within a transaction. Images of a pod that is reported again are added. */
  readonly write: (source: string, pods: readonly StoredAdmission[], receivedMs: number) => void;
  /** Those with these uids; each uid may have several records. */
  readonly read: (uids: readonly string[]) => readonly StoredAdmission[];
  /** When the first report was received; undefined: never. */
  readonly since: () => number | undefined;
  /** Keeps the moment of the first report. */
  readonly begin: (atMs: number) => void;
  /** Deletes old records of pods that `isInUse` does not name. Must be called within a transaction. */
  readonly prune: (receivedBeforeMs: number, inUse: ReadonlySet<string>) => void;
}

/** Records that are kept of one source: one that floods displaces none of another. */
const MAX_OF_SOURCE = 20_000;
/** Different reports about one pod: its creation, and each change of an image. */
const MAX_OF_POD = 64;

/** Prepares the statements. */
export function prepareAdmittedTable(db: DatabaseSync): AdmittedTable {
  const insert = db.prepare(
    `INSERT INTO admitted_pod (uid, source, received, content)
     SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM admitted_pod WHERE uid = ?1) < ${String(MAX_OF_POD)}
     ON CONFLICT (uid, content) DO NOTHING`,
  );
  const count = db.prepare('SELECT count(*) AS count FROM admitted_pod WHERE source = ?');
  const removeOldest = db.prepare(
    `DELETE FROM admitted_pod WHERE key IN
     (SELECT key FROM admitted_pod WHERE source = ?1 ORDER BY key LIMIT max(0, ?2 - ${String(MAX_OF_SOURCE)}))`,
  );
  const select = db.prepare('SELECT content FROM admitted_pod WHERE uid = ? ORDER BY key');
  const selectSince = db.prepare('SELECT min(at) AS at FROM admission_begin');
  const begin = db.prepare('INSERT INTO admission_begin SELECT ? WHERE NOT EXISTS (SELECT 1 FROM admission_begin)');
  const selectOld = db.prepare('SELECT DISTINCT uid FROM admitted_pod WHERE received < ?');
  const remove = db.prepare('DELETE FROM admitted_pod WHERE uid = ?');
  return {
    write: (source, pods, receivedMs) => {
      for (const pod of pods) insert.run(pod.uid, source, receivedMs, JSON.stringify(pod));
      removeOldest.run(source, Number(count.get(source)?.['count']));
    },
    read: (uids) =>
      uids.flatMap((uid) => select.all(uid).map((row) => JSON.parse(String(row['content'])) as StoredAdmission)),
    since: () => {
      const at = selectSince.get()?.['at'];
      return typeof at === 'number' ? at : undefined;
    },
    begin: (atMs) => void begin.run(atMs),
    prune: (receivedBeforeMs, inUse) => {
      for (const { uid } of selectOld.all(receivedBeforeMs)) if (!inUse.has(String(uid))) remove.run(String(uid));
    },
  };
}
