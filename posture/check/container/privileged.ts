import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import type { KernelFact } from '../../fact/kernel.ts';
import { fail, failAs } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { capabilityNames, isNearlyAll, LAST_CAPABILITY } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { execCommand, notSeen, passOnEveryThread } from '../container-reading.ts';
import { asksForNoSeccomp, declaredExcess } from '../declared-privilege.ts';
import { seccompEvidence } from '../seccomp.ts';
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
    'A privileged container has every capability, no seccomp filter and all devices of the host: control of the container is control of the host. All capabilities without a seccomp filter amount to the same, however they were requested.',
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
    if (userNamespace === 'node' && !hasFilter) {
      if (capabilities.state === 'seen' && isNearlyEverything(capabilities.value.effective, kernel))
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
