import * as s from '../posture/schema.ts';
import { imageUseFields } from './node.ts';
import { count, time } from './part.ts';
import { imageVerdicts, tagState } from './policy.ts';

/** Severities of vulnerabilities, worst first; `unknown`: neither vendor nor CVSS rates it. */
export const VULNERABILITY_SEVERITIES = Object.freeze([
  'critical',
  'high',
  'medium',
  'low',
  'negligible',
  'unknown',
] as const);

/** The vulnerability database of the collector. */
export const databaseState = s.object({
  state: s.openOneOf(
    ['ok', 'tooOld', 'missing', 'damaged', 'older'],
    'older: built before the one that was used last, so it is not used. Only `ok` and `tooOld` find vulnerabilities',
  ),
  builtMs: s.nullable(time('when it was built')),
  problem: s.string('why it is not current; empty: it is'),
});
/** See {@link databaseState}. */
export type DatabaseState = s.Infer<typeof databaseState>;

const severity = s.openOneOf(VULNERABILITY_SEVERITIES);
const risk = s.number('0 to 100, from severity, known exploitation and EPSS');
const imageState = s.openOneOf(
  ['complete', 'partial', 'pending', 'unknown'],
  'complete: there are packages, and every one was read and judged. Otherwise the absence of a vulnerability means ' +
    'nothing: partial: some; pending: not yet; unknown: nothing could be read',
);
const source = s.openOneOf(
  ['layers', 'container', 'none'],
  'layers: the files of the image; container: the root of a running container, which can show what it likes; none: no ' +
    'inventory',
);

const vulnerabilityCounts = s.object(
  {
    critical: count(),
    high: count(),
    medium: count(),
    low: count(),
    other: count('severity negligible or unknown'),
    fixable: count('fixed in a later version of the package'),
    exploited: count('known to be exploited (CISA KEV)'),
  },
  'vulnerabilities, each counted once however many packages it affects',
);

const imageFields = {
  source,
  state: imageState,
  reason: s.string('why it is not complete; empty: it is'),
  distribution: s.string('`debian 12`; empty: none, or not known'),
  atRest: count('nodes that have the image without a container that runs it'),
  conflict: s.boolean(
    'nodes contradict each other about its packages: different ones in its layers, or another distribution; all of them count',
  ),
};

/** One image of the fleet. */
export const imageSummary = s.object({
  id: s.string('sha256:… of the configuration'),
  names: s.list(s.string(), 'references that containers were started from; of an image at rest its tags', 16),
  ...imageFields,
  packages: count('package versions'),
  containers: count('running containers'),
  nodes: count('nodes that run it'),
  movedTags: s.withDefault(
    count('tags that containers were started from and that name something else now, or nothing'),
    0,
  ),
  counts: vulnerabilityCounts,
  maxRisk: risk,
});
/** See {@link imageSummary}. */
export type ImageSummary = s.Infer<typeof imageSummary>;

const cursor = s.nullable(s.string('of the next page; absent: this is the last one'));

/** A page of images, by risk. */
export const imageList = s.object({
  database: databaseState,
  notListed: count('images that no container runs, which only `unused=true` lists'),
  images: s.list(imageSummary, '', 1000),
  cursor,
});

const suppressionFields = {
  by: s.openOneOf(['vex', 'waiver']),
  reason: s.string(),
  source: s.string('id or name of the VEX document, or file and place of the waiver'),
  owner: s.nullable(s.string('who answers for the waiver')),
  untilMs: s.nullable(time('from then on the waiver does not apply')),
};
const suppression = s.object(suppressionFields, 'why it does not count; absent: it counts');

const epssScore = s.nullable(s.number('EPSS: probability of exploitation within 30 days, 0 to 1'));

const imageVulnerability = s.object({
  id: s.string('CVE, or id of the advisory'),
  severity,
  risk,
  exploited: s.boolean('known to be exploited (CISA KEV)'),
  epss: epssScore,
  package: s.string(),
  version: s.string('installed version'),
  status: s.openOneOf(['fixed', 'affected', 'will-not-fix', 'fix-deferred', 'end-of-life']),
  fixedVersion: s.nullable(s.string('first version with the fix')),
  summary: s.nullable(s.string('written by the author of the advisory')),
  firstSeenMs: time('when it was found in the fleet'),
  suppressed: s.nullable(suppression),
});

/** An upgrade in an image and what it mends. */
export const fix = s.object({
  imageId: s.string(),
  imageName: s.string('a reference that containers were started from'),
  type: s.string('kind of the package, as in package URLs'),
  package: s.string('the source package where the distribution builds several from one'),
  version: s.string('installed version'),
  fixedVersion: s.string('version to upgrade to'),
  vulnerabilities: count('vulnerabilities that the upgrade removes'),
  ids: s.list(s.string(), 'the ten of highest risk', 10),
  exploited: count('of them known to be exploited'),
  maxRisk: risk,
  totalRisk: s.number('sum of their risks'),
  containers: count('running containers of the image'),
});

