/** The annotation with which a pod runs in spite of violations, and who may set it. */
import { outcomeOf } from '../decide.ts';
import { violation } from '../rule/judging.ts';
import type { PodDecision, PodReason } from './decide-pod.ts';
import { BREAK_GLASS_ANNOTATION } from './pod-policy.ts';
import type { PodPolicy } from './pod-policy.ts';
import { isMergedRevision, placeWithin, podSourceOf, templateOf } from './pod-template.ts';
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
  'ControllerRevision daemon-set-controller',
  'ControllerRevision statefulset-controller',
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
 * Whether a request breaks the glass. `kept`: the object has the annotation already, or gets it from another one, and
 * who may not set it changes a field that policies judge. `denied`: who may not sets it. `isOwn`: the user may set it; the
 * others copy or keep what such a user has set.
 */
export type BreakGlass =
  | { readonly state: 'none' | 'kept' | 'denied' }
  | { readonly state: 'used'; readonly reason: string; readonly isOwn: boolean };

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
  const allowed = policy?.breakGlass ?? null;
  const controller = user.username.startsWith(CONTROLLER_PREFIX) ? user.username.slice(CONTROLLER_PREFIX.length) : '';
  const isCopied = COPYING_CONTROLLERS.has(`${kind} ${controller}`);
  const isOwn =
    allowed !== null &&
    (allowed.users.includes(user.username) || user.groups.some((group) => allowed.groups.includes(group)));
  if (reason === undefined) {
    const isMerged = allowed !== null && !isOwn && !isCopied && isMergedRevision(kind, object);
    return { state: isMerged ? 'kept' : 'none' };
  }
  const used = { state: 'used', reason: reason.slice(0, MAX_REASON), isOwn } as const;
  if (allowed === null) return { state: 'denied' };
  if (isOwn || isCopied) return used;
  if (operation !== 'UPDATE' || annotationOf(kind, oldObject) !== reason) return { state: 'denied' };
  const [now, before] = [object, oldObject].map((one) => keptFieldsOf(kind, templateOf(kind, one)));
  return now !== undefined && now === before ? used : { state: 'kept' };
}

/**
 * What only those may change who may set the annotation, as text to compare. Most of a pod cannot be changed; a template
 * can be: with another command the pods that were allowed would run something else.
 */
function keptFieldsOf(kind: string, value: unknown): string | undefined {
  const judged = judgedFieldsOf(value);
  if (kind === 'Pod' || judged === undefined) return judged;
  const { spec } = value as { readonly spec?: unknown };
  return `${judged}${JSON.stringify(spec)}`;
}

/**
 * Applies break-glass to what policies decide. `asPods` decides on the object as on its pods, with the violations that
 * would only be warnings for a template: whoever changes an object with the annotation without the right to set it gets
 * no more than without it, and controllers would copy the annotation to whatever the template asks for. Who sets it on a
 * template is recorded as the one who overrides what its pods violate: requests for these come from a controller.
 */
export function applyBreakGlass(
  { kind, object }: Pick<BreakGlassRequest, 'kind' | 'object'>,
  glass: BreakGlass,
  { decided, asPods }: { readonly decided: PodDecision; readonly asPods: () => PodDecision },
): OverriddenDecision {
  const isDenied = glass.state === 'denied' || (glass.state === 'kept' && asPods().outcome !== 'allow');
  const reasons = isDenied ? [NOT_ALLOWED, ...decided.reasons] : decided.reasons;
  const decision = { ...decided, reasons, outcome: outcomeOf(reasons) };
  if (glass.state !== 'used') return { decision };
  if (decision.outcome !== 'allow') return { decision, breakGlass: glass.reason };
  const source = podSourceOf(kind, object);
  if (!glass.isOwn || source === undefined || source.path === '') return { decision };
  const pods = asPods();
  if (pods.outcome === 'allow') return { decision };
  const ofTemplate = pods.reasons.map((reason) => ({ ...reason, path: placeWithin(source, reason.path) }));
  return {
    decision: { ...pods, reasons: ofTemplate, warnings: [], observed: [] },
    breakGlass: glass.reason,
  };
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
  const { metadata } = (templateOf(kind, object) ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  if (!Object.hasOwn(annotations, BREAK_GLASS_ANNOTATION)) return undefined;
  const value = (annotations as Readonly<Record<string, unknown>>)[BREAK_GLASS_ANNOTATION];
  return typeof value === 'string' ? value : '';
}
