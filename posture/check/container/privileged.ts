import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import type { KernelFact } from '../../fact/kernel.ts';
import { fail, failAs } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { capabilityNames, isNearlyAll, LAST_CAPABILITY } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { execCommand, notSeen, passOnEveryThread } from '../container-reading.ts';
import { asksForNoSeccomp, declaredExcess } from '../declared-privilege.ts';
import { quote } from '../evidence-text.ts';
import { seccompEvidence, summaryText } from '../seccomp.ts';
import { userNamespaceOf } from '../user-remap.ts';

export const privileged = containerCheck({
  id: 'container.privileged',
  title: 'Container is not privileged',
  failTitle: 'Container runs privileged',
  judgedBy: 'effect',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'the container controls the host' },
    {
      severity: 'high',
      when: 'user namespace remapping or a kernel of its own limits it, or only the next process would be privileged',
    },
  ],
  rationale:
    'A privileged container has every capability, no seccomp filter and all devices of the host: control of the container is control of the host. All capabilities amount to the same without a seccomp filter, with one that allows everything, or with all devices, however they were requested.',
  remediation:
    'Start the container without --privileged. Give it the single capability (--cap-add) or device (--device) that it needs. In a pod, set securityContext.privileged to false.',
  references: [
    'https://docs.docker.com/reference/cli/docker/container/run/#privileged',
    'https://man7.org/linux/man-pages/man7/capabilities.7.html',
  ],
  judges: 'container',
  ownKernel: 'declared',
  needs: ['kernel', 'docker'],
  engineSettings: ['api'],
  judge: (container, { kernel, docker }) => {
    const declared: Evidence = {
      source: sourceOf(container, 'privileged'),
      seen: container.declared.privileged ? 'declared privileged' : 'not declared privileged',
      expected: 'not privileged',
    };
    const { capabilities, seccomp } = container;
    const evidence = [...effectiveEvidence(container), ...seccompEvidence(container), declared];
    const userNamespace = userNamespaceOf(container, docker);
    if (container.declared.privileged)
      return userNamespace === 'remapped'
        ? failAs(
            'high',
            `the container was started with ${privilegedOption(container)}; ${limitOf(container)} limits it`,
            ...evidence,
          )
        : fail(`the container was started with ${privilegedOption(container)} and controls the host`, ...evidence);
    if (userNamespace === 'remapped') return passOnEveryThread(container, ...evidence);
    const hasFilter = seccomp.state === 'seen' && seccomp.value.mode !== 'disabled';
    if (
      userNamespace === 'node' &&
      capabilities.state === 'seen' &&
      isNearlyEverything(capabilities.value.effective, kernel)
    ) {
      const open = everyDevice(container) ?? (hasFilter ? emptyFilter(container) : undefined);
      if (open !== undefined)
        return fail(`its processes hold nearly every capability, and ${open.reason}`, ...evidence, open.evidence);
      if (!hasFilter)
        // Absent while the rest is there: a kernel without seccomp, so there is no filter.
        return seccomp.state === 'unreadable'
          ? notSeen(seccomp, ...evidence)
          : fail('its processes hold nearly every capability without a seccomp filter', ...evidence);
    }
    // No process holds all of it now, but the next one that `docker exec` starts does.
    if (asksForEverything(container.declared))
      return failAs(
        'high',
        `${execCommand(container)} starts the next process with every capability and without a seccomp filter`,
        ...evidence,
        allRequested(container),
      );
    if (capabilities.state !== 'seen' && !hasFilter) return notSeen(capabilities, ...evidence);
    return passOnEveryThread(container, ...evidence);
  },
});

/** What takes away the last limit of processes with nearly every capability. */
interface Opening {
  readonly reason: string;
  readonly evidence: Evidence;
}

/** All devices: with the capabilities to make their files, the disks of the host can be read and written. */
function everyDevice(container: ContainerFact): Opening | undefined {
  const { deviceRules: rules, declared } = container;
  // Version 2 of cgroups shows no rules.
  const [all, source] =
    rules.state === 'seen'
      ? [rules.value, rules.source]
      : [declared.deviceCgroupRules, sourceOf(container, 'deviceCgroupRules')];
  const rule = all.find((each) => /^[ab] \*:\* [rwm]*[rw]/.test(each));
  if (rule === undefined) return undefined;
  const evidence = { source, seen: quote(rule), expected: 'not all devices' };
  return { reason: 'all devices of the host are accessible', evidence };
}

/** A seccomp profile of its own that withholds nothing: for the kernel it is a filter like any other. */
function emptyFilter(container: ContainerFact): Opening | undefined {
  const { seccompProfile, seccompSummary } = container.declared;
  if (seccompProfile !== 'custom' || seccompSummary?.withheld !== 0) return undefined;
  const source = sourceOf(container, 'seccompProfile');
  const evidence = { source, seen: summaryText(seccompSummary), expected: 'a filter that withholds system calls' };
  return { reason: 'its seccomp filter allows every dangerous system call', evidence };
}

function allRequested(container: ContainerFact): Evidence {
  return {
    source: sourceOf(container, 'capAdd', 'seccompProfile'),
    seen: 'ALL capabilities and no seccomp profile',
    expected: 'not every capability without a filter',
  };
}

function asksForEverything(declared: ContainerFact['declared']): boolean {
  return declaredExcess(declared).includes('ALL') && asksForNoSeccomp(declared);
}

function effectiveEvidence({ capabilities }: ContainerFact): readonly Evidence[] {
  if (capabilities.state !== 'seen') return [];
  const seen = `CapEff ${capabilities.value.effective}`;
  return [{ source: capabilities.source, seen, expected: 'not every capability without a filter' }];
}

function isNearlyEverything(effective: string, kernel: Pick<KernelFact, 'capLastCap'>): boolean {
  const last = kernel.capLastCap.state === 'seen' ? kernel.capLastCap.value : LAST_CAPABILITY;
  return isNearlyAll(capabilityNames(effective) ?? [], last);
}

function limitOf({ ownKernel }: ContainerFact): string {
  return ownKernel.state === 'seen' ? 'a kernel of its own' : 'user namespace remapping';
}

function privilegedOption({ pod }: ContainerFact): string {
  return pod === '' ? '--privileged' : 'privileged: true';
}
