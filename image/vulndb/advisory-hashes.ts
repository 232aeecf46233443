import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BOUNDS } from './layout.ts';

/** Bytes of a hash: two versions of a database have the same by accident once in 2^48 changes. */
const BYTES = 6;

const ADVISORIES = `SELECT a.id, a.osv, a.cve, a.severity, a.vector, a.score, a.summary, a.published, a.modified,
  c.epss, c.percentile, c.kevAdded, c.kevDue, c.ransomware, c.vector, c.score, a.hasMore
  FROM advisory a LEFT JOIN cve c ON c.code = a.cve`;
const LINKED = `SELECT k.cve, c.epss, c.percentile, c.kevAdded, c.kevDue, c.ransomware, c.vector, c.score
  FROM cve_link k LEFT JOIN cve c ON c.code = k.cve WHERE k.advisory = ? ORDER BY k.cve`;
const ALIASES = 'SELECT id FROM alias WHERE advisory = ? ORDER BY id';
const AFFECTED = `SELECT f.package, f.advisory, f.kind % ${String(BOUNDS.length)}, l.text, u.text, c.urgency, c.module, c.platforms
  FROM affected f LEFT JOIN version l ON l.id = f.lower LEFT JOIN version u ON u.id = f.upper
  LEFT JOIN condition c ON c.id = f.kind / ${String(BOUNDS.length)} ORDER BY f.package, f.advisory, f.n`;

type Values = readonly unknown[];

/**
 * Writes `package.hash`: of all rows that concern a package, without the numbers of the rows, which differ from one
 * database to the next. Two databases that say the same about a package have the same hash for it, so that after an
 * update only packages with another hash are matched again. Call it when all other rows are written.
 */
export function writeAdvisoryHashes(database: DatabaseSync): void {
  const ofAdvisory = hashAdvisories(database);
  const update = database.prepare('UPDATE package SET hash = ? WHERE id = ?');
  let [current, advisory] = [0, 0];
  let parts: string[] = [];
  let rows: Values[] = [];
  const endAdvisory = (): void => {
    if (rows.length > 0) parts.push(digestOf([ofAdvisory.get(advisory), rows]));
    rows = [];
  };
  const endPackage = (): void => {
    endAdvisory();
    // The order of advisories is that of their numbers.
    if (parts.length > 0) update.run(Buffer.from(digestOf(parts.sort()), 'hex'), current);
    parts = [];
  };
  for (const row of arrays(database.prepare(AFFECTED)).iterate() as Iterable<unknown> as Iterable<Values>) {
    const [packageId, advisoryId, ...values] = row;
    if (packageId !== current) endPackage();
    else if (advisoryId !== advisory) endAdvisory();
    [current, advisory] = [Number(packageId), Number(advisoryId)];
    rows.push(values);
  }
  endPackage();
}

/** Hashes of what advisories say, and of what is known about the CVEs that they name. */
function hashAdvisories(database: DatabaseSync): ReadonlyMap<number, string> {
  const linked = arrays(database.prepare(LINKED));
  const aliases = arrays(database.prepare(ALIASES));
  const hashes = new Map<number, string>();
  for (const row of arrays(database.prepare(ADVISORIES)).iterate() as Iterable<unknown> as Iterable<Values>) {
    const [key, ...values] = row;
    const id = Number(key);
    const more = values.at(-1) === 1 ? [linked.all(id), aliases.all(id)] : [];
    hashes.set(id, digestOf([values, more]));
  }
  return hashes;
}

function arrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true);
  return statement;
}

function digestOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value), 'hex').slice(0, BYTES * 2);
}
