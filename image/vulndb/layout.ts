/**
 * The vulnerability database: one SQLite file, written once by `build.ts` and only read afterwards. Versions are
 * interned, the rows of affected versions are clustered by package, and CVE ids are integers, so that a row of affected
 * versions costs at most 60 bytes with everything that belongs to it.
 */

/** Marks the file as ours (`PRAGMA application_id`): "PLIM" in ASCII. */
export const APPLICATION_ID = 0x504c494d;

/** Version of the tables. A reader accepts exactly its own. */
export const LAYOUT_VERSION = 2;

/** The tables and indexes, in the order of their creation. A reader accepts a file only if it holds exactly these. */
export const TABLES: readonly string[] = Object.freeze([
  'CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  'CREATE TABLE ecosystem(id INTEGER PRIMARY KEY, name TEXT NOT NULL, advisories INTEGER NOT NULL, entries INTEGER NOT NULL)',
  // hash: of all that advisories say about the package; see advisory-hashes.ts.
  'CREATE TABLE package(id INTEGER PRIMARY KEY, ecosystem INTEGER NOT NULL, name TEXT NOT NULL, hash BLOB)',
  'CREATE TABLE version(id INTEGER PRIMARY KEY, text TEXT NOT NULL)',
  'CREATE TABLE condition(id INTEGER PRIMARY KEY, urgency TEXT, module TEXT, platforms TEXT)',
  // cve: what it is another name of. osv: `*` at the end stands for that CVE. hasMore: rows in alias or cve_link.
  // Times in seconds.
  'CREATE TABLE advisory(id INTEGER PRIMARY KEY, osv TEXT NOT NULL, cve INTEGER, hasMore INTEGER NOT NULL, severity TEXT, vector TEXT, score INTEGER, summary TEXT, published INTEGER, modified INTEGER)',
  'CREATE TABLE alias(advisory INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY(advisory, id)) WITHOUT ROWID',
  'CREATE TABLE cve_link(advisory INTEGER NOT NULL, cve INTEGER NOT NULL, PRIMARY KEY(advisory, cve)) WITHOUT ROWID',
  // epss and percentile in 1/100000, score in 1/10, times in days.
  'CREATE TABLE cve(code INTEGER PRIMARY KEY, epss INTEGER, percentile INTEGER, kevAdded INTEGER, kevDue INTEGER, ransomware INTEGER, vector TEXT, score INTEGER)',
  // kind: bound + 4 * condition. n counts the rows of one advisory about one package.
  'CREATE TABLE affected(package INTEGER NOT NULL, advisory INTEGER NOT NULL, n INTEGER NOT NULL, lower INTEGER, upper INTEGER, kind INTEGER NOT NULL, PRIMARY KEY(package, advisory, n)) WITHOUT ROWID',
  'CREATE TABLE maintenance(distribution TEXT NOT NULL, release TEXT NOT NULL, endOfLife INTEGER NOT NULL, extended INTEGER, PRIMARY KEY(distribution, release)) WITHOUT ROWID',
  'CREATE UNIQUE INDEX package_by_name ON package(ecosystem, name)',
  'CREATE INDEX affected_by_advisory ON affected(advisory)',
  'CREATE INDEX advisory_by_cve ON advisory(cve) WHERE cve IS NOT NULL',
  'CREATE INDEX cve_link_by_cve ON cve_link(cve)',
]);

/** How an interval ends, as stored. The position is the number. */
export const BOUNDS = Object.freeze(['fixed', 'none', 'last-affected', 'limit'] as const);

/** What `meta` holds. Times in milliseconds since the epoch. */
export interface DatabaseInfo {
  /** When it was built. */
  readonly builtAt: number;
  /** When the newest advisory was changed; undefined where no advisory has a time. */
  readonly newestAdvisoryAt?: number;
  readonly advisories: number;
  /** Rows of affected versions. */
  readonly entries: number;
  readonly packages: number;
  /** Date of the EPSS scores, as their file names it, or of that file's newest entry; undefined without EPSS. */
  readonly epssAt?: number;
  readonly epssScores: number;
  readonly kevAt?: number;
  readonly kevEntries: number;
  readonly cvssScores: number;
  /** Records and parts that were damaged and left out when it was built. */
  readonly damaged: number;
}

/** Counts of one ecosystem. */
export interface EcosystemInfo {
  readonly name: string;
  readonly advisories: number;
  readonly entries: number;
}

const CVE_YEAR = 1_000_000_000;
/** Milliseconds of a day: dates are stored in days. */
export const DAY_MS = 86_400_000;

/** A CVE id as an integer; undefined for an id that is not written in its one form. */
export function encodeCve(id: string): number | undefined {
  const match = /^CVE-([1-9]\d{3})-(\d{4}|[1-9]\d{4,8})$/.exec(id);
  return match === null ? undefined : Number(match[1]) * CVE_YEAR + Number(match[2]);
}

/** The CVE id of {@link encodeCve}. */
export function decodeCve(code: number): string {
  return `CVE-${String(Math.floor(code / CVE_YEAR))}-${String(code % CVE_YEAR).padStart(4, '0')}`;
}
