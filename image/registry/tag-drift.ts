import type { Manifest } from './manifest.ts';
import type { RegistryClient, ResolvedTag } from './registry-client.ts';
import type { RegistryResult } from './registry-result.ts';

/**
 * Whether a tag still names what runs. `gone`: the registry has no such tag or repository any more. `unknown`: the
 * registry could not be asked; never to be read as `same`.
 */
export type TagDrift =
  | { readonly state: 'same'; readonly digest: string }
  | { readonly state: 'moved'; readonly digest: string }
  | { readonly state: 'gone' }
  | { readonly state: 'unknown'; readonly reason: string };

/** A running image. */
export interface RunningImage {
  /** Path of the repository, such as `library/alpine`. */
  readonly path: string;
  readonly tag: string;
  /** Repository digests of the image, as the runtime gives them; of an index or of a platform's manifest. */
  readonly digests: readonly string[];
}

/**
 * Compares a running image with what its tag names now: one HEAD request, and only where the digest differs a second
 * one, since the running digest may be that of one platform in an index. Never rejects.
 */
export async function readTagDrift(
  client: Pick<RegistryClient, 'resolve' | 'manifest'>,
  { path, tag, digests }: RunningImage,
): Promise<TagDrift> {
  if (digests.length === 0)
    return { state: 'unknown', reason: 'the image has no repository digest: it was built or loaded on the node' };
  const resolved = await client.resolve(path, tag);
  const drift = compareTag(digests, resolved, undefined);
  if (drift.state !== 'moved') return drift;
  const manifest = await client.manifest(path, drift.digest);
  if (!manifest.ok) return { state: 'unknown', reason: manifest.reason };
  return compareTag(digests, resolved, manifest.value);
}

/** The comparison itself: what runs, what the tag names, and the manifest behind that where it is known. */
export function compareTag(
  digests: readonly string[],
  resolved: RegistryResult<ResolvedTag>,
  manifest: Manifest | undefined,
): TagDrift {
  if (!resolved.ok)
    return resolved.code === 'notFound' ? { state: 'gone' } : { state: 'unknown', reason: resolved.reason };
  const { digest } = resolved.value;
  const named = manifest?.kind === 'index' ? manifest.manifests.map((entry) => entry.digest) : [];
  return { state: digests.some((one) => one === digest || named.includes(one)) ? 'same' : 'moved', digest };
}
