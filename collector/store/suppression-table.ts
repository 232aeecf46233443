import type { DatabaseSync } from 'node:sqlite';
import type {
  DescribeUse,
  ImageStore,
  PackageVulnerability,
  SuppressionChange,
  VulnerabilityChange,
} from './image-store.ts';
import { MARK_STALE, preparePlaces } from './package-places.ts';
import { PACKAGE_VULNERABILITY_COLUMNS, parsed, toPackageVulnerability } from './package-row.ts';
import type { PackageVulnerabilityRow } from './package-row.ts';
import { prepareVulnerabilityEvents } from './vulnerability-events.ts';

/** The suppressed vulnerabilities of each package version. */
export interface SuppressionTable {
  /** See `ImageStore.vulnerabilityNames`. */
  readonly names: (after: number, limit: number) => Awaited<ReturnType<ImageStore['vulnerabilityNames']>>;
  readonly keys: () => readonly number[];
  readonly packagesWith: (vulnerabilityKey: number) => readonly PackageVulnerability[];
  /** See `ImageStore.putSuppressions`. Must be called within a transaction. */
  readonly put: (
    changes: readonly SuppressionChange[],
    terms: { readonly atMs: number; readonly describeUse: DescribeUse },
  ) => number;
}

/** Prepares the statements. */
export function prepareSuppressionTable(db: DatabaseSync): SuppressionTable {
  const events = prepareVulnerabilityEvents(db);
  const places = preparePlaces(db);
  const selectNames = db.prepare(
    "SELECT key, id, advisory, detail ->> '$.aliases' AS aliases FROM vulnerability WHERE key > ? ORDER BY key LIMIT ?",
  );
  const selectKeys = db.prepare(
    "SELECT DISTINCT vulnerability AS key FROM package_vulnerability WHERE suppressed <> ''",
  );
  const selectPackages = db.prepare(
    `SELECT ${PACKAGE_VULNERABILITY_COLUMNS} FROM vulnerability
     CROSS JOIN package_vulnerability ON package_vulnerability.vulnerability = vulnerability.key
     CROSS JOIN package_version ON package_version.key = package_vulnerability.package
     WHERE vulnerability.key = ?1 AND (?2 IS NULL OR package_version.key = ?2)`,
  );
  const update = db.prepare('UPDATE package_vulnerability SET suppressed = ? WHERE package = ? AND vulnerability = ?');
  const isAnnounced = db.prepare('SELECT 1 FROM package_version WHERE key = ? AND announced = 1');
  const markStale = db.prepare(MARK_STALE);
  const rowsOf = (vulnerabilityKey: number, packageKey: number | null): readonly PackageVulnerability[] =>
    (selectPackages.all(vulnerabilityKey, packageKey) as unknown as PackageVulnerabilityRow[]).map(
      toPackageVulnerability,
    );

  return {
    names: (after, limit) =>
      selectNames.all(after, limit).map(({ key, id, advisory, aliases }) => ({
        key: Number(key),
        id: String(id),
        advisory: String(advisory),
        aliases: parsed(String(aliases)) as readonly string[],
      })),
    keys: () => selectKeys.all().map(({ key }) => Number(key)),
    packagesWith: (vulnerabilityKey) => rowsOf(vulnerabilityKey, null),
    put: (changes, { atMs, describeUse }) => {
      const written: VulnerabilityChange[] = [];
      for (const { packageKey, vulnerabilityKey, suppressed } of changes) {
        const text = suppressed === undefined ? '' : JSON.stringify(suppressed);
        for (const { packageKey: key, suppressed: before, ...rest } of rowsOf(vulnerabilityKey, packageKey)) {
          update.run(text, key, vulnerabilityKey);
          markStale.run(key);
          // A package version of images at rest only makes no event.
          if (isAnnounced.get(key) === undefined) continue;
          const use = describeUse(places([key]));
          const action = suppressed === undefined && before !== undefined ? 'opened' : 'changed';
          written.push({ ...rest, atMs, action, ...(suppressed !== undefined && { suppressed }), use });
        }
      }
      return events.write(written);
    },
  };
}