/** See {@link fix}. */
export type Fix = s.Infer<typeof fix>;

/** Upgrades, by the risk that they remove from running containers. */
export const fixList = s.object({ database: databaseState, fixes: s.list(fix, '', 1000) });
/** See {@link fixList}. */
export type FixList = s.Infer<typeof fixList>;

/** One image: where it runs, what is in it, and what is wrong with it. */
export const imageDetail = s.object({
  ...imageUseFields,
  ...imageFields,
  database: databaseState,
  inventories: s.list(
    s.object({
      digest: s.string('SHA-256 of the inventory'),
      source,
      packages: count(),
      nodes: s.list(s.string(), 'names of the nodes that found it', 100),
    }),
    'inventories that nodes found in the image',
    1000,
  ),
  packages: s.list(
    s.object({
      type: s.string(),
      name: s.string(),
      version: s.string(),
      architecture: s.nullable(s.string()),
      path: s.string('where it was found in the image'),
    }),
    '',
    50_000,
  ),
  vulnerabilities: s.list(imageVulnerability, 'by risk', 50_000),
  unjudged: s.list(
    s.object({ package: s.string(), version: s.string(), reason: s.string() }),
    'packages whose vulnerabilities are not known',
    50_000,
  ),
  gaps: s.list(
    s.object({ path: s.string(), reason: s.string() }),
    'parts of the image that could not be read, so whose packages are not known',
    1000,
  ),
  setuid: s.list(
    s.object({ path: s.string(), mode: s.string('octal: `4755`') }),
    'setuid and setgid files of the image, at most 256 of each inventory',
    1000,
  ),
  fixes: s.list(fix, 'by the risk that they remove', 1000),
  tags: s.withDefault(
    s.list(tagState, 'tags that its containers were started from, where a registry may be asked', 100),
    [],
  ),
  verdicts: s.withDefault(s.list(imageVerdicts, 'of the image policies; empty: there are none, or not yet', 100), []),
});
/** See {@link imageDetail}. */
export type ImageDetail = s.Infer<typeof imageDetail>;

const vulnerabilityFields = {
  id: s.string('CVE, or id of the advisory'),
  severity,
  risk,
  exploited: s.boolean('known to be exploited (CISA KEV)'),
  summary: s.nullable(s.string('written by the author of the advisory')),
};

/** One vulnerability of the fleet. */
export const fleetVulnerability = s.object({
  ...vulnerabilityFields,
  epss: epssScore,
  fixable: s.boolean('some affected package has a version with the fix'),
  packages: s.list(s.string(), 'names of affected packages', 8),
  images: count('affected images that run'),
  containers: count('affected running containers'),
  nodes: count('nodes that run them'),
  isSuppressed: s.boolean('no affected package version counts'),
  suppressed: s.list(
    s.object({ package: s.string(), version: s.string(), ...suppressionFields }),
    'affected package versions that do not count, and why',
    8,
  ),
});
/** See {@link fleetVulnerability}. */
export type FleetVulnerability = s.Infer<typeof fleetVulnerability>;

/** A page of vulnerabilities, by risk. */
export const vulnerabilityList = s.object({
  database: databaseState,
  vulnerabilities: s.list(fleetVulnerability, '', 1000),
  cursor,
});

/** One vulnerability and all that it affects. */
export const vulnerabilityDetail = s.object({
  ...vulnerabilityFields,
  advisories: s.list(s.string(), 'ids of advisories', 100),
  aliases: s.list(s.string(), 'other ids', 100),
  cvss: s.nullable(s.object({ version: s.string(), vector: s.string(), score: s.number() })),
  epss: s.nullable(s.object({ score: s.number('probability of exploitation within 30 days'), percentile: s.number() })),
  exploitedSinceMs: s.nullable(time('when it was added to the catalogue of known exploited vulnerabilities')),
  ransomware: s.nullable(s.boolean('known to be used by ransomware')),
  packages: s.list(
    s.object({
      type: s.string(),
      name: s.string(),
      version: s.string('installed version'),
      status: s.string(),
      fixedVersion: s.nullable(s.string()),
      suppressed: s.nullable(suppression),
    }),
    'affected package versions',
    10_000,
  ),
  images: s.list(
    s.object({ id: s.string(), name: s.string(), containers: count('affected running containers') }),
    'affected images that run',
    10_000,
  ),
  nodes: count('nodes with affected containers'),
  containers: s.list(
    s.object({
      nodeId: s.string(),
      nodeName: s.string(),
      id: s.string(),
      name: s.string(),
      image: s.string(),
      imageId: s.string(),
    }),
    'affected running containers',
    100_000,
  ),
});
/** See {@link vulnerabilityDetail}. */
export type VulnerabilityDetail = s.Infer<typeof vulnerabilityDetail>;
