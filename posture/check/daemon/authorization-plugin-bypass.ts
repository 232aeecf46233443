import type { DockerFact } from '../../fact/docker.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { isAffected, isDistributionBuild, releaseOf } from '../release.ts';
import { ENGINE_VULNERABILITIES } from './engine-release.ts';
import type { EngineVulnerability } from './engine-release.ts';
import { daemonCheck, unseenReason } from './setting.ts';

/** The vulnerabilities that let a request pass a plugin. */
const BYPASSES = ENGINE_VULNERABILITIES.filter(({ bypassesPlugins }) => bypassesPlugins === true);
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
    const missing = BYPASSES.filter((vulnerability) => isAffected(vulnerability, release));
    return missing.length === 0 ? pass(evidence) : judgePackage(docker, missing, evidence);
  },
});

/** An engine whose version lacks fixes: its package can contain them. */
function judgePackage(docker: DockerFact, missing: readonly EngineVulnerability[], evidence: Evidence): Judgement {
  const ids = missing.map(({ id }) => id).join(' and ');
  const problem = `fixes of ${ids} are missing`;
  const installed = docker.package;
  if (installed.state === 'unreadable')
    return unknownBecause(`whether the package contains the fixes of ${ids}: ${unseenReason(installed)}`, evidence);
  if (installed.state === 'absent')
    return isDistributionBuild(evidence.seen)
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
