/**
 * What is known about CVEs and distributions beside advisories: CISA's catalogue of exploited vulnerabilities (KEV),
 * FIRST's EPSS, CVSS scores, and the end of life of distributions. Untrusted, bounded, damaged rows are counted.
 */
import { list, nullable, object, string } from '../../posture/schema.ts';
import { rateCvss } from '../../vulnerability/cvss.ts';
import type { CvssRating } from '../../vulnerability/vulnerability.ts';
import { DAY_MS, encodeCve } from './layout.ts';

/** An entry of KEV. Days since the epoch. */
export interface KevEntry {
  readonly code: number;
  readonly addedDay: number;
  readonly dueDay: number | undefined;
  readonly isRansomware: boolean;
}

/** KEV, parsed; `damaged` counts entries that are left out. */
export interface KevCatalog {
  readonly releasedAt: number | undefined;
  readonly entries: readonly KevEntry[];
  readonly damaged: number;
}

/** One row of a CSV file about a CVE or a release; undefined for a row that is damaged. */
export type FeedRow =
  | { readonly kind: 'epss'; readonly code: number; readonly score: number; readonly percentile: number }
  | { readonly kind: 'cvss'; readonly code: number; readonly rating: CvssRating }
  | {
      readonly kind: 'maintenance';
      readonly release: string;
      readonly endOfLifeDay: number;
      readonly extendedDay: number | undefined;
    };

/** How the rows of a CSV file are read; undefined for an unknown file. */
export interface FeedReader {
  readonly kind: FeedRow['kind'];
  /** The row; `undefined` where it is damaged, `'none'` where it says nothing (a release without an end). */
  readonly read: (line: string) => FeedRow | 'none' | undefined;
}

const kevSchema = object({
  dateReleased: nullable(string('', 64)),
  vulnerabilities: list(
    object({
      cveID: string('', 64),
      dateAdded: string('', 64),
      dueDate: nullable(string('', 64)),
      knownRansomwareCampaignUse: nullable(string('', 64)),
    }),
    '',
    200_000,
  ),
});

/** Whether a JSON document is KEV. */
export function isKev(document: object): boolean {
  return Object.hasOwn(document, 'catalogVersion') && Object.hasOwn(document, 'vulnerabilities');
}

/** Parses KEV; undefined where it does not follow its schema. */
export function parseKev(document: unknown): KevCatalog | undefined {
  const parsed = kevSchema.parse(document);
  if (!parsed.ok) return undefined;
  const { dateReleased, vulnerabilities } = parsed.value;
  const entries: KevEntry[] = [];
  for (const { cveID, dateAdded, dueDate, knownRansomwareCampaignUse } of vulnerabilities) {
    const code = encodeCve(cveID);
    const addedDay = dayOf(dateAdded);
    if (code === undefined || addedDay === undefined) continue;
    const isRansomware = knownRansomwareCampaignUse === 'Known';
    entries.push({ code, addedDay, dueDay: dayOf(dueDate ?? ''), isRansomware });
  }
  const releasedAt = Date.parse(dateReleased ?? '');
  return {
    releasedAt: Number.isFinite(releasedAt) ? releasedAt : undefined,
    entries,
    damaged: vulnerabilities.length - entries.length,
  };
}

/** The date in the comment that EPSS files begin with: `#model_version:v2025.03.14,score_date:2026-08-16T00:00:00+0000`. */
export function epssDateOf(line: string): number | undefined {
  const day = dayOf(/^#.{0,200}score_date:(\d{4}-\d\d-\d\d)/.exec(line)?.[1] ?? '');
  return day === undefined ? undefined : day * DAY_MS;
}

/** The reader for a CSV file with this header. */
export function feedReaderOf(header: string): FeedReader | undefined {
  const columns = header.trim().toLowerCase().split(',');
  if (columns[0] === 'cve' && columns[1] === 'epss' && columns[2] === 'percentile')
    return { kind: 'epss', read: readEpss };
  const vector = columns.indexOf('vector');
  if (columns[0] === 'cve' && vector > 0) return { kind: 'cvss', read: (line) => readCvss(line, vector) };
  if (columns[0] === 'version' && columns[1] === 'codename')
    return { kind: 'maintenance', read: maintenanceReader(columns) };
  return undefined;
}

function readEpss(line: string): FeedRow | undefined {
  const [cve = '', score = '', percentile = ''] = line.trim().split(',', 4);
  const code = encodeCve(cve);
  const isProbability = (text: string): boolean => /^(?:0|1|0?\.\d{1,20}|0\.\d{1,20}|1\.0{1,20})$/.test(text);
  if (code === undefined || !isProbability(score) || !isProbability(percentile)) return undefined;
  return { kind: 'epss', code, score: Number(score), percentile: Number(percentile) };
}

function readCvss(line: string, column: number): FeedRow | undefined {
  const fields = line.trim().split(',', column + 1);
  const code = encodeCve(fields[0] ?? '');
  const rating = rateCvss(fields[column] ?? '');
  return code === undefined || rating === undefined ? undefined : { kind: 'cvss', code, rating };
}

/** Debian and Ubuntu write these files in the package distro-info-data: `eol`, and what extends it for everyone. */
function maintenanceReader(columns: readonly string[]): FeedReader['read'] {
  const endOfLife = columns.indexOf('eol');
  const extended = columns.indexOf('eol-lts');
  return (line) => {
    const fields = line.trim().split(',', 32);
    const release = /^\d{1,4}(?:\.\d{1,4})?/.exec(fields[0] ?? '')?.[0];
    const text = fields[endOfLife] ?? '';
    if (release === undefined || text === '') return 'none';
    const endOfLifeDay = dayOf(text);
    if (endOfLifeDay === undefined) return undefined;
    return { kind: 'maintenance', release, endOfLifeDay, extendedDay: dayOf(fields[extended] ?? '') };
  };
}

/** Days since the epoch of an ISO date. */
function dayOf(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const time = Date.parse(text.slice(0, 10));
  return Number.isFinite(time) ? Math.floor(time / DAY_MS) : undefined;
}
