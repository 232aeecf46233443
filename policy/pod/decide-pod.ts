import { outcomeOf } from '../decide.ts';
import type { Decision, ImageSubject, Outcome } from '../decide.ts';
import { parseReference } from '../reference.ts';
import type { Reason } from '../reason.ts';
import { milder, violation } from '../rule/judging.ts';
import type { Mode } from '../rule/judging.ts';
import type { SnapshotNodes } from '../node-posture.ts';
import { judgeNodes } from './node-condition.ts';
import { imagesOf, parsePod } from './pod.ts';
import type { Pod } from './pod.ts';
import { selectPodPolicy } from './pod-policy.ts';
import type { PodPolicy } from './pod-policy.ts';
import { placeWithin, podSourceOf } from './pod-template.ts';
import type { PodViolation } from './security/control.ts';
import { judgePodSecurity } from './security/pod-security.ts';

/** A reason against a pod: of one of its images, or of the pod itself. */
export interface PodReason extends Reason {
  /** The field that it is about, `spec.template.spec.containers[0].image`. */
  readonly path: string;
  /** The image, as written, where the reason is about one; shortened. */
  readonly image?: string;
  /** The id of the control of the Pod Security Standards that it violates. */
  readonly control?: string;
}

/** The answer about a pod or an object that creates pods. */
export interface PodDecision {
  readonly outcome: Outcome;
  /** Names of the policies that decided, sorted. */
  readonly policies: readonly string[];
  readonly reasons: readonly PodReason[];
  readonly warnings: readonly PodReason[];
  readonly observed: readonly PodReason[];
}

/** What to decide on. */
export interface PodSubject {
  /** Kind of the object: `Pod`, `Deployment`. */
  readonly kind: string;
  /** The object, not parsed. */
  readonly object: unknown;
  readonly namespace: string;
}

/** What is decided with. */
export interface PodJudge {
  readonly podPolicies: readonly PodPolicy[];
  /** Decides on one image; see `decide` and `decideFromSnapshot`. */
  readonly decideImage: (subject: ImageSubject) => Decision;
  /** The nodes on which the pod can be scheduled, and the time; undefined: it is bound to a node already. */
  readonly placement: { readonly nodes: SnapshotNodes | undefined; readonly now: number } | undefined;
}

const MAX_IMAGE_SHOWN = 256;

/**
 * Decides whether a pod may run, or what its future pods violate for an object that creates pods. Every image and the
 * Pod Security level of the namespace count. An object that is not as the Kubernetes API documents it is refused; kinds
 * without pods are allowed. Never throws.
 */
export function decidePod(subject: PodSubject, { podPolicies, decideImage, placement }: PodJudge): PodDecision {
  const source = podSourceOf(subject.kind, subject.object);
  const collected: Record<Mode, PodReason[]> = { enforce: [], warn: [], observe: [] };
  const names = new Set<string>();
  if (source !== undefined) {
    const place = (path: string): string => placeWithin(source, path);
    const policy = selectPodPolicy(podPolicies, subject.namespace);
    // Templates are judged for early feedback; what runs is judged as a pod.
    const most = source.path === '' ? 'enforce' : (policy?.templates ?? 'warn');
    const add = (mode: Mode, reason: PodReason): void =>
      void collected[milder(mode, most)].push({ ...reason, path: place(reason.path) });
    const parsed = parsePod(source.value);
    if (!parsed.ok) add('enforce', malformed(parsed.problem));
    else {
      if (policy !== undefined) {
        names.add(policy.name);
        for (const reason of securityReasons(parsed.value, policy)) add(policy.mode, reason);
        for (const { mode, reason } of nodeReasons(parsed.value, policy, placement))
          add(milder(policy.mode, mode), reason);
      }
      for (const name of addImageReasons(parsed.value, subject.namespace, decideImage, add)) names.add(name);
    }
  }
  return {
    outcome: outcomeOf(collected.enforce),
    policies: [...names].toSorted(),
    reasons: collected.enforce,
    warnings: collected.warn,
    observed: collected.observe,
  };
}

function malformed(problem: string): PodReason {
  return {
    ...violation({
      code: 'pod-malformed',
      actual: problem,
      expected: 'a pod as the Kubernetes API documents it',
      action: 'Correct the field.',
    }),
    path: '',
    policy: '',
    rule: '',
  };
}

function securityReasons(pod: Pod, policy: PodPolicy): readonly PodReason[] {
  if (policy.podSecurity === null) return [];
  const { violations, further } = judgePodSecurity(pod, policy.podSecurity);
  const more = new Set(further);
  const reasonOf = ({ control, path, actual, expected, action }: PodViolation, isMore: boolean): PodReason => ({
    ...violation({
      code: 'pod-security',
      actual,
      expected,
      action: isMore ? `${action} Further fields have the same violation.` : action,
      about: control,
    }),
    path,
    control,
    policy: policy.name,
    rule: `spec.podSecurity (${policy.podSecurity?.level ?? ''})`,
    ...(policy.message === null ? {} : { message: policy.message }),
  });
  return violations.map((one, index) => {
    const isLast = violations[index + 1]?.control !== one.control;
    return reasonOf(one, isLast && more.has(one.control));
  });
}

function nodeReasons(
  pod: Pod,
  policy: PodPolicy,
  placement: PodJudge['placement'],
): readonly { readonly mode: Mode; readonly reason: PodReason }[] {
  if (policy.nodes === null || placement === undefined) return [];
  const path = (pod.spec.nodeName ?? '') === '' ? 'spec.nodeSelector' : 'spec.nodeName';
  const message = policy.message === null ? {} : { message: policy.message };
  return judgeNodes(policy.nodes, pod, placement).map(({ mode, objection }) => ({
    mode,
    reason: { ...objection, path, policy: policy.name, rule: 'spec.nodes', ...message },
  }));
}

/** Adds what speaks against the images; each distinct reference is decided on once. Returns the policies' names. */
function addImageReasons(
  pod: Pod,
  namespace: string,
  decideImage: PodJudge['decideImage'],
  add: (mode: Mode, reason: PodReason) => void,
): ReadonlySet<string> {
  const names = new Set<string>();
  const decided = new Map<string, Decision>();
  for (const { path, reference } of imagesOf(pod)) {
    const decision = decided.get(reference) ?? decideImage({ reference, digest: digestOf(reference), namespace });
    decided.set(reference, decision);
    for (const name of decision.policies) names.add(name);
    const image = reference.slice(0, MAX_IMAGE_SHOWN);
    for (const reason of decision.reasons) add('enforce', { ...reason, path, image });
    for (const reason of decision.warnings) add('warn', { ...reason, path, image });
    for (const reason of decision.observed) add('observe', { ...reason, path, image });
  }
  return names;
}

/** The digest that the reference names: the runtime pulls exactly this one. */
function digestOf(reference: string): string | undefined {
  const parsed = parseReference(reference);
  return parsed.ok ? parsed.value.digest : undefined;
}
