import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { ImageEvidence } from '../../../policy/evidence.ts';
import type { InventoryGap } from '../../../vulnerability/package.ts';
import { DAY, DIGEST, HOUR, log4j, matchOf, NOW, openssl } from '../../fixture/image-evidence.ts';
import { table } from './rule-table.ts';

const configured = (parts: object): Partial<ImageEvidence> => ({
  configuration: seen(
    {
      createdAt: absent('config'),
      architecture: absent('config'),
      environmentSecrets: absent('config'),
      checks: new Map(),
      ...parts,
    },
    'config',
  ),
});
const none = absent('nothing');
const broken = unreadable('somewhere', 'connection refused');

const age = { type: 'age', maxAge: '30d' };
table('age', {
  young: { rule: age, codes: [] },
  'exactly as old as allowed': { rule: age, evidence: configured({ createdAt: seen(NOW - 30 * DAY, 'c') }), codes: [] },
  old: { rule: age, evidence: configured({ createdAt: seen(NOW - 31 * DAY, 'c') }), codes: ['image-too-old'] },
  'the epoch of reproducible builds': {
    rule: age,
    evidence: configured({ createdAt: seen(0, 'c') }),
    codes: ['image-too-old'],
  },
  'from the future': {
    rule: age,
    evidence: configured({ createdAt: seen(NOW + DAY, 'c') }),
    codes: ['?image-age-unknown'],
  },
  'a clock that is a little ahead': {
    rule: age,
    evidence: configured({ createdAt: seen(NOW + 60_000, 'c') }),
    codes: [],
  },
  'no time': { rule: age, evidence: configured({}), codes: ['?image-age-unknown'] },
  'no configuration': { rule: age, evidence: { configuration: none }, codes: ['?image-age-unknown'] },
});

const architecture = { type: 'architecture', allow: ['amd64', 'arm64'] };
table('architecture', {
  allowed: { rule: architecture, codes: [] },
  other: {
    rule: architecture,
    evidence: configured({ architecture: seen('riscv64', 'c') }),
    codes: ['architecture-not-allowed'],
  },
  'upper case is another name': {
    rule: architecture,
    evidence: configured({ architecture: seen('AMD64', 'c') }),
    codes: ['architecture-not-allowed'],
  },
  unread: { rule: architecture, evidence: { configuration: broken }, codes: ['?architecture-unknown'] },
});

const configuration = { type: 'configuration', checks: ['image.default-user', 'image.healthcheck'] };
table('configuration', {
  'one passes, one fails': { rule: configuration, codes: ['check-failed'] },
  'not answered is not passed': {
    rule: configuration,
    evidence: configured({}),
    codes: ['?check-unknown', '?check-unknown'],
  },
  'a question for a person': {
    rule: { type: 'configuration', checks: ['image.default-user'] },
    evidence: configured({ checks: new Map([['image.default-user', { verdict: 'manual', reason: 'look' }]]) }),
    codes: ['?check-unknown'],
  },
  'an SBOM has no configuration': {
    rule: configuration,
    evidence: { configuration: none },
    codes: ['?check-unknown', '?check-unknown'],
  },
});

const environment = { type: 'configuration', forbidEnvironmentSecrets: true };
table('secrets in the environment', {
  none: { rule: environment, codes: [] },
  'one reason each': {
    rule: environment,
    evidence: configured({ environmentSecrets: seen(['DB_PASSWORD', 'NPM_TOKEN'], 'config') }),
    codes: ['environment-secret', 'environment-secret'],
  },
  'not known': {
    rule: environment,
    evidence: configured({ environmentSecrets: broken }),
    codes: ['?environment-unknown'],
  },
  'an SBOM has no environment': {
    rule: environment,
    evidence: { configuration: none },
    codes: ['?environment-unknown'],
  },
  'the configuration is malformed': {
    rule: environment,
    evidence: { configuration: broken },
    codes: ['?environment-unknown'],
  },
});

