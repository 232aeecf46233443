import type { DockerFact } from '../../fact/docker.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { daemonCheck, unseenReason } from './setting.ts';

interface Vulnerability {
  readonly id: string;
  /** Releases of moby without the fix, as numbers: from the first, up to the one before the second. */
  readonly affected: readonly (readonly [from: number, fixed: number])[];
}

/**
 * By the tags of moby that contain the fixes: 19.03, 20.10, 24.0 and 26.0 got them without a further release. A release
 * is a number: 26.1.5 is 26_001_005.
 */
const VULNERABILITIES: readonly Vulnerability[] = [
  {
    id: 'CVE-2024-41110',
    affected: [
      [0, 18_009_001],
      [19_003_000, 23_000_015],
      [24_000_000, 25_000_006],
      [26_000_000, 26_001_005],
      [27_000_000, 27_001_001],
    ],
  },
  {
    id: 'CVE-2026-34040',
    affected: [
      [0, 25_000_016],
      [26_000_000, 28_005_003],
      [29_000_000, 29_003_001],
    ],
  },
];
/** Packages of distributions that fix both without a new version of the engine; from their changelogs. */
const FIXED_PACKAGES = [/^26\.1\.5\+dfsg1-9\+deb13u[1-9]/];

export const authorizationPluginBypass = daemonCheck({
  id: 'daemon.authorization-plugin-bypass',
  title: 'Engine shows all request bodies to its authorization plugins',
  failTitle: 'Engine lets requests bypass its authorization plugins',
  severity: 'high',
  rationale:
    'Engines without the fixes of CVE-2024-41110 and CVE-2026-34040 perform requests whose body they do not show to the plugin: with a length of zero, or above 1 MiB. A plugin that does not refuse such requests lets a privileged container pass.',
  remediation:
    'Update Docker to 29.3.1 or newer, or 25.0.16 or newer of the branch 25.0, or the package of your distribution that fixes both. Use a plugin that refuses requests without a body, such as plimsoll authz.',
  reference: 'https://github.com/moby/moby/security/advisories/GHSA-v23v-6jw2-98fq',
  judge: (docker) => {
    if (docker.api.state !== 'seen') return unknownBecause(unseenReason(docker.api));
    const { version, authorizationPlugins } = docker.api.value;
    if (authorizationPlugins.length === 0) return notApplicable('no authorization plugin is active');
    const evidence = {
      source: docker.api.source,
      seen: version,
      expected: '29.3.1 or newer, or a release with the fixes',
    };
    const release = releaseOf(version);
    if (release === undefined) return unknownBecause('the version of the engine is not understood', evidence);
    const missing = VULNERABILITIES.filter(({ affected }) =>
      affected.some(([from, fixed]) => release >= from && release < fixed),
    );
    return missing.length === 0 ? pass(evidence) : judgePackage(docker, missing, evidence);
  },
});

/** An engine whose version lacks fixes: its package can contain them. */
function judgePackage(docker: DockerFact, missing: readonly Vulnerability[], evidence: Evidence): Judgement {
  const ids = missing.map(({ id }) => id).join(' and ');
  const problem = `fixes of ${ids} are missing`;
  const installed = docker.package;
  if (installed.state === 'unreadable')
    return unknownBecause(`whether the package contains the fixes of ${ids}: ${unseenReason(installed)}`, evidence);
  const isOfDistribution = /[+~]|-(?!rc|beta|alpha)/.test(evidence.seen);
  if (installed.state === 'absent')
    return isOfDistribution
      ? unknownBecause(`whether this build contains the fixes of ${ids}`, evidence)
      : fail(problem, evidence);
  const { name, version } = installed.value;
  const both = [
    evidence,
    { source: installed.source, seen: `${name} ${version}`, expected: 'a package with the fixes' },
  ] as const;
  if (name === 'docker-ce') return fail(problem, ...both);
  return FIXED_PACKAGES.some((fixed) => fixed.test(version))
    ? pass(...both)
    : unknownBecause(`whether the package contains the fixes of ${ids}`, ...both);
}

/** `28.0.0-rc.1` is before 28.0.0: no pre-release has a fix that its release has not. */
function releaseOf(version: string): number | undefined {
  const match = /^v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])/.exec(version);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return major * 1e6 + minor * 1e3 + patch - (/-(?:rc|beta|alpha)/.test(version) ? 0.5 : 0);
}
