import type { DatabaseSync } from 'node:sqlite';
import type { AffectedPackage } from '../../vulnerability/advisory.ts';
import type { CvssRating } from '../../vulnerability/vulnerability.ts';
import type { FeedRow, KevEntry } from './feeds.ts';
import { writeAdvisoryHashes } from './advisory-hashes.ts';
import { APPLICATION_ID, BOUNDS, encodeCve, LAYOUT_VERSION, TABLES } from './layout.ts';
import type { StagedAdvisory } from './staging.ts';

/** Writes the tables of a new database. Rows are numbered in the order of the calls. */
export interface DatabaseWriter {
  readonly addAdvisory: (advisory: StagedAdvisory) => void;
  /** Adds what is known about CVEs that advisories name, after all advisories. True where one names it. */
  readonly addFeedRow: (row: Exclude<FeedRow, { kind: 'maintenance' }>) => boolean;
  readonly addKev: (entry: KevEntry) => boolean;
  readonly addMaintenance: (distribution: string, row: Extract<FeedRow, { kind: 'maintenance' }>) => void;
  readonly counts: { advisories: number; entries: number; newestAdvisoryAt: number };
  /** Writes `meta` and the counts, and commits. */
  readonly finish: (meta: Readonly<Record<string, number | undefined>>) => void;
}

