import { unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import type { SnapshotTag } from '../../policy/snapshot.ts';
import type { KnownManifest } from './image-verdicts.ts';

/** What the registries of an image say about it, verified by digests. */
export interface RegistryFacts {
  readonly configuration: Observed<ConfigurationEvidence>;
  /** Manifests that name the image: their configuration is it. */
  readonly manifests: readonly KnownManifest[];
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

/** What is known from registries. */
export interface RegistrySource {
  readonly factsOf: (imageId: string) => RegistryFacts;
  readonly tagsOf: (imageId: string) => readonly TagState[];
  /** What tags of running containers named when their registry was asked last. */
  readonly tags: () => readonly SnapshotTag[];
}

/** Where no registry may be asked. */
export const NO_REGISTRIES: RegistrySource = Object.freeze({
  factsOf: () => NO_FACTS,
  tagsOf: () => [],
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
