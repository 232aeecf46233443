import type { Distribution } from '../../vulnerability/package.ts';
import { packageUrl } from './package-url.ts';
import type { Vulnerability, VulnerabilityMatch, VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import { documentUuid, sbomPackages, sbomTime } from './sbom-document.ts';
import type { SbomDocument, SbomPackage } from './sbom-document.ts';

/** Names of properties of this program in CycloneDX documents. */
export const PROPERTIES = {
  gap: 'plimsoll:gap',
  sourceName: 'plimsoll:source-name',
  sourceVersion: 'plimsoll:source-version',
  vendor: 'plimsoll:vendor',
  codename: 'plimsoll:codename',
  like: 'plimsoll:like',
  suppressedBy: 'plimsoll:suppressed-by',
  suppressedReason: 'plimsoll:suppressed-reason',
} as const;

const IMAGE = 'image';
const SYSTEM = 'operating-system';

interface Property {
  readonly name: string;
  readonly value: string;
}

/**
 * An inventory as CycloneDX 1.6 in JSON. Gaps are properties `plimsoll:gap`, and the composition is then `incomplete`.
 * https://cyclonedx.org/docs/1.6/json/
 */
export function writeCycloneDx(document: SbomDocument): string {
  const { inventory, subject } = document;
  const packages = sbomPackages(inventory);
  const gaps = inventory.gaps.map(({ path, reason }) => ({ name: PROPERTIES.gap, value: `${path}: ${reason}` }));
  const distribution = inventory.distribution === undefined ? [] : [systemComponent(inventory.distribution)];
  const bom = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${documentUuid(document)}`,
    version: 1,
    metadata: {
      timestamp: sbomTime(document.createdAt),
      tools: { components: [{ type: 'application', name: 'plimsoll', version: document.toolVersion }] },
      component: {
        type: 'container',
        'bom-ref': IMAGE,
        name: subject.name,
        ...(subject.digest !== undefined && { version: subject.digest }),
      },
      ...(gaps.length > 0 && { properties: gaps }),
    },
    components: [...distribution, ...packages.map((each) => packageComponent(each))],
    dependencies: [{ ref: IMAGE, dependsOn: [...distribution.map(() => SYSTEM), ...packages.map(({ purl }) => purl)] }],
    ...(gaps.length > 0 && { compositions: [{ aggregate: 'incomplete', assemblies: [IMAGE] }] }),
    ...(document.matches !== undefined && {
      vulnerabilities: vulnerabilities(document.matches, inventory.distribution),
    }),
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

function systemComponent({ id, versionId, codename, like }: Distribution): object {
  const properties: Property[] = [];
  if (codename !== undefined) properties.push({ name: PROPERTIES.codename, value: codename });
  if (like.length > 0) properties.push({ name: PROPERTIES.like, value: like.join(' ') });
  return {
    type: 'operating-system',
    'bom-ref': SYSTEM,
    name: id,
    ...(versionId !== undefined && { version: versionId }),
    ...(properties.length > 0 && { properties }),
  };
}

function packageComponent({ purl, item, paths }: SbomPackage): object {
  const properties: Property[] = [];
  if (item.source !== undefined) {
    properties.push({ name: PROPERTIES.sourceName, value: item.source.name });
    properties.push({ name: PROPERTIES.sourceVersion, value: item.source.version });
  }
  if (item.vendor !== undefined) properties.push({ name: PROPERTIES.vendor, value: item.vendor });
  const colon = item.type === 'maven' ? item.name.indexOf(':') : -1;
  return {
    type: 'library',
    'bom-ref': purl,
    ...(colon > 0 && { group: item.name.slice(0, colon) }),
    name: item.name.slice(colon + 1),
    version: item.version,
    purl,
    evidence: { occurrences: paths.map((location) => ({ location })) },
    ...(properties.length > 0 && { properties }),
  };
}

/** One entry for each vulnerability, and one more where some of its matches are suppressed. */
function vulnerabilities(matches: readonly VulnerabilityMatch[], distribution?: Distribution): readonly object[] {
  const groups = new Map<string, VulnerabilityMatch[]>();
  for (const match of matches) {
    const { suppressed } = match;
    const key = [
      match.vulnerability.id,
      match.vulnerability.advisory,
      suppressed?.by ?? '',
      suppressed?.reason ?? '',
    ].join('\0');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [match]);
    else group.push(match);
  }
  return [...groups.values()].map((group, index) => vulnerabilityEntry(group, index, distribution));
}

function vulnerabilityEntry(group: readonly VulnerabilityMatch[], index: number, distribution?: Distribution): object {
  const [first] = group;
  if (first === undefined) return {};
  const { vulnerability, suppressed } = first;
  const fixes = new Set(
    group.flatMap((each) =>
      each.fixedVersion === undefined ? [] : [`Upgrade ${each.package.name} to ${each.fixedVersion}.`],
    ),
  );
  const refs = new Map(group.map((each) => [packageUrl(each.package, distribution), each.package.version]));
  return {
    'bom-ref': `vulnerability-${String(index + 1)}`,
    id: vulnerability.id,
    source: { name: 'OSV', url: `https://osv.dev/vulnerability/${encodeURIComponent(vulnerability.advisory)}` },
    ...(vulnerability.aliases.length > 0 && {
      references: vulnerability.aliases.map((id) => ({ id, source: { name: 'OSV' } })),
    }),
    ratings: ratings(vulnerability),
    ...(vulnerability.summary !== undefined && { description: vulnerability.summary }),
    ...(fixes.size > 0 && { recommendation: [...fixes].join(' ') }),
    ...(vulnerability.publishedAt !== undefined && { published: sbomTime(vulnerability.publishedAt) }),
    ...(vulnerability.modifiedAt !== undefined && { updated: sbomTime(vulnerability.modifiedAt) }),
    ...(suppressed?.by === 'vex' && { analysis: { state: 'not_affected', detail: suppressed.reason } }),
    affects: [...refs].map(([ref, version]) => ({ ref, versions: [{ version, status: 'affected' }] })),
    ...(suppressed !== undefined && {
      properties: [
        { name: PROPERTIES.suppressedBy, value: suppressed.by },
        { name: PROPERTIES.suppressedReason, value: suppressed.reason },
      ],
    }),
  };
}

const METHODS = { '2.0': 'CVSSv2', '3.0': 'CVSSv3', '3.1': 'CVSSv31', '4.0': 'CVSSv4' } as const;

function ratings({ severity, cvss, epss, kev }: Vulnerability): readonly object[] {
  return [
    { severity: severityWord(severity) },
    ...(cvss === undefined ? [] : [{ method: METHODS[cvss.version], score: cvss.score, vector: cvss.vector }]),
    ...(epss === undefined ? [] : [{ source: { name: 'EPSS' }, method: 'other', score: epss.score }]),
    ...(kev === undefined
      ? []
      : [{ source: { name: 'CISA KEV' }, method: 'other', justification: 'known to be exploited' }]),
  ];
}

/** CycloneDX has no `negligible`. */
function severityWord(severity: VulnerabilitySeverity): string {
  return severity === 'negligible' ? 'info' : severity;
}
