import { VULNERABILITY_SEVERITIES } from '../../vulnerability/vulnerability.ts';
import type { FixStatus, Suppression, Vulnerability } from '../../vulnerability/vulnerability.ts';
import { isOsPackageType } from '../../vulnerability/package.ts';
import type { Distribution, Package, PackageType } from '../../vulnerability/package.ts';
import { StoreError } from './error.ts';
import type { PackageVersion, PackageVulnerability } from './image-store.ts';

/** Columns of `package_version` by which it is unique, in the order of {@link identityOf}. */
export const IDENTITY_COLUMNS =
  'distribution, type, name, version, source_name, source_version, architecture, modularity, vendor';
/** Columns for {@link toPackageVersion}, of the table `package_version`. */
export const PACKAGE_COLUMNS = `package_version.key, package_version.evidence, ${IDENTITY_COLUMNS.split(', ')
  .map((column) => `package_version.${column}`)
  .join(', ')}`;

/** A row with {@link PACKAGE_COLUMNS}. */
export interface PackageRow {
  readonly key: number;
  readonly evidence: string;
  readonly distribution: string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly source_name: string;
  readonly source_version: string;
  readonly architecture: string;
  readonly modularity: string;
  readonly vendor: string;
}

/** What makes a package version one of its own: packages of languages are the same in every distribution. */
export function identityOf(found: Package, distribution: Distribution | undefined): readonly string[] {
  const { type, name, version, source, architecture = '', modularity = '', vendor = '' } = found;
  return [
    isOsPackageType(type) ? distributionText(distribution) : '',
    type,
    name,
    version,
    source?.name ?? '',
    source?.version ?? '',
    architecture,
    modularity,
    vendor,
  ];
}

/** The distribution as a column holds it; empty: none. */
export function distributionText(distribution: Distribution | undefined): string {
  if (distribution === undefined) return '';
  const { id, versionId = '', codename = '', like } = distribution;
  return JSON.stringify([id, versionId, codename, ...like]);
}

/** Throws StoreError `damaged`. */
export function toDistribution(text: string): Distribution | undefined {
  if (text === '') return undefined;
  const [id = '', versionId = '', codename = '', ...like] = parsed(text) as readonly string[];
  return { id, ...(versionId !== '' && { versionId }), ...(codename !== '' && { codename }), like };
}

/** The package version in a row. */
export function toPackageVersion(row: PackageRow): PackageVersion {
  const distribution = toDistribution(row.distribution);
  const { key, evidence, type, name, version, architecture, modularity, vendor } = row;
  return {
    key,
    evidence,
    ...(distribution !== undefined && { distribution }),
    package: {
      type: type as PackageType,
      name,
      version,
      ...(architecture !== '' && { architecture }),
      ...(row.source_name !== '' && { source: { name: row.source_name, version: row.source_version } }),
      ...(modularity !== '' && { modularity }),
      ...(vendor !== '' && { vendor }),
      path: '',
    },
  };
}

/** A row of a vulnerability of a package version, joined to both. */
export interface PackageVulnerabilityRow extends PackageRow {
  readonly id: string;
  readonly advisory: string;
  readonly severity: number;
  readonly risk: number;
  readonly detail: string;
  readonly status: string;
  readonly fixedVersion: string;
  readonly firstSeenMs: number;
  readonly suppressed: string;
}

/** Columns for {@link toPackageVulnerability}. */
export const PACKAGE_VULNERABILITY_COLUMNS = `${PACKAGE_COLUMNS}, vulnerability.id, vulnerability.advisory, vulnerability.detail,
  package_vulnerability.severity, package_vulnerability.risk, package_vulnerability.status, package_vulnerability.fixed_version AS fixedVersion, package_vulnerability.first_seen AS firstSeenMs, package_vulnerability.suppressed`;

/** The vulnerability in a row. Throws StoreError `damaged`. */
export function toPackageVulnerability(row: PackageVulnerabilityRow): PackageVulnerability {
  const { id, advisory, severity, risk, detail, status, fixedVersion, firstSeenMs, suppressed } = row;
  const { package: found, distribution } = toPackageVersion(row);
  return {
    packageKey: row.key,
    package: found,
    ...(distribution !== undefined && { distribution }),
    ...(suppressed !== '' && { suppressed: parsed(suppressed) as Suppression }),
    vulnerability: toVulnerability({ id, advisory, severity, risk, detail }),
    status: status as FixStatus,
    ...(fixedVersion !== '' && { fixedVersion }),
    firstSeenMs,
  };
}

const MAX_SUMMARY = 500;
/** As many ids as an advisory can have: VEX statements and waivers must name every CVE. */
const MAX_ALIASES = 20_000;

/** What `vulnerability.detail` holds: all that has no column of its own. */
export function detailOf({ aliases, cvss, summary, publishedAt, modifiedAt, kev, epss }: Vulnerability): string {
  return JSON.stringify({
    aliases: aliases.slice(0, MAX_ALIASES),
    cvss,
    summary: summary?.slice(0, MAX_SUMMARY).toWellFormed(),
    publishedAt,
    modifiedAt,
    kev,
    epss,
  });
}

/** The vulnerability in its columns. Throws StoreError `damaged`. */
export function toVulnerability(row: {
  readonly id: string;
  readonly advisory: string;
  readonly severity: number;
  readonly risk: number;
  readonly detail: string;
}): Vulnerability {
  const { id, advisory, risk } = row;
  return {
    ...(parsed(row.detail) as Omit<Vulnerability, 'id'>),
    id,
    advisory,
    risk,
    severity: severityAt(row.severity),
  };
}

/** Place of a severity, worst first: what columns hold. Stored: may be added to, never changed. */
export function severityCode(severity: Vulnerability['severity']): number {
  return VULNERABILITY_SEVERITIES.indexOf(severity);
}

/** The severity at a place. */
export function severityAt(code: number): Vulnerability['severity'] {
  return VULNERABILITY_SEVERITIES[code] ?? 'unknown';
}

/** JSON that the store wrote. Throws StoreError `damaged`. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new StoreError('damaged', 'a row of the store does not hold what was written to it', error);
  }
}
