import { digestOfTag } from '../policy/decide-from-snapshot.ts';
import { imagesOf, parsePod } from '../policy/pod/pod.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { AdmissionRequest } from './review.ts';

/** An operation of JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'replace';
  readonly path: string;
  readonly value: string;
}

/**
 * Replaces tags by the digest that the collector saw under them and judged, `app:1` by `app:1@sha256:…`, so that the
 * node runs what is judged. Pods only: what changed a template would fight with whoever manages it. A tag that the
 * collector does not know stays, and is judged as such. Never throws.
 */
export function pinImages(
  { kind, object, operation }: AdmissionRequest,
  snapshot: PolicySnapshot,
): readonly PatchOperation[] {
  if (kind.kind !== 'Pod' || kind.group !== '' || (operation !== 'CREATE' && operation !== 'UPDATE')) return [];
  const parsed = parsePod(object);
  if (!parsed.ok) return [];
  return imagesOf(parsed.value).flatMap(({ path, reference }) => {
    const tag = digestOfTag(reference, snapshot);
    // `spec.containers[0].image` is /spec/containers/0/image.
    const pointer = `/${path.replaceAll('[', '.').replaceAll(']', '').replaceAll('.', '/')}`;
    return tag === undefined ? [] : [{ op: 'replace' as const, path: pointer, value: `${reference}@${tag.digest}` }];
  });
}
