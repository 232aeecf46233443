import type { DockerFact } from '../../fact/docker.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';
import { isAffected, isDistributionBuild, isOutdated, releaseOf } from '../release.ts';
import { endOf, ENGINE_VULNERABILITIES, FIRST_UNKNOWN_RELEASE, RELEASE_DATA_MS } from './engine-release.ts';
import { unseenReason } from './setting.ts';

export const supportedRelease = nodeCheck({
  id: 'daemon.supported-release',
  title: 'Engine is a release that still gets fixes',
  failTitle: 'Engine lacks fixes or gets no more of them',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'Vulnerabilities of the engine let a container or an image reach the host. A branch that has ended gets no fixes for them, and an old release of a current branch lacks those that exist.',
  remediation:
    'Update to the newest release of a branch that moby maintains, or to the newest package of your distribution.',
  references: [
    'https://docs.docker.com/engine/release-notes/',
    'https://github.com/moby/moby/blob/master/project/BRANCHES-AND-TAGS.md',
  ],
  judges: 'docker',
  needs: ['clock', 'docker'],
  judge: ({ clock, docker }) => {
    const { api } = docker;
    if (api.state !== 'seen') return unknownBecause(unseenReason(api));
    const { version } = api.value;
    const evidence = { source: api.source, seen: version, expected: 'a maintained release with all known fixes' };
    const release = releaseOf(version);
    if (release === undefined) return unknownBecause('the version of the engine is not understood', evidence);
    const problem = problemOf(release);
    if (problem !== undefined) return judgePackage(docker, problem, evidence);
    const undecided = ENGINE_VULNERABILITIES.find(({ undecided: ranges = [] }) =>
      ranges.some(([from, to]) => release >= from && release < to),
    );
    if (undecided !== undefined)
      return unknownBecause(`it is not published whether this release has the fix of ${undecided.id}`, evidence);
    const known = isoTime(RELEASE_DATA_MS).slice(0, 10);
    if (release >= FIRST_UNKNOWN_RELEASE)
      return unknownBecause(
        `this branch is newer than what is known about releases (${known}): update Plimsoll`,
        evidence,
      );
    return isOutdated(RELEASE_DATA_MS, clock.nowMs)
      ? unknownBecause(`what is known about releases is of ${known}: update Plimsoll`, evidence)
      : pass({ ...evidence, expected: `${evidence.expected} of ${known}` });
  },
});

function problemOf(release: number): string | undefined {
  const since = endOf(release);
  const missing = ENGINE_VULNERABILITIES.filter((one) => isAffected(one, release)).map(({ id }) => id);
  const parts = [
    ...(since === undefined ? [] : [`moby does not fix this branch since ${since}`]),
    ...(missing.length === 0 ? [] : [`fixes of ${missing.join(', ')} are missing`]),
  ];
  return parts.length === 0 ? undefined : parts.join('; ');
}

/** Distributions fix the engine of their packages without a new version, and beyond the end of its branch. */
function judgePackage({ package: installed }: DockerFact, problem: string, evidence: Evidence): Judgement {
  const doubt = `of the release alone: ${problem}; whether the package has the fixes is for the vulnerability list of its distribution`;
  if (installed.state === 'unreadable') return unknownBecause(`${doubt} (${unseenReason(installed)})`, evidence);
  if (installed.state === 'absent')
    return isDistributionBuild(evidence.seen) ? unknownBecause(doubt, evidence) : fail(problem, evidence);
  const { name, version } = installed.value;
  const both = [evidence, { source: installed.source, seen: `${name} ${version}`, expected: 'a current package' }];
  return name === 'docker-ce' ? fail(problem, ...both) : unknownBecause(doubt, ...both);
}
