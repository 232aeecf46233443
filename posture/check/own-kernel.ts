import { ownKernelReason } from '../fact/container.ts';
import type { ContainerFact, OwnKernel } from '../fact/container.ts';
import { notApplicable, pass, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { quote } from './evidence-text.ts';

/**
 * How a check judges a container with a kernel of its own, of whose processes nothing is seen.
 *
 * - `declared`: by what was requested. It fails as for any container, and passes where nothing else would decide.
 * - `notApplicable`: what it judges is a setting of the kernel of the container, whatever was requested.
 *
 * Without a rule it fails by what was requested or by the process that runs the kernel, and does not apply where only the
 * processes of the container would decide.
 */
export type OwnKernelRule = 'declared' | 'notApplicable';

/** The judgement of a check; of a container with a kernel of its own as `rule` says. */
export function judgeOwnKernel(
  { ownKernel }: ContainerFact,
  rule: OwnKernelRule | undefined,
  judge: () => Judgement,
): Judgement {
  if (ownKernel.state !== 'seen') return judge();
  const reason = ownKernelReason(ownKernel.value);
  const evidence = kernelEvidence(ownKernel.source, ownKernel.value);
  if (rule === 'notApplicable') return notApplicable(reason, evidence);
  const judged = judge();
  const isUnseen = judged.verdict === 'unknown' && judged.reason?.includes(reason) === true;
  if (!isUnseen) return judged;
  return rule === 'declared' ? pass(...judged.evidence, evidence) : notApplicable(reason, ...judged.evidence, evidence);
}

/** Does a virtual machine run the container? Its size bounds what it takes of the node. */
export function isVirtualMachine({ ownKernel }: ContainerFact): boolean {
  return ownKernel.state === 'seen' && ownKernel.value.kind === 'vm';
}

/**
 * Of a container with a kernel of its own, why its mounts are not known: it has files of the node, and only its declaration
 * says which, where a path may be a link or a volume a bind. undefined: it has none, or its mounts are seen.
 */
export function unresolvedMounts({ ownKernel, declared, podUid }: ContainerFact): Judgement | undefined {
  if (ownKernel.state !== 'seen') return undefined;
  const ofPod = podUid === '' ? undefined : `/var/lib/kubelet/pods/${podUid}/`;
  const mount = declared.mounts.find(
    ({ type, source }) => type !== 'tmpfs' && (ofPod === undefined || !source.startsWith(ofPod)),
  );
  if (mount === undefined) return undefined;
  return unknownBecause('where the mounts of the container lead on the node is not seen: it has a kernel of its own', {
    source: 'declared mounts',
    seen: quote(mount.source),
    expected: 'no files of the host, or a kernel that shows them',
  });
}

function kernelEvidence(source: string, { program, uids, capabilities, filtered }: OwnKernel): Evidence {
  return {
    source,
    seen: `${program}, uid ${uids.join(' ')}, CapEff ${capabilities}, ${filtered ? 'with' : 'without'} a seccomp filter`,
    expected: 'the process that runs the kernel of the container',
  };
}