const setuid = { type: 'configuration', allowSetuid: ['/usr/bin/su', '/usr/lib/dbus-*'] };
const withSetuid = (paths: readonly string[], gaps: readonly InventoryGap[] = []): Partial<ImageEvidence> => ({
  inventory: seen(
    { packages: [], gaps: [], setuid: { files: paths.map((path) => ({ path, mode: 0o4755 })), gaps } },
    'archive',
  ),
});
const unwalked = { path: '/opt', reason: 'EACCES' };
table('setuid and setgid files', {
  none: { rule: setuid, codes: [] },
  'only those that are allowed': {
    rule: setuid,
    evidence: withSetuid(['/usr/bin/su', '/usr/lib/dbus-1/x']),
    codes: [],
  },
  'others, one reason each': {
    rule: setuid,
    evidence: withSetuid(['/usr/bin/su', '/usr/bin/su2', '/tmp/usr/bin/su']),
    codes: ['setuid-file', 'setuid-file'],
  },
  'none is allowed': {
    rule: { ...setuid, allowSetuid: [] },
    evidence: withSetuid(['/usr/bin/su']),
    codes: ['setuid-file'],
  },
  'a directory that was not walked may hold some': {
    rule: setuid,
    evidence: withSetuid([], [unwalked]),
    codes: ['?setuid-unknown'],
  },
  'a directory that need not be readable': {
    rule: setuid,
    evidence: withSetuid([], [unwalked]),
    accept: { gaps: ['/opt'] },
    codes: [],
  },
  'what was found is a reason beside what was not seen': {
    rule: setuid,
    evidence: withSetuid(['/x'], [unwalked]),
    codes: ['?setuid-unknown', 'setuid-file'],
  },
  'nobody looked, as for an SBOM': {
    rule: setuid,
    evidence: { inventory: seen({ packages: [], gaps: [] }, 'sbom') },
    codes: ['?setuid-unknown'],
  },
  'the inventory failed': { rule: setuid, evidence: { inventory: broken }, codes: ['?setuid-unknown'] },
  'there are no files': { rule: setuid, evidence: { inventory: none }, codes: ['?setuid-unknown'] },
});

const database = { type: 'database', maxAge: '24h' };
const built = (builtAt: number): Partial<ImageEvidence> => ({
  database: seen({ builtAt, hasKnownExploited: true, hasExploitPrediction: true }, 'vulndb'),
});
table('database', {
  recent: { rule: database, codes: [] },
  old: { rule: database, evidence: built(NOW - 25 * HOUR), codes: ['?database-too-old'] },
  'from the future': { rule: database, evidence: built(NOW + 25 * HOUR), codes: ['?database-unknown'] },
  none: { rule: database, evidence: { database: none }, codes: ['?database-unknown'] },
  damaged: { rule: database, evidence: { database: broken }, codes: ['?database-unknown'] },
});

const distribution = { type: 'distribution' };
const ends = (at: number): Partial<ImageEvidence> => ({
  distribution: seen({ name: 'debian 12', endOfLifeAt: seen(at, 'vulndb') }, 'os-release'),
});
table('distribution', {
  supported: { rule: distribution, codes: [] },
  ended: { rule: distribution, evidence: ends(NOW - DAY), codes: ['distribution-end-of-life'] },
  'ends now': { rule: distribution, evidence: ends(NOW), codes: ['distribution-end-of-life'] },
  'not for long enough': {
    rule: { ...distribution, minSupport: '90d' },
    evidence: ends(NOW + 30 * DAY),
    codes: ['distribution-end-of-life'],
  },
  'a release that the database does not know': {
    rule: distribution,
    evidence: {
      distribution: seen({ name: 'debian 99', endOfLifeAt: unreadable('vulndb', 'unknown release') }, 'os-release'),
    },
    codes: ['?distribution-unknown'],
  },
  'from scratch': {
    rule: distribution,
    evidence: { distribution: none, inventory: seen({ packages: [log4j], gaps: [] }, 'archive') },
    codes: [],
  },
  'os-release was removed, the packages were not': {
    rule: distribution,
    evidence: { distribution: none },
    codes: ['?distribution-unknown'],
  },
  'os-release was made unreadable': {
    rule: distribution,
    evidence: {
      distribution: none,
      inventory: seen({ packages: [], gaps: [{ path: '/etc/os-release', reason: 'is a device' }] }, 'archive'),
    },
    codes: ['?distribution-unknown'],
  },
});

