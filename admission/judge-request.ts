import { isDeepStrictEqual } from 'node:util';
import { decideFromSnapshot } from '../policy/decide-from-snapshot.ts';
import { outcomeOf } from '../policy/decide.ts';
import { decidePod } from '../policy/pod/decide-pod.ts';
import type { PodDecision, PodReason } from '../policy/pod/decide-pod.ts';
import { BREAK_GLASS_ANNOTATION, selectPodPolicy } from '../policy/pod/pod-policy.ts';
import { podSourceOf } from '../policy/pod/pod-template.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { violation } from '../policy/rule/judging.ts';
import { judgeBreakGlass } from './break-glass.ts';
import type { AdmissionRequest } from './review.ts';

/** Why a request is allowed without being judged. */
export type Skip = 'namespace' | 'operation' | 'kind' | 'unchanged';

/** The judgement of a request. */
export interface RequestJudgement {
  readonly allowed: boolean;
  /** Present: nothing was judged. */
  readonly skipped?: Skip;
  readonly decision: PodDecision;
  /** Present: the reasons were overridden, with this reason. */
  readonly breakGlass?: string;
  /** Images that a policy wants to be scanned. */
  readonly wantsScan: readonly string[];
}

const NOTHING: PodDecision = { outcome: 'allow', policies: [], reasons: [], warnings: [], observed: [] };
/** API groups of the kinds that hold pods. A kind of the same name in another group is another kind. */
const GROUPS: ReadonlySet<string> = new Set(['', 'apps', 'batch']);
/** Annotations of a pod that policies judge. */
const JUDGED_ANNOTATION =
  /^(?:container\.(?:apparmor|seccomp)\.security\.|seccomp\.security\.|plimsoll\.dev\/break-glass$)/;

/**
 * Judges a request of the API server. `now` is in milliseconds since the epoch. What does not change the pod or the pod
 * template is allowed, so that a change of a policy blocks no scaling, no status and no removal of finalizers. A request
 * for pods that is not understood is refused. Never throws.
 */
export function judgeRequest(
  request: AdmissionRequest,
  snapshot: PolicySnapshot,
  { exemptNamespaces, now }: { readonly exemptNamespaces: readonly string[]; readonly now: number },
): RequestJudgement {
  const { podPolicies } = snapshot;
  const skip = skipOf(request, exemptNamespaces);
  if (skip !== undefined) return { allowed: true, skipped: skip, decision: NOTHING, wantsScan: [] };
  const { namespace, object } = request;
  const wantsScan = new Set<string>();
  const decided = decidePod(
    // What claims to be about pods is judged as a pod, whatever kind it names.
    { kind: isAboutPods(request) ? 'Pod' : request.kind.kind, object, namespace },
    {
      podPolicies,
      decideImage: (subject) => {
        const decision = decideFromSnapshot(subject, snapshot, now);
        if (decision.wantsScan) wantsScan.add(subject.reference ?? '');
        return decision;
      },
    },
  );
  const glass = judgeBreakGlass(request, selectPodPolicy(podPolicies, namespace));
  const reasons = glass.state === 'denied' ? [GLASS_DENIED, ...decided.reasons] : decided.reasons;
  const decision = { ...decided, reasons, outcome: outcomeOf(reasons) };
  const isOverridden = glass.state === 'used' && decision.outcome !== 'allow';
  return {
    allowed: decision.outcome === 'allow' || isOverridden,
    decision,
    ...(isOverridden ? { breakGlass: glass.reason } : {}),
    wantsScan: [...wantsScan],
  };
}

const GLASS_DENIED: PodReason = {
  ...violation({
    code: 'break-glass-not-allowed',
    actual: `the annotation ${BREAK_GLASS_ANNOTATION}`,
    expected: 'the annotation set by a user or group of spec.breakGlass of the pod policy',
    action: 'Remove the annotation, or ask one of them to deploy.',
  }),
  path: `metadata.annotations["${BREAK_GLASS_ANNOTATION}"]`,
  policy: '',
  rule: 'spec.breakGlass',
};

function skipOf(request: AdmissionRequest, exemptNamespaces: readonly string[]): Skip | undefined {
  const { operation, kind, namespace, object, oldObject } = request;
  if (exemptNamespaces.includes(namespace)) return 'namespace';
  if (operation !== 'CREATE' && operation !== 'UPDATE') return 'operation';
  const isKnown = GROUPS.has(kind.group) && podSourceOf(kind.kind, undefined) !== undefined;
  if (!isKnown && !isAboutPods(request)) return 'kind';
  if (operation === 'UPDATE' && isUnchanged(kind.kind, object, oldObject)) return 'unchanged';
  return undefined;
}

function isAboutPods({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods';
}

function isUnchanged(kind: string, object: unknown, oldObject: unknown): boolean {
  const [now, before] = [podSourceOf(kind, object)?.value, podSourceOf(kind, oldObject)?.value];
  if (now === undefined || before === undefined) return false;
  if (kind !== 'Pod') return isDeepStrictEqual(now, before);
  return isDeepStrictEqual(specOf(now), specOf(before)) && isDeepStrictEqual(judgedPart(now), judgedPart(before));
}

function specOf(value: unknown): unknown {
  return ((value ?? {}) as { readonly spec?: unknown }).spec;
}

function judgedPart(value: unknown): unknown {
  const { metadata } = (value ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return annotations ?? [];
  return Object.entries(annotations)
    .filter(([name]) => JUDGED_ANNOTATION.test(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
