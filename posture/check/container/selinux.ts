import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import type { KernelFact } from '../../fact/kernel.ts';
import { mapObserved } from '../../observed.ts';
import type { Observed } from '../../observed.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { execCommand, labelsOf, passOnEveryThread } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { labelNotSeen, unlessActive } from '../security-module.ts';

const EXPECTED = 'a container type with a pair of categories, container_t:s0:c1,c2';

/** Types that the policy does not confine, or that belong to the host. */
const UNCONFINED = new Set([
  'spc_t',
  'unconfined_t',
  'unconfined_service_t',
  'container_runtime_t',
  'docker_t',
  'initrc_t',
  'init_t',
  'kernel_t',
]);

export const selinux = containerCheck({
  id: 'container.selinux',
  title: 'SELinux confines every process',
  failTitle: 'SELinux does not confine every process',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'a process is not confined' },
    { severity: 'medium', when: 'the processes confine themselves, but docker exec starts others without a label' },
  ],
  rationale:
    'The type keeps a process that escaped its container from the files and processes of the host. The pair of categories separates containers from one another.',
  remediation:
    'Set "selinux-enabled": true in daemon.json, restart Docker, and start the container without --security-opt label=disable and without --privileged. For pods, set enable_selinux of the runtime.',
  references: [
    'https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file',
    'https://docs.kernel.org/admin-guide/LSM/SELinux.html',
  ],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: ['kernel'],
  judge: (container, { kernel }) => {
    const own = mapObserved(kernel.selinux, (mode) => mode !== 'disabled');
    const answer = unlessActive({ name: 'SELinux', inList: 'selinux' }, kernel.lsm, own);
    return answer ?? judgeMode(kernel.selinux) ?? judgeLabels(container);
  },
});

/** undefined where the kernel enforces; otherwise no label confines a process. */
function judgeMode(mode: KernelFact['selinux']): Judgement | undefined {
  if (mode.state !== 'seen' || mode.value === 'enforcing') return undefined;
  if (mode.value === 'disabled') return notApplicable('SELinux is disabled');
  return fail('SELinux is permissive and blocks nothing', {
    source: mode.source,
    seen: mode.value,
    expected: 'enforcing',
  });
}

function judgeLabels(container: ContainerFact): Judgement {
  const { selinuxDisabled, selinuxLabel } = container.declared;
  const declared: Evidence = selinuxDisabled
    ? { source: sourceOf(container, 'selinuxDisabled'), seen: 'label=disable', expected: 'no label=disable' }
    : {
        source: sourceOf(container, 'selinuxLabel'),
        seen: selinuxLabel === '' ? 'none' : quote(selinuxLabel),
        expected: EXPECTED,
      };
  const judged = allOf(
    'high',
    labelsOf(container).map((label) => judgeLabel(container, label, declared)),
  );
  if (judged.verdict !== 'pass') return judged;
  // `docker exec` does not start a process with a label that others entered themselves.
  return selinuxDisabled
    ? failAs('medium', `${execCommand(container)} starts the next process without a label`, ...judged.evidence)
    : passOnEveryThread(container, ...judged.evidence);
}

function judgeLabel(container: ContainerFact, label: Observed<string>, declared: Evidence): Judgement {
  if (label.state !== 'seen')
    return container.declared.selinuxDisabled
      ? fail('the container was started with label=disable', declared)
      : labelNotSeen(container, label, declared);
  const evidence = [{ source: label.source, seen: quote(label.value), expected: EXPECTED }, declared];
  // user:role:type:level, where the level is `s0:c1,c2` or a range `s0-s0:c0.c1023`.
  const [, , type, ...level] = label.value.split(':');
  if (type === undefined) return unknownBecause(`${label.source} does not contain an SELinux label`, ...evidence);
  const isConfined = !UNCONFINED.has(type) && /^s0:c\d+,c\d+$/.test(level.join(':'));
  if (isConfined) return pass(...evidence);
  return fail(
    UNCONFINED.has(type)
      ? `a process runs with the type ${quote(type)}, which SELinux does not confine`
      : 'a process has no category pair that separates it from other containers',
    ...evidence,
  );
}