const packages = (forbid: object): object => ({ type: 'package', forbid: [forbid] });
const gap = {
  inventory: seen({ packages: [openssl], gaps: [{ path: '/app/x.jar', reason: 'is damaged' }] }, 'archive'),
};
table('package', {
  'not in the image': { rule: packages({ name: 'telnetd' }), codes: [] },
  'by name': { rule: packages({ name: 'libssl3' }), codes: ['package-forbidden'] },
  'by source package': { rule: packages({ name: 'openssl' }), codes: ['package-forbidden'] },
  'by pattern': { rule: packages({ name: '*:log4j-*' }), codes: ['package-forbidden'] },
  'of another kind': { rule: packages({ name: 'libssl3', type: 'rpm' }), codes: [] },
  'version in the range': {
    rule: packages({ name: '*:log4j-core', version: '>=2.0, <2.17.1' }),
    codes: ['package-forbidden'],
  },
  'version outside': { rule: packages({ name: '*:log4j-core', version: '<2.14.1' }), codes: [] },
  'version in the second alternative': {
    rule: packages({ name: '*:log4j-core', version: '<1.0 || =2.14.1' }),
    codes: ['package-forbidden'],
  },
  'dpkg order': { rule: packages({ name: 'libssl3', version: '<3.0.11-1~' }), codes: [] },
  'version that cannot be compared': {
    rule: packages({ name: 'left-pad', version: '<2.0.0' }),
    evidence: {
      inventory: seen({ packages: [{ type: 'npm', name: 'left-pad', version: 'latest', path: '/x' }], gaps: [] }, 'a'),
    },
    codes: ['?package-unknown'],
  },
  'hidden behind a gap': { rule: packages({ name: 'log4j' }), evidence: gap, codes: ['?inventory-incomplete'] },
  'a gap that is accepted': {
    rule: packages({ name: 'log4j' }),
    evidence: gap,
    accept: { gaps: ['/app/*.jar'] },
    codes: [],
  },
  'found beside a gap': {
    rule: packages({ name: 'libssl3' }),
    evidence: gap,
    codes: ['?inventory-incomplete', 'package-forbidden'],
  },
  'no inventory': { rule: packages({ name: 'x' }), evidence: { inventory: broken }, codes: ['?inventory-incomplete'] },
});

const digest = { type: 'reference', requireDigest: true, forbidTags: ['latest', 'dev-*'] };
const tags = { type: 'reference', forbidTags: ['latest', 'dev-*'] };
table('reference', {
  'a tag without a digest': { rule: digest, codes: ['digest-missing'] },
  'a digest': { rule: digest, reference: `registry.example.com/db@${DIGEST}`, codes: [] },
  'a forbidden tag has no effect beside a digest': {
    rule: digest,
    reference: `registry.example.com/db:latest@${DIGEST}`,
    codes: [],
  },
  'no tag means latest': { rule: tags, reference: 'registry.example.com/db', codes: ['tag-not-allowed'] },
  'by pattern': { rule: tags, reference: 'registry.example.com/db:dev-7', codes: ['tag-not-allowed'] },
  'another tag': { rule: tags, codes: [] },
  'no reference': { rule: digest, reference: undefined, codes: ['?reference-unknown'] },
  malformed: { rule: tags, reference: 'a b', codes: ['?reference-unknown', 'reference-invalid'] },
});

