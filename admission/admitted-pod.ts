import type { AdmittedPod } from '../policy/admitted-pod.ts';
import { MAX_ADMITTED_IMAGES } from '../policy/admitted-pod.ts';
import { digestOfTag } from '../policy/decide-from-snapshot.ts';
import { imagesOf, parsePod } from '../policy/pod/pod.ts';
import { parseReference } from '../policy/reference.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { RequestJudgement } from './judge-request.ts';
import type { AdmissionRequest } from './review.ts';

/** The uid of a pod as the API server makes it. */
const UID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * What an allowed request lets run; undefined: it is about no pod, or changes none. The API server sets the uid before it
 * asks a validating webhook. The pod of the API server that mirrors a static pod has a uid of its own, which no container
 * on the node has.
 */
export function toAdmittedPod(
  { kind, object, namespace }: AdmissionRequest,
  { allowed, skipped, breakGlass }: RequestJudgement,
  snapshot: PolicySnapshot,
  atMs: number,
): AdmittedPod | undefined {
  if (!allowed || skipped !== undefined || kind.kind !== 'Pod' || kind.group !== '') return undefined;
  const { metadata } = (object ?? {}) as { readonly metadata?: { readonly uid?: unknown; readonly name?: unknown } };
  const { uid, name } = metadata ?? {};
  const pod = parsePod(object);
  if (typeof uid !== 'string' || !UID.test(uid) || typeof name !== 'string' || !pod.ok) return undefined;
  const references = [...new Set(imagesOf(pod.value).map(({ reference }) => reference))];
  return {
    uid,
    namespace: namespace.slice(0, 253),
    name: name.slice(0, 253),
    atMs,
    images: references.slice(0, MAX_ADMITTED_IMAGES).map((reference) => {
      const parsed = parseReference(reference);
      const named = parsed.ok ? parsed.value.digest : undefined;
      return { reference: reference.slice(0, 512), digest: named ?? digestOfTag(reference, snapshot)?.digest ?? '' };
    }),
    isComplete: references.length <= MAX_ADMITTED_IMAGES,
    generation: snapshot.version,
    byBreakGlass: breakGlass !== undefined,
  };
}
