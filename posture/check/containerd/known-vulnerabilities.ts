import type { ContainerdsFact } from '../../fact/containerd.ts';
import { userOfEngine } from '../../fact/docker.ts';
import type { DockerFact } from '../../fact/docker.ts';
import type { Facts } from '../../fact/facts.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { isoTime, quote } from '../evidence-text.ts';
import { isDistributionBuild, isLocalInstallation, isOutdated, releaseOf } from '../release.ts';
import { endOfBranch, FIXED_RUNC, RUNTIME_DATA_MS, vulnerabilitiesOf } from './runtime-release.ts';
import type { RuntimeProgram } from './runtime-release.ts';

/** A version, and who says so. */
interface ToldVersion {
  readonly name: RuntimeProgram;
  readonly version: string;
  readonly source: string;
}

export const knownVulnerabilities = nodeCheck({
  id: 'containerd.known-vulnerabilities',
  title: 'containerd and runc have no known vulnerabilities',
  failTitle: 'containerd or runc lack fixes of known vulnerabilities',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'Flaws such as CVE-2024-21626 and CVE-2025-31133 of runc let an image or a container take over the host. A branch that has ended gets no fixes for the next one.',
  remediation:
    'Update containerd and runc to the newest releases of branches that their projects maintain, or to the newest packages of your distribution, then restart containerd. For a package of a distribution, look for each CVE that is named in its security tracker: it may have the fix without a new version.',
  references: [
    'https://containerd.io/releases/',
    'https://github.com/containerd/containerd/security/advisories',
    'https://github.com/opencontainers/runc/security/advisories',
  ],
  judges: 'node',
  needs: ['clock', 'containerds', 'docker', 'engines'],
  judge: ({ clock, containerds: { daemons }, docker, engines }) => {
    // The engine of a user says what the user likes, and runs no containerd of the node.
    const ofNode = [docker, ...engines].filter(({ endpoint }) => userOfEngine(endpoint) === 0);
    const versions = ofNode.flatMap(versionsOf);
    if (daemons.state === 'unreadable') return unknownBecause(`${daemons.source}: ${daemons.reason}`);
    if (daemons.state === 'absent' && versions.length === 0)
      return notApplicable('containerd does not run on this host');
    const isUpstream = isUpstreamBuild(daemons);
    const judged = versions.map((one) => judgeVersion(one, isUpstream, clock.nowMs));
    return withAllReasons([...judged, ...unseenParts(ofNode, daemons)]);
  },
});

/** The worst answer, with the reasons of all that are as bad: runc may lack other fixes than containerd. */
function withAllReasons(parts: readonly Judgement[]): Judgement {
  const worst = allOf('high', parts);
  const reasons = parts.filter(({ verdict }) => verdict === worst.verdict).flatMap(({ reason }) => reason ?? []);
  return reasons.length <= 1 ? worst : { ...worst, reason: [...new Set(reasons)].join('. ') };
}

function versionsOf({ api, endpoint }: DockerFact): readonly ToldVersion[] {
  if (api.state !== 'seen') return [];
  return api.value.components.map((one) => ({ ...one, source: endpoint }));
}

/** Does each containerd come from its project or from Docker, which backport nothing? */
function isUpstreamBuild(daemons: ContainerdsFact['daemons']): boolean {
  return (
    daemons.state === 'seen' &&
    daemons.value.every(
      ({ executable, package: installed }) =>
        isLocalInstallation(executable) || (installed.state === 'seen' && installed.value.name === 'containerd.io'),
    )
  );
}

function judgeVersion({ name, version, source }: ToldVersion, isUpstream: boolean, nowMs: number): Judgement {
  const known = isoTime(RUNTIME_DATA_MS).slice(0, 10);
  const seen = quote(`${name} ${version}`);
  const evidence = { source, seen, expected: `a maintained release with all fixes that were known on ${known}` };
  const release = releaseOf(version);
  if (release === undefined) return unknownBecause(`the version of ${name} is not understood`, evidence);
  const missing = vulnerabilitiesOf(name, release);
  const end = endOfBranch(name, release);
  const parts = [
    ...(end !== undefined && end <= known ? [`${name} gets no fixes of this branch since ${end}`] : []),
    ...(missing.length === 0 ? [] : [`fixes of ${missing.join(', ')} are missing in ${name}`]),
  ];
  if (parts.length > 0)
    return isUpstream && !isDistributionBuild(version)
      ? fail(parts.join('; '), evidence)
      : unknownBecause(
          `by the release alone, ${parts.join('; ')}; the package of a distribution may have them: look for them in its security tracker`,
          evidence,
        );
  if (!Number.isInteger(release))
    return unknownBecause(`a pre-release of ${name}: advisories name releases only`, evidence);
  if (isOutdated(RUNTIME_DATA_MS, nowMs))
    return unknownBecause(`what is known about releases is of ${known}: update Plimsoll`, evidence);
  return end !== undefined && end <= isoTime(nowMs).slice(0, 10)
    ? unknownBecause(`on ${known} the project planned to end this branch of ${name} on ${end}`, evidence)
    : pass(evidence);
}

/** What no engine told: a containerd without a version, and runc, about which the CRI says nothing. */
function unseenParts(engines: Facts['engines'], daemons: ContainerdsFact['daemons']): readonly Judgement[] {
  const told = engines.map(versionsOf);
  const runs = daemons.state === 'seen' ? daemons.value : [];
  const unseen: Judgement[] = [];
  const hasVersion = told.filter((all) => all.some(({ name }) => name === 'containerd')).length;
  if (hasVersion < runs.length)
    unseen.push(
      unknownBecause(`${String(runs.length)} containerd run, and the version of ${String(hasVersion)} is known`),
    );
  // Docker and the kubelet of one containerd start the same runc.
  const hasRunc = told.some((all) => all.some(({ name }) => name === 'runc')) && runs.length <= 1;
  if (!hasRunc)
    unseen.push(
      manual(
        `no engine tells the version of runc: confirm that runc --version says ${FIXED_RUNC}, or a later release`,
        {
          source: daemons.source,
          seen: 'not told',
          expected: FIXED_RUNC,
        },
      ),
    );
  return unseen;
}
