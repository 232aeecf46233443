import { readImageConfiguration } from '../../image/policy/image-configuration.ts';
import { lookUpSignatures } from '../../image/policy/signature-evidence.ts';
import type { ImageManifest, Manifest } from '../../image/registry/manifest.ts';
import type { RegistryClient } from '../../image/registry/registry-client.ts';
import type { RegistryErrorCode, RegistryFailure, RegistryResult } from '../../image/registry/registry-result.ts';
import { unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { Authority } from '../../policy/rule/signature.ts';
import type { ManifestSignatures } from './manifest-signatures.ts';
import type { ImageIdentity } from '../../image/policy/examine-image.ts';

/** What is asked about one reference of a running image. */
export interface ReferenceQuestion {
  readonly client: RegistryClient;
  /** With its registry in the form in which registries are compared. */
  readonly reference: ImageReference;
  /** Id of the image that was started from the reference. */
  readonly imageId: string;
  /** Whose signatures are looked for. */
  readonly authorities: readonly Authority[];
  /** False: the configuration is known already. */
  readonly wantsConfiguration: boolean;
}

/**
 * What a registry says about a reference. `moved`: it names another image than the one that runs; `gone`: the registry
 * has no such tag or repository any more; `unknown`: the registry could not be asked, which is never `same`.
 */
export type ReferenceAnswer =
  | {
      readonly state: 'same';
      /** What the reference names. */
      readonly digest: string;
      /** Manifests that name the image, with their signatures in the repository of the reference. */
      readonly manifests: readonly Pick<ManifestSignatures, 'digest' | 'signatures'>[];
      /** What the image is; undefined: it is named by an index, so it is not known which of its images it is. */
      readonly image: ImageIdentity | undefined;
      readonly configuration: Observed<ConfigurationEvidence> | undefined;
    }
  | { readonly state: 'moved'; readonly digest: string }
  | { readonly state: 'gone' }
  | {
      readonly state: 'unknown';
      readonly code: RegistryErrorCode;
      readonly reason: string;
      readonly retryAfterMs?: number;
    };

/** Images of an index that are looked at: one for each platform. */
const MAX_PLATFORMS = 24;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** The rule `allowSetuid` judges by what agents list. */
const NO_FILES = unreadable('registry', 'the collector does not read the files of an image in a registry');
const ATTESTATION = 'vnd.docker.reference.type';

/**
 * Asks a registry whether a reference still names the image that was started from it, and what it says about that image:
 * every digest is verified, so that the registry can refuse to answer, but not lie about an image. A node's word about
 * digests is not used. Never rejects.
 */
export async function readReference(question: ReferenceQuestion): Promise<ReferenceAnswer> {
  const { client, reference, imageId, authorities, wantsConfiguration } = question;
  const { path, tag = 'latest' } = reference;
  const named = await client.manifest(path, reference.digest ?? tag);
  if (!named.ok) return failure(named);
  const found = await findImage(client, path, { named: named.value, imageIds: [imageId] });
  if (!found.ok) return failure(found);
  if (found.value === undefined) return { state: 'moved', digest: named.value.digest };
  const digests = [...new Set([named.value.digest, found.value.digest])];
  const manifests: Pick<ManifestSignatures, 'digest' | 'signatures'>[] = [];
  for (const digest of digests) {
    const signatures = await lookUpSignatures({ client, path, digest, authorities });
    manifests.push({ digest, signatures });
  }
  const configuration = wantsConfiguration ? await readConfiguration(client, path, found.value) : undefined;
  const image =
    found.value.kind === 'index' ? undefined : { id: found.value.config.digest, manifest: found.value.digest };
  return { state: 'same', digest: named.value.digest, manifests, image, configuration };
}

/**
 * Whether a digest names one of the images, which are known by manifest or by configuration: an image that was loaded is
 * known by its configuration only. Never rejects.
 */
export async function namesOneOf(
  client: Pick<RegistryClient, 'manifest'>,
  { path, digest }: { readonly path: string; readonly digest: string },
  imageIds: readonly string[],
): Promise<RegistryResult<boolean>> {
  const named = await client.manifest(path, digest);
  if (!named.ok) return named;
  const found = await findImage(client, path, { named: named.value, imageIds });
  return found.ok ? { ok: true, value: found.value !== undefined } : found;
}

function failure({ code, reason, retryAfterMs }: RegistryFailure): ReferenceAnswer {
  if (code === 'notFound') return { state: 'gone' };
  return { state: 'unknown', code, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** The manifest of an image with one of these ids: what was named, or one of the images of an index; undefined: none. */
async function findImage(
  client: Pick<RegistryClient, 'manifest'>,
  path: string,
  { named, imageIds }: { readonly named: Manifest; readonly imageIds: readonly string[] },
): Promise<RegistryResult<Manifest | undefined>> {
  // Docker with the image store of containerd calls an image by its manifest or index.
  if (imageIds.includes(named.digest)) return { ok: true, value: named };
  const isImage = ({ digest, config }: ImageManifest): boolean =>
    imageIds.includes(digest) || imageIds.includes(config.digest);
  if (named.kind === 'image') return { ok: true, value: isImage(named) ? named : undefined };
  const images = named.manifests.filter(({ annotations }) => annotations[ATTESTATION] === undefined);
  for (const { digest } of images.slice(0, MAX_PLATFORMS)) {
    const manifest = await client.manifest(path, digest);
    // An index may name platforms that the registry does not have.
    if (!manifest.ok && manifest.code === 'notFound') continue;
    if (!manifest.ok) return manifest;
    if (manifest.value.kind === 'image' && isImage(manifest.value)) return { ok: true, value: manifest.value };
  }
  if (images.length > MAX_PLATFORMS)
    return { ok: false, code: 'tooLarge', reason: `the index names more than ${String(MAX_PLATFORMS)} images` };
  return { ok: true, value: undefined };
}

async function readConfiguration(
  client: RegistryClient,
  path: string,
  manifest: Manifest,
): Promise<Observed<ConfigurationEvidence>> {
  if (manifest.kind === 'index')
    return unreadable('registry', 'the image is named by an index, so it is not known which of its images runs');
  const { config } = manifest;
  const blob = await client.blob({ path, digest: config.digest, maxBytes: MAX_CONFIG_BYTES });
  if (!blob.ok) return unreadable('registry', `the image configuration cannot be read: ${blob.reason}`);
  return readImageConfiguration(blob.value, { id: config.digest, tags: [], setuidFiles: NO_FILES });
}
