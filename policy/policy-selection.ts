import type { Observed } from '../posture/observed.ts';
import { globsOverlap, matchesGlob, sequencesOverlap } from './glob.ts';
import type { ImagePolicy } from './image-policy.ts';
import { compareSpecificity, matchesPattern, parseRegistryPattern } from './registry-pattern.ts';
import type { RegistryPattern } from './registry-pattern.ts';
import type { ImageReference } from './reference.ts';
import { compareText } from '../posture/text-order.ts';

/** How narrowly a policy covers an image. */
interface Coverage {
  readonly image: RegistryPattern;
  readonly namespace: string;
}

/** A policy that matches an image, by the most specific of its patterns that do. */
export interface PolicyMatch {
  readonly policy: ImagePolicy;
  /** The pattern of the image, and that of the namespace. */
  readonly patterns: { readonly image: string; readonly namespace: string };
  /** No other policy is more specific, so this one decides. */
  readonly decides: boolean;
}

/**
 * The policies that decide on an image: of those that match it, the most specific. The pattern of the image counts
 * first, then that of the namespace. Several only where they are equally specific; then all of them apply. An image
 * without a reference is covered by patterns that cover every image.
 */
export function selectPolicies(
  policies: readonly ImagePolicy[],
  reference: Observed<ImageReference>,
  namespace: string | undefined,
): readonly ImagePolicy[] {
  const deciding = matchingPolicies(policies, reference, namespace).filter(({ decides }) => decides);
  return deciding.map(({ policy }) => policy);
}

/** All policies that match an image: those that decide first, then by how specific they are, then by name. */
export function matchingPolicies(
  policies: readonly ImagePolicy[],
  reference: Observed<ImageReference>,
  namespace: string | undefined,
): readonly PolicyMatch[] {
  const matching = policies.flatMap((policy) => {
    const coverage = coverageOf(policy, reference, namespace);
    return coverage === undefined ? [] : [{ policy, coverage }];
  });
  const ranked = matching.sort(
    (a, b) => compareCoverage(a.coverage, b.coverage) || compareText(a.policy.name, b.policy.name),
  );
  const best = ranked[0]?.coverage;
  return ranked.map(({ policy, coverage }) => ({
    policy,
    patterns: { image: coverage.image.text, namespace: coverage.namespace },
    decides: best !== undefined && compareCoverage(coverage, best) === 0,
  }));
}

function coverageOf(
  { match }: ImagePolicy,
  reference: Observed<ImageReference>,
  namespace: string | undefined,
): Coverage | undefined {
  // An image that belongs to no namespace, as in CI, is matched only by policies for all of them.
  const namespaces = match.namespaces.filter((pattern) => matchesGlob(pattern, namespace ?? ''));
  const images = match.images.filter((pattern) =>
    reference.state === 'seen' ? matchesPattern(pattern, reference.value) : coversEveryImage(pattern),
  );
  const image = images.toSorted(compareSpecificity)[0];
  const narrowest = namespaces.toSorted(compareGlobs)[0];
  return image === undefined || narrowest === undefined ? undefined : { image, namespace: narrowest };
}

const EVERY_IMAGE = parseRegistryPattern('**');

function coversEveryImage(pattern: RegistryPattern): boolean {
  return EVERY_IMAGE.ok && compareSpecificity(pattern, EVERY_IMAGE.value) === 0;
}

function compareCoverage(a: Coverage, b: Coverage): number {
  return compareSpecificity(a.image, b.image) || compareGlobs(a.namespace, b.namespace);
}

/** Orders patterns for sorting, the more specific first: literal before wildcards, then more literal characters. */
export function compareGlobs(a: string, b: string): number {
  return rankOfGlob(b) - rankOfGlob(a);
}

function rankOfGlob(pattern: string): number {
  const literals = pattern.replaceAll(/[*?]/g, '').length;
  return literals === pattern.length ? Number.MAX_SAFE_INTEGER : literals;
}

/** Two policies that may decide on the same image, of which neither is more specific. */
export interface PolicyConflict {
  readonly policies: readonly [ImagePolicy, ImagePolicy];
  /** The patterns that are equally specific, for people. */
  readonly patterns: string;
}

/** All conflicts between policies, and names that are used twice. Errors where policies are loaded. */
export function findConflicts(policies: readonly ImagePolicy[]): readonly PolicyConflict[] {
  return policies.flatMap((one, index) =>
    policies.slice(index + 1).flatMap((other) => {
      if (one.name === other.name)
        return [{ policies: [one, other] as const, patterns: `the name ${one.name} is used twice` }];
      const patterns = conflictBetween(one, other);
      return patterns === undefined ? [] : [{ policies: [one, other] as const, patterns }];
    }),
  );
}

function conflictBetween({ match: a }: ImagePolicy, { match: b }: ImagePolicy): string | undefined {
  for (const image of a.images)
    for (const otherImage of b.images) {
      if (compareSpecificity(image, otherImage) !== 0 || !imagesOverlap(image, otherImage)) continue;
      for (const namespace of a.namespaces)
        for (const otherNamespace of b.namespaces)
          if (compareGlobs(namespace, otherNamespace) === 0 && globsOverlap(namespace, otherNamespace))
            return `${image.text} in ${namespace}, and ${otherImage.text} in ${otherNamespace}, are equally specific`;
    }
  return undefined;
}

function imagesOverlap(one: RegistryPattern, other: RegistryPattern): boolean {
  const labels =
    one.registry === undefined ||
    other.registry === undefined ||
    (one.registry.length === other.registry.length &&
      one.registry.every((label, index) => globsOverlap(label, other.registry?.[index] ?? '')));
  return labels && sequencesOverlap(one.path, other.path, { isAny: (part) => part === '**', overlap: globsOverlap });
}
