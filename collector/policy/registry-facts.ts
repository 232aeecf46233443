import { unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import type { SnapshotTag } from '../../policy/snapshot.ts';
import type { ImageTag } from '../../posture/fact/image-tags.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { ManifestSignatures } from './manifest-signatures.ts';

/** What the registries of an image say about it, verified by digests. */
export interface RegistryFacts {
  readonly configuration: Observed<ConfigurationEvidence>;
  /** Manifests that name the image, since their configuration is it, and the repositories in which they were found. */
  readonly manifests: readonly { readonly digest: string; readonly repositories: readonly ImageReference[] }[];
  /** Differs where the facts differ. */
  readonly revision: string;
}

/**
 * What a tag that containers were started from names now. `moved`: another image; `gone`: nothing; `unknown`: its
 * registry was never answered.
 */
export interface TagState {
  readonly reference: string;
  readonly state: 'same' | 'moved' | 'gone' | 'unknown';
  readonly digest?: string;
  /** When the registry answered last. */
  readonly checkedMs?: number;
  /** Why there is no newer answer; empty: there was one. */
  readonly reason: string;
}

/** A tag as findings report it. */
export interface ReportedTag extends ImageTag {
  /** False: its registry is not asked yet since the collector started. */
  readonly isAsked: boolean;
}

/** What is known from registries. */
export interface RegistrySource {
  readonly factsOf: (imageId: string) => RegistryFacts;
  /** Signatures of the manifests of all running images, of each reference that was asked about. */
  readonly signatures: () => Iterable<ManifestSignatures>;
  /** Id of the image of a manifest, the digest of its configuration; undefined: it is not known. */
  readonly imageIdOf: (manifest: string) => string | undefined;
  readonly tagsOf: (imageId: string) => readonly TagState[];
  /** What findings report of the tag that a container was started from; undefined: it names none that is asked about. */
  readonly tagOf: (imageId: string, image: string) => ReportedTag | undefined;
  /** Calls `subscriber` with the id of each image if the report about one of its tags may differ. Returns what ends that. */
  readonly subscribeToTags: (subscriber: (imageId: string) => void) => () => void;
  /** What tags of running containers named when their registry was asked last. */
  readonly tags: () => readonly SnapshotTag[];
}

/** Where no registry may be asked. */
export const NO_REGISTRIES: RegistrySource = Object.freeze({
  factsOf: () => NO_FACTS,
  signatures: () => [],
  imageIdOf: () => undefined,
  tagsOf: () => [],
  tagOf: () => undefined,
  subscribeToTags: () => () => undefined,
  tags: () => [],
});

const NO_FACTS: RegistryFacts = Object.freeze({
  configuration: unreadable(
    'registry',
    'the collector does not ask the registry of the image: see the setting registries',
  ),
  manifests: [],
  revision: '',
});