/** Creates the tables in an empty database. */
export function createDatabaseWriter(database: DatabaseSync): DatabaseWriter {
  database.exec(
    'PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-131072',
  );
  database.exec(`PRAGMA application_id=${String(APPLICATION_ID)}; PRAGMA user_version=${String(LAYOUT_VERSION)}`);
  for (const statement of TABLES.filter((sql) => sql.startsWith('CREATE TABLE'))) database.exec(statement);
  database.exec('BEGIN');
  const counts = { advisories: 0, entries: 0, newestAdvisoryAt: 0 };
  const ecosystems = new Map<string, { id: number; advisories: number; entries: number }>();
  const insert = {
    package: database.prepare('INSERT INTO package(id, ecosystem, name) VALUES (?, ?, ?)'),
    version: database.prepare('INSERT INTO version(id, text) VALUES (?, ?)'),
    condition: database.prepare('INSERT INTO condition(id, urgency, module, platforms) VALUES (?, ?, ?, ?)'),
    advisory: database.prepare('INSERT INTO advisory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    alias: database.prepare('INSERT OR IGNORE INTO alias(advisory, id) VALUES (?, ?)'),
    link: database.prepare('INSERT OR IGNORE INTO cve_link(advisory, cve) VALUES (?, ?)'),
    cve: database.prepare('INSERT OR IGNORE INTO cve(code) VALUES (?)'),
    affected: database.prepare('INSERT INTO affected VALUES (?, ?, ?, ?, ?, ?)'),
    meta: database.prepare('INSERT INTO meta(key, value) VALUES (?, ?)'),
    ecosystem: database.prepare('INSERT INTO ecosystem(id, name, advisories, entries) VALUES (?, ?, ?, ?)'),
    maintenance: database.prepare('INSERT OR REPLACE INTO maintenance VALUES (?, ?, ?, ?)'),
  };
  const update = {
    epss: database.prepare('UPDATE cve SET epss = ?, percentile = ? WHERE code = ?'),
    cvss: database.prepare('UPDATE cve SET vector = ?, score = ? WHERE code = ?'),
    kev: database.prepare(
      'UPDATE cve SET kevAdded = ?, kevDue = ?, ransomware = ? WHERE code = ? AND kevAdded IS NULL',
    ),
  };
  const packages = interner((id, key) => {
    const [ecosystem = '', name = ''] = key.split('\0', 2);
    insert.package.run(id, Number(ecosystem), name);
  });
  const versions = interner((id, text) => insert.version.run(id, text));
  const conditions = interner((id, key) => {
    const [urgency, module, platforms] = key.split('\0').map((part) => (part === '' ? null : part));
    insert.condition.run(id, urgency ?? null, module ?? null, platforms ?? null);
  });
  const ecosystemOf = (name: string): { id: number; advisories: number; entries: number } => {
    const known = ecosystems.get(name);
    if (known !== undefined) return known;
    const created = { id: ecosystems.size + 1, advisories: 0, entries: 0 };
    ecosystems.set(name, created);
    return created;
  };

  const addAffected = (advisory: number, { affected }: StagedAdvisory): void => {
    const nextRow = new Map<number, number>();
    for (const ecosystem of new Set(affected.map((one) => one.ecosystem))) ecosystemOf(ecosystem).advisories += 1;
    for (const { ecosystem: name, name: packageName, intervals, ...limits } of affected) {
      const ecosystem = ecosystemOf(name);
      const id = packages(`${String(ecosystem.id)}\0${packageName}`);
      const key = conditionKey(limits);
      const condition = key === '' ? 0 : conditions(key);
      for (const { introduced, bound, upper } of intervals) {
        const n = nextRow.get(id) ?? 0;
        nextRow.set(id, n + 1);
        const lower = introduced === undefined ? null : versions(introduced);
        const kind = BOUNDS.indexOf(bound) + BOUNDS.length * condition;
        insert.affected.run(id, advisory, n, lower, upper === undefined ? null : versions(upper), kind);
        ecosystem.entries += 1;
        counts.entries += 1;
      }
    }
  };

  return {
    counts,
    addAdvisory: (advisory) => {
      counts.advisories += 1;
      counts.newestAdvisoryAt = Math.max(counts.newestAdvisoryAt, advisory.modifiedAt ?? 0);
      const id = counts.advisories;
      const { cve = '' } = advisory;
      const own = encodeCve(cve);
      const aliases = new Set(advisory.aliases);
      let links = 0;
      for (const name of advisory.cves) {
        const code = encodeCve(name);
        if (code === undefined) aliases.add(name);
        else insert.cve.run(code);
        if (code === undefined || code === own) continue;
        insert.link.run(id, code);
        links += 1;
      }
      for (const alias of aliases) insert.alias.run(id, alias);
      const hasMore = aliases.size + links > 0 ? 1 : 0;
      const { cvss, publishedAt, modifiedAt } = advisory;
      insert.advisory.run(
        id,
        own !== undefined && advisory.id.endsWith(cve) ? `${advisory.id.slice(0, -cve.length)}*` : advisory.id,
        own ?? null,
        hasMore,
        advisory.vendorSeverity ?? null,
        cvss?.vector ?? null,
        tenths(cvss),
        advisory.summary ?? null,
        seconds(publishedAt),
        seconds(modifiedAt),
      );
      addAffected(id, advisory);
    },
    addFeedRow: (row) => {
      const { changes } =
        row.kind === 'epss'
          ? update.epss.run(Math.round(row.score * 1e5), Math.round(row.percentile * 1e5), row.code)
          : update.cvss.run(row.rating.vector, tenths(row.rating), row.code);
      return Number(changes) > 0;
    },
    addKev: ({ code, addedDay, dueDay, isRansomware }) =>
      Number(update.kev.run(addedDay, dueDay ?? null, isRansomware ? 1 : 0, code).changes) > 0,
    addMaintenance: (distribution, { release, endOfLifeDay, extendedDay }) => {
      insert.maintenance.run(distribution, release, endOfLifeDay, extendedDay ?? null);
    },
    finish: (meta) => {
      for (const [name, { id, advisories, entries }] of ecosystems) insert.ecosystem.run(id, name, advisories, entries);
      for (const [key, value] of Object.entries(meta)) if (value !== undefined) insert.meta.run(key, String(value));
      writeAdvisoryHashes(database);
      database.exec('COMMIT');
      for (const statement of TABLES.filter((sql) => !sql.startsWith('CREATE TABLE'))) database.exec(statement);
    },
  };
}

/** The number of a text, numbered from 1; `add` is called for each new one. */
function interner(add: (id: number, text: string) => void): (text: string) => number {
  const known = new Map<string, number>();
  return (text) => {
    const present = known.get(text);
    if (present !== undefined) return present;
    const id = known.size + 1;
    known.set(text, id);
    add(id, text);
    return id;
  };
}

function conditionKey({
  urgency,
  module,
  platforms,
}: Pick<AffectedPackage, 'urgency' | 'module' | 'platforms'>): string {
  const parts = [urgency ?? '', module ?? '', platforms?.join(' ') ?? ''];
  return parts.every((part) => part === '') ? '' : parts.join('\0');
}

function seconds(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : Math.floor(milliseconds / 1000);
}

function tenths(rating: CvssRating | undefined): number | null {
  return rating === undefined ? null : Math.round(rating.score * 10);
}
