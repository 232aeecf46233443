/**
 * Opens a vulnerability database and answers from it. The file comes from outside: it is accepted only if it holds
 * exactly the tables that `layout.ts` describes, without triggers and views, and it is opened as immutable, so that no
 * journal beside it is read and nothing is written.
 */
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type {
  AdvisoryDetails,
  AdvisorySource,
  AffectedPart,
  Maintenance,
  PackageAdvisory,
} from '../../vulnerability/advisory-source.ts';
import { cveOf } from '../../vulnerability/advisory.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import type { VersionInterval } from '../../vulnerability/version-interval.ts';
import type { CvssRating, ExploitPrediction, KnownExploited } from '../../vulnerability/vulnerability.ts';
import { APPLICATION_ID, BOUNDS, DAY_MS, decodeCve, encodeCve, LAYOUT_VERSION, TABLES } from './layout.ts';
import type { DatabaseInfo, EcosystemInfo } from './layout.ts';

/** An open database. */
export interface VulnerabilityDatabase {
  readonly info: DatabaseInfo;
  /** Counts by ecosystem, sorted by name. */
  readonly ecosystems: () => readonly EcosystemInfo[];
  /** For `matchPackages`. */
  readonly source: AdvisorySource;
  /** The packages that a CVE or an advisory is about; empty for an id that the database does not know. */
  readonly packagesOf: (id: string) => readonly AffectedName[];
  readonly close: () => void;
}

/** A package that an advisory names. */
export interface AffectedName {
  readonly ecosystem: string;
  /** Normalised by `normalizeName`. */
  readonly name: string;
}

/** The database, or why it could not be opened. */
export type OpenedDatabase =
  | { readonly ok: true; readonly database: VulnerabilityDatabase }
  | { readonly ok: false; readonly code: 'missing' | 'damaged' | 'other-layout'; readonly problem: string };

/** Releases whose maintenance is kept. */
const MAX_DISTRIBUTIONS = 1000;
/** Advisories whose details are kept. */
const MAX_CACHED = 20_000;

/**
 * Opens the database at `path`. `isThorough` also verifies every page and row, which takes about a second: for a file
 * that has just arrived.
 */
export function openVulnerabilityDatabase(path: string, { isThorough = false } = {}): OpenedDatabase {
  if (!existsSync(path) || !statSync(path).isFile())
    return { ok: false, code: 'missing', problem: `${path}: no vulnerability database` };
  let database: DatabaseSync | undefined;
  try {
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    database = new DatabaseSync(url, { readOnly: true, allowExtension: false });
    // Without mmap: a file that is overwritten in place would end the process.
    database.exec(
      'PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; PRAGMA cache_size=-65536; PRAGMA cell_size_check=ON',
    );
    const refusal = refusalOf(database, path, isThorough);
    if (refusal === undefined) return { ok: true, database: databaseOf(database) };
    database.close();
    return refusal;
  } catch (error) {
    if (database?.isOpen === true) database.close();
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') throw error;
    return { ok: false, code: 'damaged', problem: `${path}: damaged, or no vulnerability database` };
  }
}

