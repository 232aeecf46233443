import { decideFromSnapshot } from '../../policy/decide-from-snapshot.ts';
import type { SnapshotDecision } from '../../policy/decide-from-snapshot.ts';
import { outcomeOf } from '../../policy/decide.ts';
import type { Outcome } from '../../policy/decide.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { canonicalRegistry, parseReference } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import { indexImages } from '../../policy/snapshot.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { RegistrySource } from './registry-facts.ts';

/** What the policies decide about one running image under one of its names. */
export interface SimulatedDecision {
  readonly imageId: string;
  readonly name: string;
  readonly containers: number;
  readonly decision: SnapshotDecision;
  /** The outcome if all rules were enforced. */
  readonly enforced: Outcome;
}

/** What a simulation reads. */
export interface SimulationSources {
  readonly running: Pick<RunningImages, 'imageIds' | 'containersOf'>;
  readonly verdictsOf: (imageId: string) => readonly SnapshotImage[];
  readonly registries: Pick<RegistrySource, 'factsOf'>;
  readonly policies: readonly ImagePolicy[];
}

const STRICTNESS: Readonly<Record<Outcome, number>> = { deny: 0, couldNotTell: 1, allow: 2 };

/**
 * What would happen if the images that run were started now, as enforcers decide it: worst first, then by containers.
 * `namespace`: where they are taken to run; undefined: in none, so that only policies for all namespaces apply.
 */
export function simulatePolicies(
  sources: SimulationSources,
  { namespace, now }: { readonly namespace: string | undefined; readonly now: number },
): readonly SimulatedDecision[] {
  const decisions = sources.running.imageIds().flatMap((imageId) => {
    const byName = Map.groupBy(sources.running.containersOf(imageId), ({ image }) => image);
    const snapshot = { policies: sources.policies, issuedAt: now, byDigest: indexImages(sources.verdictsOf(imageId)) };
    return [...byName].map(([name, containers]): SimulatedDecision => {
      const subject = { ...subjectOf(imageId, name, sources.registries), namespace };
      const decision = decideFromSnapshot(subject, snapshot, now);
      const all = [...decision.reasons, ...decision.warnings, ...decision.observed];
      return { imageId, name, containers: containers.length, decision, enforced: outcomeOf(all) };
    });
  });
  return decisions.sort(
    (a, b) =>
      STRICTNESS[a.decision.outcome] - STRICTNESS[b.decision.outcome] ||
      STRICTNESS[a.enforced] - STRICTNESS[b.enforced] ||
      b.containers - a.containers ||
      (a.name < b.name ? -1 : 1),
  );
}

/** The image as an enforcer names it: by a manifest of its repository where one is known, otherwise by its id. */
export function subjectOf(imageId: string, name: string, registries: Pick<RegistrySource, 'factsOf'>) {
  const parsed = parseReference(name);
  // A container that was started by the id of an image names no registry.
  if (!parsed.ok) return { reference: parsed.code === 'identifier' ? undefined : name, digest: imageId };
  const manifests = registries.factsOf(imageId).manifests;
  const own = manifests.find(({ repositories }) => repositories.some((one) => isSameRepository(one, parsed.value)));
  return { reference: name, digest: parsed.value.digest ?? own?.digest ?? imageId };
}

function isSameRepository(one: ImageReference, other: ImageReference): boolean {
  return one.path === other.path && canonicalRegistry(one.registry) === canonicalRegistry(other.registry);
}
