/** The annotation with which a pod runs in spite of violations, and who may set it. */
import { outcomeOf } from '../decide.ts';
import { violation } from '../rule/judging.ts';
import type { PodDecision, PodReason } from './decide-pod.ts';
import { BREAK_GLASS_ANNOTATION } from './pod-policy.ts';
import type { PodPolicy } from './pod-policy.ts';
import { podSourceOf } from './pod-template.ts';
import { judgedFieldsOf } from './pod.ts';

/**
 * Controllers of Kubernetes copy the annotation of a template that was judged itself, from `source` to `kind`. They run
 * under these accounts of the namespace kube-system.
 */
const COPYING_CONTROLLERS: ReadonlySet<string> = new Set([
  'Pod replicaset-controller',
  'Pod daemon-set-controller',
  'Pod statefulset-controller',
  'Pod job-controller',
  'Pod replication-controller',
  'ReplicaSet deployment-controller',
  'Job cronjob-controller',
]);
const CONTROLLER_PREFIX = 'system:serviceaccount:kube-system:';
const MAX_REASON = 256;

/** What of a request decides whether it breaks the glass. */
export interface BreakGlassRequest {
  readonly operation: string;
  /** Kind of the objects. */
  readonly kind: string;
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly user: { readonly username: string; readonly groups: readonly string[] };
}

/**
 * Whether a request breaks the glass. `kept`: the object has the annotation already, and somebody who may not set it
 * changes a field that policies judge. `denied`: somebody who may not sets it.
 */
export type BreakGlass =
  { readonly state: 'none' | 'kept' | 'denied' } | { readonly state: 'used'; readonly reason: string };

/** A decision after break-glass. */
export interface OverriddenDecision {
  /** As the policies decide, with a reason more where somebody sets the annotation who may not. */
  readonly decision: PodDecision;
  /** Present: the request is allowed although the decision is another one; the value of the annotation. */
  readonly breakGlass?: string;
}

/**
 * Judges the annotation of a request. Only users and groups of the pod policy may add it; whoever creates pods could
 * otherwise allow himself everything.
 */
export function judgeBreakGlass(request: BreakGlassRequest, policy: PodPolicy | undefined): BreakGlass {
  const { operation, kind, object, oldObject, user } = request;
  const reason = annotationOf(kind, object);
  if (reason === undefined) return { state: 'none' };
  const used = { state: 'used', reason: reason.slice(0, MAX_REASON) } as const;
  const allowed = policy?.breakGlass ?? null;
  if (allowed === null) return { state: 'denied' };
  if (allowed.users.includes(user.username) || user.groups.some((group) => allowed.groups.includes(group))) return used;
  const controller = user.username.startsWith(CONTROLLER_PREFIX) ? user.username.slice(CONTROLLER_PREFIX.length) : '';
  if (COPYING_CONTROLLERS.has(`${kind} ${controller}`)) return used;
  if (operation !== 'UPDATE' || annotationOf(kind, oldObject) !== reason) return { state: 'denied' };
  const [now, before] = [object, oldObject].map((one) => judgedFieldsOf(podSourceOf(kind, one)?.value));
  return now !== undefined && now === before ? used : { state: 'kept' };
}

/**
 * Applies break-glass to what policies decide. `asPods` decides on the object as on its pods, with the violations that
 * would only be warnings for a template: whoever changes an object with the annotation without the right to set it gets
 * no more than without it, and controllers would copy the annotation to whatever the template asks for.
 */
export function applyBreakGlass(
  glass: BreakGlass,
  decided: PodDecision,
  asPods: () => PodDecision,
): OverriddenDecision {
  const isDenied = glass.state === 'denied' || (glass.state === 'kept' && asPods().outcome !== 'allow');
  const reasons = isDenied ? [NOT_ALLOWED, ...decided.reasons] : decided.reasons;
  const decision = { ...decided, reasons, outcome: outcomeOf(reasons) };
  return glass.state === 'used' && decision.outcome !== 'allow' ? { decision, breakGlass: glass.reason } : { decision };
}

const NOT_ALLOWED: PodReason = {
  ...violation({
    code: 'break-glass-not-allowed',
    actual: `the annotation ${BREAK_GLASS_ANNOTATION}`,
    expected:
      'the annotation set by a user or group of spec.breakGlass of the pod policy, and violations added by them',
    action: 'Remove the annotation, or ask one of them to deploy.',
  }),
  path: `metadata.annotations["${BREAK_GLASS_ANNOTATION}"]`,
  policy: '',
  rule: 'spec.breakGlass',
};

/** The annotation of the pod or pod template; a value that is no string counts as one. */
function annotationOf(kind: string, object: unknown): string | undefined {
  const { metadata } = (podSourceOf(kind, object)?.value ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  if (!Object.hasOwn(annotations, BREAK_GLASS_ANNOTATION)) return undefined;
  const value = (annotations as Readonly<Record<string, unknown>>)[BREAK_GLASS_ANNOTATION];
  return typeof value === 'string' ? value : '';
}
