import { BREAK_GLASS_ANNOTATION } from '../policy/pod/pod-policy.ts';
import type { PodPolicy } from '../policy/pod/pod-policy.ts';
import { podSourceOf } from '../policy/pod/pod-template.ts';
import type { AdmissionRequest } from './review.ts';

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

/** Whether a request breaks the glass. `denied`: by somebody who may not. */
export type BreakGlass =
  { readonly state: 'none' } | { readonly state: 'used'; readonly reason: string } | { readonly state: 'denied' };

/**
 * Judges the annotation of a request. Only users and groups of the pod policy may add it; whoever creates pods could
 * otherwise allow himself everything. An object that has it already, with the same value, keeps it.
 */
export function judgeBreakGlass(request: AdmissionRequest, policy: PodPolicy | undefined): BreakGlass {
  const reason = annotationOf(request.kind.kind, request.object);
  if (reason === undefined) return { state: 'none' };
  const used = { state: 'used', reason: reason.slice(0, MAX_REASON) } as const;
  const { username, groups } = request.userInfo;
  const allowed = policy?.breakGlass ?? null;
  if (allowed === null) return { state: 'denied' };
  if (request.operation === 'UPDATE' && annotationOf(request.kind.kind, request.oldObject) === reason) return used;
  if (allowed.users.includes(username) || groups.some((group) => allowed.groups.includes(group))) return used;
  const controller = username.startsWith(CONTROLLER_PREFIX) ? username.slice(CONTROLLER_PREFIX.length) : '';
  return COPYING_CONTROLLERS.has(`${request.kind.kind} ${controller}`) ? used : { state: 'denied' };
}

/** The annotation of the pod or pod template; a value that is no string counts as one. */
function annotationOf(kind: string, object: unknown): string | undefined {
  const { metadata } = (podSourceOf(kind, object)?.value ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  if (!Object.hasOwn(annotations, BREAK_GLASS_ANNOTATION)) return undefined;
  const value = (annotations as Readonly<Record<string, unknown>>)[BREAK_GLASS_ANNOTATION];
  return typeof value === 'string' ? value : '';
}