const registry = { type: 'registry', allow: ['registry.example.com/shop/**', '*.corp.example/**'] };
table('registry', {
  allowed: { rule: registry, codes: [] },
  'another repository': { rule: registry, reference: 'registry.example.com/other/db', codes: ['registry-not-allowed'] },
  'upper case is the same registry': { rule: registry, reference: 'REGISTRY.example.com/shop/db', codes: [] },
  'a look-alike': {
    rule: registry,
    reference: 'registry.example.com.evil.test/shop/db',
    codes: ['registry-not-allowed'],
  },
  'the name as a path of another': {
    rule: registry,
    reference: 'evil.test/registry.example.com/shop/db',
    codes: ['registry-not-allowed'],
  },
  'Docker Hub by default': { rule: registry, reference: 'alpine', codes: ['registry-not-allowed'] },
  'may be the id of an image': {
    rule: { type: 'registry', allow: ['docker.io/**'] },
    reference: 'cafe',
    codes: ['?reference-unknown'],
  },
  'an SBOM without a name': { rule: registry, reference: undefined, codes: ['?reference-unknown'] },
  'nothing is allowed': { rule: { type: 'registry', allow: [] }, codes: ['registry-not-allowed'] },
});

const scan = { type: 'scan', maxAge: '24h' };
table('scan', {
  now: { rule: scan, codes: [] },
  'too long ago': { rule: scan, evidence: { scannedAt: seen(NOW - 25 * HOUR, 's') }, codes: ['scan-too-old'] },
  never: { rule: scan, evidence: { scannedAt: none }, codes: ['scan-missing'] },
  unknown: { rule: scan, evidence: { scannedAt: broken }, codes: ['?scan-unknown'] },
  'an SBOM that claims the future': {
    rule: scan,
    evidence: { scannedAt: seen(NOW + DAY, 's') },
    codes: ['?scan-unknown'],
  },
});

