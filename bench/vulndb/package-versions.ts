import { DatabaseSync } from 'node:sqlite';
import type { Package } from '../../vulnerability/package.ts';

/** Directory of advisories beside the project, as `plimsoll vulndb build --from` takes it. */
export const DEFAULT_ADVISORIES = new URL('../../../shared/vulndata', import.meta.url).pathname;

/**
 * Package versions of a vulnerability database: names of an ecosystem, each with bounds of its own ranges, so that there
 * is much to compare. The same for the same database.
 */
export function packageVersions(
  file: string,
  ecosystems: readonly (readonly [ecosystem: string, type: Package['type'], limit: number])[],
): readonly Package[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const select = database.prepare(
    `SELECT DISTINCT p.name, v.text FROM affected f JOIN package p ON p.id = f.package
     JOIN ecosystem e ON e.id = p.ecosystem JOIN version v ON v.id = f.upper
     WHERE e.name = ? ORDER BY p.id * 7919 % 1000, v.id LIMIT ?`,
  );
  const found = ecosystems.flatMap(([ecosystem, type, limit]) =>
    select
      .all(ecosystem, limit)
      .map((row): Package => ({ type, name: String(row['name']), version: String(row['text']), path: '/bench' })),
  );
  database.close();
  return found;
}
