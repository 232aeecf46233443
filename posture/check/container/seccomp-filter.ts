import { ownKernelReason, sourceOf } from '../../fact/container.ts';
import type { ContainerFact, Declared } from '../../fact/container.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { execCommand, hasEnded, notSeen, passOnEveryThread } from '../container-reading.ts';
import { asksForNoSeccomp, daemonGivesNoSeccomp } from '../declared-privilege.ts';
import { quote } from '../evidence-text.ts';
import { judgeSummary, seccompEvidence, summaryText } from '../seccomp.ts';

export const seccompFilter = containerCheck({
  id: 'container.seccomp-filter',
  title: 'Seccomp protection is effective',
  failTitle: 'Seccomp protection is missing or weak',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'a process has no filter, or the profile allows every dangerous system call' },
    {
      severity: 'medium',
      when: 'only the next process has no filter, or the profile allows most dangerous system calls',
    },
  ],
  rationale:
    'Without a filter a container can use every system call of the kernel, including those in which most container escapes were found.',
  remediation:
    'Start the container without --security-opt seccomp=unconfined and without --privileged. If neither was used, the daemon itself has no profile: remove "seccomp-profile" from daemon.json and --seccomp-profile from its command line. In a pod, set seccompProfile.type to RuntimeDefault.',
  references: [
    'https://docs.docker.com/engine/security/seccomp/',
    'https://docs.kernel.org/userspace-api/seccomp_filter.html',
  ],
  judges: 'container',
  needs: ['docker'],
  engineSettings: ['api'],
  judge: (container, { docker }) => {
    const { ownKernel, seccomp } = container;
    const declared = declaredEvidence(container);
    if (ownKernel.state === 'seen') return judgeSandbox(ownKernel);
    if (seccomp.state === 'seen') {
      const evidence = [...seccompEvidence(container), declared];
      if (seccomp.value.mode === 'disabled') return fail('a process runs without a seccomp filter', ...evidence);
      // `docker exec` does not apply a filter that the processes set themselves.
      if (asksForNoSeccomp(container.declared)) return failAs('medium', nextUnfiltered(container), ...evidence);
      if (container.declared.seccompProfile === 'default' && daemonGivesNoSeccomp(docker))
        return failAs('medium', nextUnfiltered(container), ...evidence, DAEMON_UNCONFINED);
      return judgeCustomProfile(container.declared, evidence) ?? passOnEveryThread(container, ...evidence);
    }
    if (seccomp.state === 'absent' && !hasEnded(container))
      return fail(
        'this kernel has no seccomp',
        { source: seccomp.source, seen: 'no line Seccomp: this kernel has no seccomp', expected: 'Seccomp: 2' },
        declared,
      );
    if (asksForNoSeccomp(container.declared))
      return fail('the container was started without a seccomp profile', declared);
    const custom = judgeCustomProfile(container.declared, [declared]);
    return custom?.verdict === 'fail' ? custom : notSeen(seccomp, declared);
  },
});

/** Of a container with a kernel of its own, the filter of the process that runs this kernel. */
function judgeSandbox({ source, value }: Extract<ContainerFact['ownKernel'], { readonly state: 'seen' }>): Judgement {
  const seen = `${value.program}: ${value.filtered ? 'every thread has a seccomp filter' : 'no seccomp filter'}`;
  const evidence = { source, seen, expected: 'a seccomp filter' };
  if (value.filtered) return pass(evidence);
  // Hypervisors are usually started without one: the boundary is that of the virtual machine.
  return value.kind === 'vm'
    ? notApplicable(ownKernelReason(value), evidence)
    : fail('the process that runs the kernel of the container has no seccomp filter', evidence);
}

/** The kernel does not show that a filter allows everything; the text of the profile does. undefined: it is effective. */
function judgeCustomProfile(
  { seccompProfile, seccompSummary: summary }: Declared,
  evidence: readonly Evidence[],
): Judgement | undefined {
  if (seccompProfile !== 'custom') return undefined;
  if (summary === null) return unknownBecause('its own seccomp profile could not be parsed', ...evidence);
  return judgeSummary(summary, 'its own seccomp profile', evidence);
}

function nextUnfiltered(container: ContainerFact): string {
  return `${execCommand(container)} starts the next process without a seccomp filter`;
}

const DAEMON_UNCONFINED: Evidence = {
  source: 'GET /info SecurityOptions',
  seen: 'name=seccomp,profile=unconfined',
  expected: 'a profile',
};

function declaredEvidence(container: ContainerFact): Evidence {
  const { declared } = container;
  const expected = 'a profile';
  if (declared.privileged && asksForNoSeccomp(declared))
    return { source: sourceOf(container, 'privileged'), seen: 'declared privileged, so no profile', expected };
  const { seccompProfile, seccompSummary: summary } = declared;
  if (seccompProfile !== 'custom' || summary === null) {
    const profile = seccompProfile === 'custom' ? 'a profile of its own' : quote(seccompProfile);
    return { source: sourceOf(container, 'seccompProfile'), seen: `declared ${profile}`, expected };
  }
  return {
    source: sourceOf(container, 'seccompProfile'),
    seen: `declared a profile of its own: ${summaryText(summary)}`,
    expected: 'a profile that withholds most of them',
  };
}