const matched = (...matches: readonly ReturnType<typeof matchOf>[]): Partial<ImageEvidence> => ({
  vulnerabilities: seen({ matches, unjudged: [] }, 'vulndb'),
});
const rule = (conditions: object): object => ({ type: 'vulnerability', ...conditions });
const withoutFeeds = {
  database: seen({ builtAt: NOW, hasKnownExploited: false, hasExploitPrediction: false }, 'vulndb'),
};
const kev = { addedAt: NOW - DAY, ransomware: false };
table('vulnerability', {
  none: { rule: rule({}), codes: [] },
  any: { rule: rule({}), evidence: matched(matchOf({ severity: 'negligible' })), codes: ['vulnerability'] },
  'as severe': { rule: rule({ severity: 'high' }), evidence: matched(matchOf()), codes: ['vulnerability'] },
  'less severe': { rule: rule({ severity: 'critical' }), evidence: matched(matchOf()), codes: [] },
  'nobody rated it': {
    rule: rule({ severity: 'high' }),
    evidence: matched(matchOf({ severity: 'unknown' })),
    codes: ['?vulnerability-unknown'],
  },
  'nobody rated it: refused': {
    rule: rule({ severity: 'high', unknownSeverity: 'refuse' }),
    evidence: matched(matchOf({ severity: 'unknown' })),
    codes: ['vulnerability'],
  },
  'nobody rated it: ignored': {
    rule: rule({ severity: 'high', unknownSeverity: 'ignore' }),
    evidence: matched(matchOf({ severity: 'unknown' })),
    codes: [],
  },
  'nobody rated it, but it has no fix': {
    rule: rule({ severity: 'high', fixAvailable: true }),
    evidence: matched(matchOf({ severity: 'unknown' }, { status: 'affected' })),
    codes: [],
  },
  'fix available': { rule: rule({ fixAvailable: true }), evidence: matched(matchOf()), codes: ['vulnerability'] },
  'no fix available': {
    rule: rule({ fixAvailable: true }),
    evidence: matched(matchOf({}, { status: 'will-not-fix' })),
    codes: [],
  },
  'fix within the grace': { rule: rule({ fixAvailableFor: '60d' }), evidence: matched(matchOf()), codes: [] },
  'fix after the grace': {
    rule: rule({ fixAvailableFor: '30d' }),
    evidence: matched(matchOf()),
    codes: ['vulnerability'],
  },
  'publication in the future': {
    rule: rule({ fixAvailableFor: '1d' }),
    evidence: matched(matchOf({ publishedAt: NOW + DAY })),
    codes: ['?vulnerability-unknown'],
  },
  exploited: { rule: rule({ knownExploited: true }), evidence: matched(matchOf({ kev })), codes: ['vulnerability'] },
  'not exploited': { rule: rule({ knownExploited: true }), evidence: matched(matchOf()), codes: [] },
  'a database without KEV': {
    rule: rule({ knownExploited: true }),
    evidence: { ...matched(matchOf()), ...withoutFeeds },
    codes: ['?vulnerability-unknown'],
  },
  'likely exploited': {
    rule: rule({ epss: 0.5 }),
    evidence: matched(matchOf({ epss: { score: 0.5, percentile: 0.9 } })),
    codes: ['vulnerability'],
  },
  'no score': { rule: rule({ epss: 0.5 }), evidence: matched(matchOf()), codes: [] },
  'a database without EPSS': {
    rule: rule({ epss: 0.5 }),
    evidence: { ...matched(matchOf()), ...withoutFeeds },
    codes: ['?vulnerability-unknown'],
  },
  risk: { rule: rule({ risk: 40 }), evidence: matched(matchOf()), codes: ['vulnerability'] },
  'less risk': { rule: rule({ risk: 40.1 }), evidence: matched(matchOf()), codes: [] },
  'less risk, by a database without KEV and EPSS, which would raise it': {
    rule: rule({ risk: 40.1 }),
    evidence: { ...matched(matchOf()), ...withoutFeeds },
    codes: ['?vulnerability-unknown'],
  },
  'the risk is reached without KEV and EPSS': {
    rule: rule({ risk: 40 }),
    evidence: { ...matched(matchOf()), ...withoutFeeds },
    codes: ['vulnerability'],
  },
  'by alias': {
    rule: rule({ ids: ['GHSA-x'] }),
    evidence: matched(matchOf({ aliases: ['GHSA-x'] })),
    codes: ['vulnerability'],
  },
  'every one is a reason': {
    rule: rule({}),
    evidence: matched(matchOf(), matchOf({ id: 'CVE-2026-2' })),
    codes: ['vulnerability', 'vulnerability'],
  },
  suppressed: {
    rule: rule({}),
    evidence: matched(matchOf({}, { suppressed: { by: 'vex', reason: 'r', source: 's' } })),
    codes: [],
  },
  'packages not judged': {
    rule: rule({}),
    evidence: {
      vulnerabilities: seen({ matches: [], unjudged: [{ package: openssl, code: 'third-party', reason: 'r' }] }, 'v'),
    },
    codes: ['?vulnerability-unknown'],
  },
  'packages not judged: accepted': {
    rule: rule({}),
    evidence: {
      vulnerabilities: seen({ matches: [], unjudged: [{ package: openssl, code: 'third-party', reason: 'r' }] }, 'v'),
    },
    accept: { unjudged: ['third-party'] },
    codes: [],
  },
  'hidden behind a gap': { rule: rule({ severity: 'critical' }), evidence: gap, codes: ['?inventory-incomplete'] },
  'no database': { rule: rule({}), evidence: { database: none, vulnerabilities: none }, codes: ['?database-unknown'] },
  'not looked up': { rule: rule({}), evidence: { vulnerabilities: none }, codes: ['?vulnerability-unknown'] },
});