function refusalOf(
  database: DatabaseSync,
  path: string,
  isThorough: boolean,
): Extract<OpenedDatabase, { ok: false }> | undefined {
  const pragma = (name: string): unknown => database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (pragma('application_id') !== APPLICATION_ID)
    return { ok: false, code: 'damaged', problem: `${path}: no vulnerability database` };
  const version = pragma('user_version');
  if (version !== LAYOUT_VERSION)
    return {
      ok: false,
      code: 'other-layout',
      problem: `${path}: written in layout ${String(version)}, this program reads layout ${String(LAYOUT_VERSION)}`,
    };
  const present = database
    .prepare("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY sql")
    .all();
  const expected = TABLES.toSorted();
  const isSame = present.length === expected.length && present.every(({ sql }, index) => sql === expected[index]);
  if (!isSame)
    return { ok: false, code: 'damaged', problem: `${path}: its tables are not those of a vulnerability database` };
  if (isThorough && database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'] !== 'ok')
    return { ok: false, code: 'damaged', problem: `${path}: damaged` };
  return infoOf(database) === undefined
    ? { ok: false, code: 'damaged', problem: `${path}: it does not say when it was built` }
    : undefined;
}

function infoOf(database: DatabaseSync): DatabaseInfo | undefined {
  const meta = new Map(
    database
      .prepare('SELECT key, value FROM meta')
      .all()
      .map(({ key, value }) => [String(key), Number(value)]),
  );
  const time = (key: string): number | undefined => {
    const value = meta.get(key);
    return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  // Rows are numbered from 1, and a count would read them all.
  const count = (table: string): number =>
    Number(database.prepare(`SELECT max(id) AS n FROM ${table}`).get()?.['n'] ?? 0);
  const total = (column: string): number =>
    Number(database.prepare(`SELECT total(${column}) AS n FROM ecosystem`).get()?.['n'] ?? 0);
  const builtAt = time('builtAt');
  if (builtAt === undefined) return undefined;
  const newestAdvisoryAt = time('newestAdvisoryAt');
  const epssAt = time('epssAt');
  const kevAt = time('kevAt');
  return {
    builtAt,
    ...(newestAdvisoryAt === undefined ? {} : { newestAdvisoryAt }),
    advisories: count('advisory'),
    entries: total('entries'),
    packages: count('package'),
    ...(epssAt === undefined ? {} : { epssAt }),
    epssScores: meta.get('epssScores') ?? 0,
    ...(kevAt === undefined ? {} : { kevAt }),
    kevEntries: meta.get('kevEntries') ?? 0,
    cvssScores: meta.get('cvssScores') ?? 0,
    damaged: meta.get('damaged') ?? 0,
  };
}

type Row = Readonly<Record<string, unknown>>;

const DETAILS = `SELECT a.osv, a.cve, a.hasMore, a.severity, a.vector, a.score, a.summary, a.published, a.modified,
  c.epss, c.percentile, c.kevAdded, c.kevDue, c.ransomware, c.vector AS cveVector, c.score AS cveScore
  FROM advisory a LEFT JOIN cve c ON c.code = a.cve WHERE a.id = ?`;
const FIND = `SELECT f.advisory, f.kind, l.text AS lower, u.text AS upper FROM affected f
  LEFT JOIN version l ON l.id = f.lower LEFT JOIN version u ON u.id = f.upper
  WHERE f.package = ? ORDER BY f.advisory, f.n`;
const LINKED = `SELECT k.cve, c.epss, c.percentile, c.kevAdded, c.kevDue, c.ransomware, c.vector, c.score
  FROM cve_link k LEFT JOIN cve c ON c.code = k.cve WHERE k.advisory = ? ORDER BY k.cve`;
const PACKAGES_OF = `SELECT DISTINCT e.name AS ecosystem, p.name FROM affected f
  JOIN package p ON p.id = f.package JOIN ecosystem e ON e.id = p.ecosystem WHERE f.advisory IN`;
const BY_CVE = 'SELECT id FROM advisory WHERE cve = ?1 UNION SELECT advisory FROM cve_link WHERE cve = ?1';
const BY_NAME = 'SELECT id FROM advisory WHERE osv = ?1 UNION SELECT advisory FROM alias WHERE id = ?1';
const BY_BOTH = 'SELECT id FROM advisory WHERE cve = ?1 AND osv = ?2';

/** Rows of the packages that a CVE, an advisory that is named after a CVE, or another advisory is about. */
function createPackagesReader(database: DatabaseSync): (id: string) => readonly AffectedName[] {
  const select = (advisories: string): StatementSync =>
    database.prepare(`${PACKAGES_OF} (${advisories}) ORDER BY 1, 2`);
  const statements = { byCve: select(BY_CVE), byName: select(BY_NAME), byBoth: select(BY_BOTH) };
  return (id) => {
    const cve = cveOf(id);
    const code = encodeCve(cve ?? '');
    const rows =
      cve === undefined || code === undefined
        ? statements.byName.all(id)
        : cve === id
          ? statements.byCve.all(code)
          : statements.byBoth.all(code, `${id.slice(0, -cve.length)}*`);
    return rows.map(({ ecosystem, name }) => ({ ecosystem: String(ecosystem), name: String(name) }));
  };
}

function databaseOf(database: DatabaseSync): VulnerabilityDatabase {
  const info = infoOf(database);
  if (info === undefined) throw new TypeError('the database was accepted without its info');
  const ecosystemIds = new Map(
    database
      .prepare('SELECT id, name FROM ecosystem')
      .all()
      .map(({ id, name }) => [String(name), Number(id)]),
  );
  const statement = {
    package: database.prepare('SELECT id FROM package WHERE ecosystem = ? AND name = ?'),
    hash: database.prepare('SELECT hex(hash) AS hash FROM package WHERE ecosystem = ? AND name = ?'),
    maintenance: database.prepare('SELECT endOfLife, extended FROM maintenance WHERE distribution = ? AND release = ?'),
  };
  /** Asked for each package of a fleet. */
  const maintained = new Map<string, Maintenance | undefined>();
  const find = createFinder(database);
  const details = createDetailsReader(database);
  const source: AdvisorySource = {
    has: (ecosystem) => ecosystemIds.has(ecosystem),
    find: (ecosystem, name) => {
      const id = ecosystemIds.get(ecosystem);
      const row = id === undefined ? undefined : statement.package.get(id, name);
      return row === undefined ? [] : find(Number(row['id']));
    },
    fingerprint: (ecosystem, name) => {
      const id = ecosystemIds.get(ecosystem);
      return id === undefined ? '' : String(statement.hash.get(id, name)?.['hash'] ?? '');
    },
    details,
    maintenance: (distribution) => {
      const { id, versionId = '' } = distribution;
      const key = `${id} ${versionId}`;
      const known = maintained.get(key);
      if (known !== undefined || maintained.has(key)) return known;
      const found = maintenanceOf(statement.maintenance, distribution);
      if (maintained.size < MAX_DISTRIBUTIONS) maintained.set(key, found);
      return found;
    },
  };
  return {
    info,
    source,
    ecosystems: () =>
      database
        .prepare('SELECT name, advisories, entries FROM ecosystem ORDER BY name')
        .all()
        .map(({ name, advisories, entries }) => ({
          name: String(name),
          advisories: Number(advisories),
          entries: Number(entries),
        })),
    packagesOf: createPackagesReader(database),
    close: () => database.close(),
  };
}

type Conditions = ReadonlyMap<number, Omit<AffectedPart, 'intervals'>>;

function readConditions(database: DatabaseSync): Conditions {
  const rows = database.prepare('SELECT id, urgency, module, platforms FROM condition').all();
  return new Map(
    rows.map(({ id, urgency, module, platforms }) => [
      Number(id),
      {
        ...(typeof urgency === 'string' ? { urgency } : {}),
        ...(typeof module === 'string' ? { module } : {}),
        ...(typeof platforms === 'string' ? { platforms: platforms.split(' ') } : {}),
      },
    ]),
  );
}

/** Rows of affected versions that are kept: versions of one package are often looked up one after the other. */
const MAX_CACHED_ROWS = 50_000;

/** The advisories of a package, by its number. */
function createFinder(database: DatabaseSync): (id: number) => readonly PackageAdvisory[] {
  const statement = database.prepare(FIND);
  // Arrays instead of objects: these are the most rows that are read.
  statement.setReturnArrays(true);
  const conditions = readConditions(database);
  const cache = new Map<number, readonly PackageAdvisory[]>();
  let cachedRows = 0;
  return (id) => {
    const cached = cache.get(id);
    if (cached !== undefined) return cached;
    const rows = statement.all(id) as unknown as readonly AffectedRow[];
    const found = advisoriesOf(rows, conditions);
    if (cachedRows + rows.length > MAX_CACHED_ROWS) {
      cache.clear();
      cachedRows = 0;
    }
    cache.set(id, found);
    cachedRows += rows.length;
    return found;
  };
}

/** Advisory, kind, lower and upper version of FIND. */
type AffectedRow = readonly [number, number, string | null, string | null];

/** Rows of one package, sorted by advisory, as one entry an advisory with one part a condition. */
function advisoriesOf(rows: readonly AffectedRow[], conditions: Conditions): readonly PackageAdvisory[] {
  const found: PackageAdvisory[] = [];
  for (let start = 0; start < rows.length;) {
    const [key = 0] = rows[start] ?? [];
    let end = start + 1;
    while (rows[end]?.[0] === key) end += 1;
    found.push({ key, parts: partsOf(rows.slice(start, end), conditions) });
    start = end;
  }
  return found;
}

function partsOf(rows: readonly AffectedRow[], conditions: Conditions): readonly AffectedPart[] {
  const parts = new Map<number, VersionInterval[]>();
  for (const [, kind, lower, upper] of rows) {
    const condition = Math.floor(kind / BOUNDS.length);
    const interval = intervalOf(BOUNDS[kind % BOUNDS.length] ?? 'none', lower, upper);
    const part = parts.get(condition);
    if (part === undefined) parts.set(condition, [interval]);
    else part.push(interval);
  }
  const partOf = (condition: number, intervals: readonly VersionInterval[]): AffectedPart => {
    const limits = conditions.get(condition);
    return limits === undefined ? { intervals } : { ...limits, intervals };
  };
  return [...parts].map((part) => partOf(...part));
}

function intervalOf(bound: VersionInterval['bound'], lower: string | null, upper: string | null): VersionInterval {
  if (upper === null) return lower === null ? { bound } : { bound, introduced: lower };
  return lower === null ? { bound, upper } : { bound, introduced: lower, upper };
}

function createDetailsReader(database: DatabaseSync): (key: number) => AdvisoryDetails {
  const details = database.prepare(DETAILS);
  const linked = database.prepare(LINKED);
  const aliases = database.prepare('SELECT id FROM alias WHERE advisory = ? ORDER BY id');
  const cache = new Map<number, AdvisoryDetails>();
  return (key) => {
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    const row = details.get(key);
    if (row === undefined) throw new RangeError(`the vulnerability database has no advisory ${String(key)}`);
    const hasMore = Number(row['hasMore']) === 1;
    const links = hasMore ? linked.all(key) : [];
    const names = hasMore ? aliases.all(key).map(({ id }) => String(id)) : [];
    const made = detailsOf(row, links, names);
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(key, made);
    return made;
  };
}

function detailsOf(row: Row, links: readonly Row[], names: readonly string[]): AdvisoryDetails {
  const own = typeof row['cve'] === 'number' ? row['cve'] : undefined;
  const cve = own === undefined ? undefined : decodeCve(own);
  const known = own === undefined ? links : [row, ...links];
  const named = names.filter((id) => id.startsWith('CVE-'));
  const cves = [...(own === undefined ? [] : [own]), ...links.map((link) => Number(link['cve']))];
  const cvss =
    ratingOf(row['vector'], row['score']) ??
    highest([
      ratingOf(row['cveVector'], row['cveScore']),
      ...links.map(({ vector, score }) => ratingOf(vector, score)),
    ]);
  const kev = kevOf(known);
  const epss = epssOf(known);
  return {
    id: String(row['osv']).replace(/\*$/, cve ?? '*'),
    ...(cve === undefined ? {} : { cve }),
    cves: [...cves.map(decodeCve), ...named],
    aliases: names.filter((id) => !id.startsWith('CVE-')),
    ...(typeof row['summary'] === 'string' ? { summary: row['summary'] } : {}),
    ...(typeof row['published'] === 'number' ? { publishedAt: row['published'] * 1000 } : {}),
    ...(typeof row['modified'] === 'number' ? { modifiedAt: row['modified'] * 1000 } : {}),
    ...(typeof row['severity'] === 'string' ? { vendorSeverity: row['severity'] } : {}),
    ...(cvss === undefined ? {} : { cvss }),
    ...(kev === undefined ? {} : { kev }),
    ...(epss === undefined ? {} : { epss }),
  };
}

function ratingOf(vector: unknown, score: unknown): CvssRating | undefined {
  if (typeof vector !== 'string' || typeof score !== 'number') return undefined;
  const prefix = /^CVSS:(3\.0|3\.1|4\.0)\//.exec(vector)?.[1];
  const version = prefix === '3.0' || prefix === '3.1' || prefix === '4.0' ? prefix : '2.0';
  return { version, vector, score: score / 10 };
}

function highest(ratings: readonly (CvssRating | undefined)[]): CvssRating | undefined {
  return ratings.reduce((one, other) => ((other?.score ?? -1) > (one?.score ?? -1) ? other : one), undefined);
}

function kevOf(rows: readonly Row[]): KnownExploited | undefined {
  const entries = rows.flatMap(({ kevAdded, kevDue, ransomware }) =>
    typeof kevAdded === 'number' ? [{ kevAdded, kevDue, isRansomware: ransomware === 1 }] : [],
  );
  const [first] = entries.toSorted((one, other) => one.kevAdded - other.kevAdded);
  if (first === undefined) return undefined;
  return {
    addedAt: first.kevAdded * DAY_MS,
    ...(typeof first.kevDue === 'number' ? { dueAt: first.kevDue * DAY_MS } : {}),
    ransomware: entries.some(({ isRansomware }) => isRansomware),
  };
}

function epssOf(rows: readonly Row[]): ExploitPrediction | undefined {
  const scores = rows.flatMap(({ epss, percentile }) =>
    typeof epss === 'number' && typeof percentile === 'number'
      ? [{ score: epss / 1e5, percentile: percentile / 1e5 }]
      : [],
  );
  return scores.toSorted((one, other) => other.score - one.score)[0];
}

/** Debian names releases by number; Ubuntu as `22.04`. */
function maintenanceOf(statement: StatementSync, { id, versionId = '' }: Distribution): Maintenance | undefined {
  const release = id === 'debian' ? /^\d+/.exec(versionId)?.[0] : versionId;
  const row = release === undefined ? undefined : statement.get(id, release);
  if (row === undefined) return undefined;
  const extended = row['extended'];
  return {
    endOfLifeAt: Number(row['endOfLife']) * DAY_MS,
    ...(typeof extended === 'number' ? { extendedUntil: extended * DAY_MS } : {}),
  };
}
