import type { Bundle } from '@sigstore/bundle';
import { MEDIA_TYPE } from '../registry/manifest.ts';
import type { Descriptor, ImageManifest } from '../registry/manifest.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { RegistryFailure } from '../registry/registry-result.ts';
import { isAttestation, SIGN_PREDICATE } from './signed-claims.ts';
import { BUNDLE_TYPE, parseSigstoreBundle } from './sigstore-bundle.ts';

/** One signature as the registry has it; nothing of it is verified. `defect`: it is not readable as a signature. */
export type SignatureCandidate =
  | {
      readonly kind: 'simpleSigning';
      readonly payload: Buffer;
      readonly signature: Buffer;
      /** PEM; empty for a signature with a key. */
      readonly certificate: string;
      readonly logEntry: string;
    }
  | { readonly kind: 'bundle'; readonly bundle: Bundle }
  | { readonly kind: 'defect'; readonly reason: string };

/** The signatures of an image. Without gaps, these are all that there are. */
export interface CollectedSignatures {
  readonly candidates: readonly SignatureCandidate[];
  /** Why some may be missing. */
  readonly gaps: readonly string[];
}

/** Which image. */
export interface SignedImage {
  readonly client: RegistryClient;
  /** Path of the repository. */
  readonly path: string;
  /** Digest of the manifest or index. */
  readonly digest: string;
  /** For all of it together. */
  readonly deadlineMs: number;
}

/** Signatures and manifests with signatures that are read, each. */
const MAX_SIGNATURES = 32;
const MAX_PAYLOAD_BYTES = 256 * 1024;
const MAX_BUNDLE_BYTES = 1024 * 1024;

const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';

/**
 * Reads the signatures that cosign attaches to an image: the tag `sha256-….sig`, and manifests that refer to the image
 * (OCI 1.1), as simple signing payloads or as Sigstore bundles. At most 32 signatures. Never rejects.
 */
export async function collectSignatures(image: SignedImage): Promise<CollectedSignatures> {
  const collection: Collection = {
    ...image,
    endsAtMs: performance.now() + image.deadlineMs,
    candidates: [],
    gaps: [],
  };
  await collectTagged(collection);
  await collectReferring(collection);
  return { candidates: collection.candidates, gaps: collection.gaps };
}

interface Collection extends SignedImage {
  readonly endsAtMs: number;
  readonly candidates: SignatureCandidate[];
  readonly gaps: string[];
}

async function collectTagged(collection: Collection): Promise<void> {
  const { client, path, digest } = collection;
  const manifest = await client.manifest(path, `${digest.replace(':', '-')}.sig`);
  if (!manifest.ok) return manifest.code === 'notFound' ? undefined : noteFailure(collection, manifest);
  if (manifest.value.kind === 'image') return collectLayers(collection, manifest.value);
  collection.candidates.push({ kind: 'defect', reason: 'the signature tag names an index' });
}

async function collectReferring(collection: Collection): Promise<void> {
  const { client, path, digest, gaps } = collection;
  const listed = await client.referrers(path, digest);
  if (!listed.ok) return noteFailure(collection, listed);
  if (!listed.value.isComplete) gaps.push('the registry lists more referring manifests than are read');
  // The type in the list is not reliable: cosign 2 writes that of an empty configuration.
  const entries = listed.value.manifests
    .filter(({ mediaType }) => mediaType === MEDIA_TYPE.ociManifest)
    .sort((a, b) => likelihood(b) - likelihood(a));
  if (entries.length > MAX_SIGNATURES) gaps.push(`more than ${String(MAX_SIGNATURES)} manifests refer to the image`);
  for (const entry of entries.slice(0, MAX_SIGNATURES)) {
    if (isLate(collection)) return;
    const manifest = await client.manifest(path, entry.digest);
    if (!manifest.ok) noteFailure(collection, manifest);
    // What names another subject is no signature of this image, whatever the list says.
    else if (manifest.value.kind === 'image' && manifest.value.subject === digest)
      await collectLayers(collection, manifest.value);
  }
}

function likelihood({ artifactType }: Descriptor): number {
  if (/sigstore|cosign/.test(artifactType)) return 2;
  return artifactType === '' || artifactType.startsWith('application/vnd.oci.empty') ? 1 : 0;
}

async function collectLayers(collection: Collection, { layers, annotations }: ImageManifest): Promise<void> {
  const predicate = annotations['dev.sigstore.bundle.predicateType'];
  for (const layer of layers) {
    const isBundle = BUNDLE_TYPE.test(layer.mediaType);
    // An attestation, such as an SBOM, says nothing about who signed the image.
    if (isBundle ? predicate !== undefined && predicate !== SIGN_PREDICATE : layer.mediaType !== SIMPLE_SIGNING)
      continue;
    if (collection.candidates.length >= MAX_SIGNATURES) {
      collection.gaps.push(`the image has more than ${String(MAX_SIGNATURES)} signatures`);
      return;
    }
    if (isLate(collection)) return;
    const maxBytes = isBundle ? MAX_BUNDLE_BYTES : MAX_PAYLOAD_BYTES;
    await collectLayer(collection, { layer, maxBytes, isBundle });
  }
}

interface SignatureLayer {
  readonly layer: Descriptor;
  readonly maxBytes: number;
  readonly isBundle: boolean;
}

async function collectLayer(collection: Collection, { layer, maxBytes, isBundle }: SignatureLayer): Promise<void> {
  const { client, path, endsAtMs, candidates } = collection;
  const { digest, sizeBytes, annotations } = layer;
  const deadlineMs = Math.max(1, Math.ceil(endsAtMs - performance.now()));
  const blob = await client.blob({ path, digest, sizeBytes, maxBytes, deadlineMs });
  if (!blob.ok) return noteFailure(collection, blob);
  if (isBundle) {
    const parsed = parseSigstoreBundle(blob.value);
    if (!parsed.ok && parsed.isUnsupported) return void collection.gaps.push(parsed.problem);
    if (!parsed.ok) return void candidates.push({ kind: 'defect', reason: parsed.problem });
    const bundle = parsed.value;
    if (bundle.content.$case === 'dsseEnvelope' && isAttestation(bundle.content.dsseEnvelope.payload)) return;
    return void candidates.push({ kind: 'bundle', bundle });
  }
  candidates.push({
    kind: 'simpleSigning',
    payload: blob.value,
    signature: Buffer.from(annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64'),
    certificate: annotations['dev.sigstore.cosign/certificate'] ?? '',
    logEntry: annotations['dev.sigstore.cosign/bundle'] ?? '',
  });
}

/** What the registry holds is wrong: a defect of a signature. What it did not give: a gap. */
function noteFailure({ candidates, gaps }: Collection, { code, reason }: RegistryFailure): void {
  if (code === 'digestMismatch' || code === 'tooLarge')
    candidates.push({ kind: 'defect', reason: `a signature cannot be read: ${reason}` });
  else gaps.push(code === 'notFound' ? 'a signature is listed, but the registry does not have it' : reason);
}

function isLate({ endsAtMs, gaps }: Collection): boolean {
  if (performance.now() < endsAtMs) return false;
  gaps.push('the signatures were not read before the deadline');
  return true;
}
