import { isDeepStrictEqual } from 'node:util';
import { decideFromSnapshot } from '../policy/decide-from-snapshot.ts';
import type { SnapshotDecision } from '../policy/decide-from-snapshot.ts';
import { applyBreakGlass, judgeBreakGlass } from '../policy/pod/break-glass.ts';
import { decidePod } from '../policy/pod/decide-pod.ts';
import type { PodDecision } from '../policy/pod/decide-pod.ts';
import { BREAK_GLASS_ANNOTATION, selectPodPolicy } from '../policy/pod/pod-policy.ts';
import { isSecurityAnnotation, judgedFieldsOf } from '../policy/pod/pod.ts';
import { podSourceOf, REVISION_KIND, templateOf } from '../policy/pod/pod-template.ts';
import type { ReasonCode } from '../policy/reason.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { AdmissionRequest } from './review.ts';
import type { ScanAnswer, ScanRequests } from './scan-requests.ts';
import { compareKeys } from '../posture/text-order.ts';

/** Why a request is allowed without being judged. */
export type Skip = 'namespace' | 'operation' | 'kind' | 'subresource' | 'unchanged';

/** The judgement of a request. */
export interface RequestJudgement {
  readonly allowed: boolean;
  /** Present: nothing was judged. */
  readonly skipped?: Skip;
  readonly decision: PodDecision;
  /** Present: the reasons were overridden, with this reason. */
  readonly breakGlass?: string;
}

/** What requests are judged with besides the snapshot. */
export interface JudgeContext {
  readonly exemptNamespaces: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Called for an image whose policy wants it to be scanned; the answer is in the reasons. Must not wait. */
  readonly requestScan: ScanRequests['add'];
}

const NOTHING: PodDecision = { outcome: 'allow', policies: [], reasons: [], warnings: [], observed: [] };
/** API groups of the kinds that hold pods. A kind of the same name in another group is another kind. */
const GROUPS: ReadonlySet<string> = new Set(['', 'apps', 'batch']);
/** Parts of pods that change nothing that policies judge, for webhooks that are asked about `pods/*`. */
const OTHER_SUBRESOURCES: ReadonlySet<string> = new Set(['binding', 'eviction', 'status']);

/**
 * Judges a request of the API server. `now` is in milliseconds since the epoch. What does not change the pod or the pod
 * template is allowed, so that a change of a policy blocks no scaling, no status and no removal of finalizers. A request
 * for pods that is not understood is refused. Never throws.
 */
export function judgeRequest(
  request: AdmissionRequest,
  snapshot: PolicySnapshot,
  { exemptNamespaces, now, requestScan }: JudgeContext,
): RequestJudgement {
  const { podPolicies } = snapshot;
  const skip = skipOf(request, exemptNamespaces);
  if (skip !== undefined) return { allowed: true, skipped: skip, decision: NOTHING };
  const { namespace, object, oldObject, operation, kind, userInfo } = request;
  const decideAs = (podKind: string, value: unknown): PodDecision =>
    decidePod(
      { kind: podKind, object: value, namespace },
      {
        podPolicies,
        placement: isBound(request) ? undefined : { nodes: snapshot.nodes, now },
        decideImage: (subject) => {
          const decision = decideFromSnapshot(subject, snapshot, now);
          // What is refused in any case is not worth a scan.
          if (!decision.wantsScan || request.dryRun || decision.outcome === 'deny') return decision;
          return withScan(decision, requestScan({ reference: subject.reference ?? '', namespace }));
        },
      },
    );
  const subject = { operation, kind: kind.kind, object, oldObject, user: userInfo };
  const glass = judgeBreakGlass(subject, selectPodPolicy(podPolicies, namespace));
  // What claims to be about pods is judged as a pod, whatever kind it names.
  const decided = decideAs(isAboutPods(request) ? 'Pod' : kind.kind, object);
  const { decision, breakGlass } = applyBreakGlass(subject, glass, {
    decided,
    asPods: () => decideAs('Pod', templateOf(kind.kind, object)),
  });
  return {
    allowed: decision.outcome === 'allow' || breakGlass !== undefined,
    decision,
    ...(breakGlass === undefined ? {} : { breakGlass }),
  };
}

const SCAN_ACTIONS: Readonly<Record<Exclude<ScanAnswer, 'off'>, string>> = {
  asked: 'The collector was asked to scan it: try again in a minute.',
  full: 'Too many images wait for a scan: try again later.',
};

/** Reasons that a scan can answer. */
const SCAN_CODES: ReadonlySet<ReasonCode> = new Set(['not-scanned', 'signature-unknown', 'inventory-incomplete']);

/** The decision with what to do about an image that is scanned now. */
function withScan(decision: SnapshotDecision, answer: ScanAnswer): SnapshotDecision {
  if (answer === 'off') return decision;
  const adapt = (reasons: SnapshotDecision['reasons']) =>
    reasons.map((reason) =>
      SCAN_CODES.has(reason.code) ? Object.assign({}, reason, { action: SCAN_ACTIONS[answer] }) : reason,
    );
  return { ...decision, reasons: adapt(decision.reasons), warnings: adapt(decision.warnings) };
}

function skipOf(request: AdmissionRequest, exemptNamespaces: readonly string[]): Skip | undefined {
  const { operation, kind, namespace, object, oldObject } = request;
  if (exemptNamespaces.includes(namespace)) return 'namespace';
  if (operation !== 'CREATE' && operation !== 'UPDATE') return 'operation';
  // Of revisions only the annotation is judged: their templates and their pods are requests of their own.
  const isKnown =
    GROUPS.has(kind.group) && (kind.kind === REVISION_KIND || podSourceOf(kind.kind, undefined) !== undefined);
  if (!isKnown && !isAboutPods(request)) return 'kind';
  if (isAboutPods(request) && OTHER_SUBRESOURCES.has(request.subResource)) return 'subresource';
  if (operation === 'UPDATE' && isUnchanged(kind.kind, object, oldObject)) return 'unchanged';
  return undefined;
}

/** A pod that runs on a node already is not scheduled again. What counts is the pod as it was, not as it is wanted. */
function isBound({ operation, oldObject }: AdmissionRequest): boolean {
  if (operation !== 'UPDATE') return false;
  const { nodeName } = (specOf(oldObject) ?? {}) as { readonly nodeName?: unknown };
  return typeof nodeName === 'string' && nodeName !== '';
}

function isAboutPods({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods';
}

function isUnchanged(kind: string, object: unknown, oldObject: unknown): boolean {
  const [now, before] = [templateOf(kind, object), templateOf(kind, oldObject)];
  if (now === undefined || before === undefined) return false;
  // Templates are judged whenever they change: their pods are replaced then.
  if (kind !== 'Pod') return isDeepStrictEqual(now, before);
  const fields = judgedFieldsOf(now);
  // Otherwise a new policy would refuse a resize, or keep a scheduling gate closed.
  const isSameSpec =
    fields === undefined ? isDeepStrictEqual(specOf(now), specOf(before)) : fields === judgedFieldsOf(before);
  return isSameSpec && isDeepStrictEqual(judgedPart(now), judgedPart(before));
}

function specOf(value: unknown): unknown {
  return ((value ?? {}) as { readonly spec?: unknown }).spec;
}

function judgedPart(value: unknown): unknown {
  const { metadata } = (value ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return annotations ?? [];
  return Object.entries(annotations)
    .filter(([name]) => name === BREAK_GLASS_ANNOTATION || isSecurityAnnotation(name))
    .toSorted(compareKeys);
}
