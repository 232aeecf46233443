import type { Declared } from '../../fact/container.ts';
import { fail, failAs, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { hasEnded, notSeen, passOnEveryThread } from '../container-reading.ts';
import { asksForNoSeccomp, daemonGivesNoSeccomp } from '../declared-privilege.ts';
import { quote } from '../evidence-text.ts';
import { seccompEvidence } from '../seccomp.ts';

export const seccompFilter = containerCheck({
  id: 'container.seccomp-filter',
  title: 'Every thread of every container runs under a seccomp filter',
  severity: 'high',
  rationale:
    'Without a filter a container may use every system call of the kernel, also those in which most ways out of containers were found.',
  remediation:
    'Start the container without --security-opt seccomp=unconfined and without --privileged. Where neither was asked for, the daemon itself was started without a profile: remove "seccomp-profile" from daemon.json and --seccomp-profile from its command line.',
  references: [
    'https://docs.docker.com/engine/security/seccomp/',
    'https://docs.kernel.org/userspace-api/seccomp_filter.html',
  ],
  judges: 'container',
  needs: ['docker'],
  judge: (container, { docker }) => {
    const { seccomp } = container;
    const declared = declaredEvidence(container.declared);
    if (seccomp.state === 'seen') {
      const evidence = [...seccompEvidence(container), declared];
      if (seccomp.value.mode === 'disabled') return fail(...evidence);
      // A filter that the processes gave themselves, the next one that is started with `docker exec` does not have.
      if (asksForNoSeccomp(container.declared)) return failAs('medium', ...evidence);
      if (container.declared.seccompProfile === 'default' && daemonGivesNoSeccomp(docker))
        return failAs('medium', ...evidence, DAEMON_UNCONFINED);
      return judgeCustomProfile(container.declared, evidence) ?? passOnEveryThread(container, ...evidence);
    }
    if (seccomp.state === 'absent' && !hasEnded(container))
      return fail(
        { source: seccomp.source, seen: 'no line Seccomp: this kernel has no seccomp', expected: 'Seccomp: 2' },
        declared,
      );
    if (asksForNoSeccomp(container.declared)) return fail(declared);
    const custom = judgeCustomProfile(container.declared, [declared]);
    return custom?.verdict === 'fail' ? custom : notSeen(seccomp, declared);
  },
});

/** To the kernel a filter that lets everything through looks like any other. undefined: there is nothing against it. */
function judgeCustomProfile(
  { seccompProfile, seccompSummary: summary }: Declared,
  evidence: readonly Evidence[],
): Judgement | undefined {
  if (seccompProfile !== 'custom') return undefined;
  if (summary === null) return unknownBecause('the text of its own seccomp profile is not understood', ...evidence);
  if (summary.withheld === 0) return fail(...evidence);
  return summary.withheld < summary.allowed.length ? failAs('medium', ...evidence) : undefined;
}

const DAEMON_UNCONFINED: Evidence = {
  source: 'GET /info SecurityOptions',
  seen: 'name=seccomp,profile=unconfined',
  expected: 'a profile',
};

function declaredEvidence(declared: Declared): Evidence {
  const expected = 'a profile';
  if (declared.privileged && asksForNoSeccomp(declared))
    return { source: 'inspect HostConfig.Privileged', seen: 'declared privileged, so no profile', expected };
  const { seccompProfile, seccompSummary: summary } = declared;
  if (seccompProfile !== 'custom' || summary === null) {
    const profile = seccompProfile === 'custom' ? 'a profile of its own' : quote(seccompProfile);
    return { source: 'inspect HostConfig.SecurityOpt', seen: `declared ${profile}`, expected };
  }
  const total = summary.withheld + summary.allowed.length;
  const withheld = `withholds ${String(summary.withheld)} of ${String(total)} dangerous system calls`;
  return {
    source: 'inspect HostConfig.SecurityOpt',
    seen: `declared a profile of its own: ${quote(summary.defaultAction)}, ${withheld}`,
    expected: 'a profile that withholds most of them',
  };
}
