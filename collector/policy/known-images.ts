import { unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import { canonicalRegistry, formatReference } from '../../policy/reference.ts';
import type { SnapshotTag } from '../../policy/snapshot.ts';
import type { ImageScan, StoredClaim } from '../store/image-store.ts';
import type { ScannedImage } from './image-scans.ts';
import { indexSignatures } from './manifest-signatures.ts';
import type { KnownManifest } from './image-verdicts.ts';
import type { RegistryFacts, RegistrySource } from './registry-facts.ts';

/** One image with everything that the collector knows of it, whatever its nodes call it. */
export interface KnownImage {
  /** Digest of its configuration; where that is not known, what its nodes call it. */
  readonly id: string;
  /** What its nodes call it. */
  readonly names: readonly string[];
  /** Its ids, and the manifests and indexes that are proved to name it. */
  readonly manifests: readonly KnownManifest[];
  /** What nodes say about its packages. */
  readonly claims: readonly StoredClaim[];
  /** What the collector has read itself. It counts alone: no node can replace or shorten it. */
  readonly scan: ImageScan | undefined;
  /** Why the collector could not list its packages when it was asked to; undefined: it could, or was not asked. */
  readonly scanProblem: string | undefined;
  readonly configuration: Observed<ConfigurationEvidence>;
  /** References of this image that were scanned since the start, with the digests that they named. */
  readonly scannedReferences: ReadonlyMap<string, string>;
  /** Differs where what is known differs. */
  readonly revision: string;
}

/** What images are put together from. */
export interface KnownImageSources {
  /** Ids that nodes use, those first that are to be judged first. */
  readonly ids: readonly string[];
  readonly claims: ReadonlyMap<string, readonly StoredClaim[]>;
  readonly registries: Pick<RegistrySource, 'factsOf' | 'signatures' | 'imageIdOf'>;
  /** Scans since the start, oldest first. */
  readonly scanned: readonly ScannedImage[];
  /** Packages that the collector has read itself. */
  readonly stored: readonly ImageScan[];
}

/**
 * The images of the fleet and those that were scanned on request, each once. Docker with the image store of containerd
 * calls an image by its manifest and others by its configuration; a registry or a scan proves that both are the same.
 */
export function listKnownImages(sources: KnownImageSources): readonly KnownImage[] {
  const { ids, scanned, stored, registries } = sources;
  const canonical = new Map<string, string>();
  for (const { id, manifest } of stored) canonical.set(manifest, id);
  for (const { image } of scanned) canonical.set(image.manifest, image.id);
  // Docker calls an image by the index that it was pulled from. What was read of it through a container adds nothing to
  // what the collector has read of the same index.
  const named = new Map(scanned.map(({ digest, image }) => [digest, image.id]));
  const hasLayers = (id: string): boolean => sources.claims.get(id)?.some(({ source }) => source === 'layers') === true;
  const nameOf = (id: string): string =>
    canonical.get(id) ?? registries.imageIdOf(id) ?? (hasLayers(id) ? id : (named.get(id) ?? id));
  const idsByName = Map.groupBy(ids, nameOf);
  const scansByName = Map.groupBy(scanned, ({ image }) => image.id);
  const storedByName = new Map(stored.map((one) => [one.id, one]));
  const signatures = indexSignatures([...registries.signatures(), ...scanned]);
  return [...new Set([...idsByName.keys(), ...scansByName.keys()])].map((id): KnownImage => {
    const own = idsByName.get(id) ?? [];
    const scans = scansByName.get(id) ?? [];
    const facts = own.map(registries.factsOf);
    const digests = new Set([
      id,
      ...own,
      ...facts.flatMap(({ manifests }) => manifests.map(({ digest }) => digest)),
      ...scans.map(({ digest }) => digest),
    ]);
    const manifests = [...digests].map((digest): KnownManifest => {
      return { digest, repositories: [...(signatures.get(digest)?.values() ?? [])] };
    });
    const last = scans.at(-1);
    const claims = own.flatMap((one) => sources.claims.get(one) ?? []);
    const configuration = configurationOf(facts, scans);
    const scan = storedByName.get(id);
    // Texts name the nodes where they do not say the same.
    const isOne = new Set(claims.flatMap((claim) => (claim.isStored ? claim.digest : []))).size <= 1;
    const said = claims.map(({ digest, source, problem, isStored, nodeId, nodeName }) =>
      [digest, source, problem, isStored, ...(isOne ? [] : [nodeId, nodeName])].join(' '),
    );
    const revision = JSON.stringify([
      scan === undefined ? [...new Set(said)].sort() : [scan.inventory],
      facts.map((one) => one.revision),
      scans.map((one) => one.revision),
      manifests.map(({ digest, repositories }) => [digest, ...repositories.map((one) => one.revision)]),
    ]);
    return {
      id,
      names: own,
      manifests,
      claims,
      scan,
      scanProblem: last?.packages.state === 'unreadable' ? last.packages.reason : undefined,
      configuration,
      scannedReferences: new Map(scans.map(({ reference, digest }) => [formatReference(reference), digest])),
      revision,
    };
  });
}

/**
 * What tags name: those of running containers as their registry answered last, and those that were scanned since `sinceMs`.
 * Of two answers about a tag the newer one counts.
 */
export function tagsOf(
  running: readonly SnapshotTag[],
  scanned: readonly ScannedImage[],
  sinceMs: number,
): readonly SnapshotTag[] {
  const tags = new Map<string, SnapshotTag>();
  for (const one of running)
    if (one.checkedAt >= (tags.get(one.reference)?.checkedAt ?? 0)) tags.set(one.reference, one);
  for (const { reference: given, digest, atMs } of scanned) {
    if (given.digest !== undefined || atMs < sinceMs) continue;
    const reference = formatReference({ ...given, registry: canonicalRegistry(given.registry) });
    if (atMs > (tags.get(reference)?.checkedAt ?? 0)) tags.set(reference, { reference, digest, checkedAt: atMs });
  }
  return [...tags.values()];
}

/** The configuration is what the id of the image is made from: whoever has read it has read the same. */
function configurationOf(
  facts: readonly RegistryFacts[],
  scans: readonly ScannedImage[],
): Observed<ConfigurationEvidence> {
  const all = [...scans, ...facts].map(({ configuration }) => configuration);
  return all.find(({ state }) => state === 'seen') ?? all[0] ?? unreadable('registry', 'the image was not looked at');
}
