import { parseReference } from '../../policy/reference.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import { applyVex } from '../../vulnerability/vex.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import { indexAnnotations } from '../../vulnerability/annotation-index.ts';
import type { AnnotationIndex } from '../../vulnerability/annotation-index.ts';
import type { Suppression, VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import { IMAGE_PATTERNS } from '../../policy/registry-pattern.ts';
import { applyWaivers } from '../../vulnerability/waiver.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { PackagePlace } from '../store/image-store.ts';
import { distinct } from './running-images.ts';
import type { RunningImages } from './running-images.ts';

/** VEX statements and waivers, ready to be applied to package versions of the fleet. */
export interface SuppressionRules {
  readonly isEmpty: boolean;
  readonly names: AnnotationIndex['names'];
  /** What suppresses a match in one image under every name of it; undefined: nothing. */
  readonly inImage: (match: FleetMatch, image: NamedImage, now: number) => Suppression | undefined;
  /** What suppresses a match wherever it runs; undefined: nothing. `before`: what suppressed it so far. */
  readonly everywhere: (
    match: FleetMatch,
    places: readonly PackagePlace[],
    terms: { readonly before: Suppression | undefined; readonly now: number; readonly keeps: boolean },
  ) => Suppression | undefined;
  /** Waivers that accepted nothing since `startReview` and have not expired. */
  readonly unused: (now: number) => readonly VulnerabilityWaiver[];
  /** Waivers that accepted something in more than half of this number of images since `startReview`. */
  readonly broad: (images: number) => readonly { readonly waiver: VulnerabilityWaiver; readonly images: number }[];
  readonly expired: (now: number) => readonly VulnerabilityWaiver[];
  /** What each waiver did since `startReview`, and in how many images. */
  readonly uses: (now: number, images: number) => readonly Required<VulnerabilityWaiverUse>[];
  readonly startReview: () => void;
}

/** A waiver and what it does; without `state` it was not reviewed since it was read. */
export interface VulnerabilityWaiverUse {
  readonly waiver: VulnerabilityWaiver;
  readonly state?: 'used' | 'broad' | 'unused' | 'expired';
  /** Images in which it accepts a vulnerability. */
  readonly images?: number;
}

/** In a few images a waiver may apply to all of them. */
const MIN_BROAD_IMAGES = 10;

/** A match of a package version, with the distribution of its image. */
export interface FleetMatch extends VulnerabilityMatch {
  readonly distribution?: Distribution;
}

/** An image and the references that its containers were started from. */
interface NamedImage {
  readonly imageId: string;
  readonly references: readonly string[];
}

/** Containers of an image, on one node or on all. */
type ContainersOf = RunningImages['containersOf'];

/**
 * Prepares statements and waivers. An image is known under the references of all its containers: each of them must be
 * suppressed, so that a node can take a suppression away by another name, and not bring one about.
 */
export function createSuppressionRules(
  statements: readonly VexStatement[],
  waivers: readonly VulnerabilityWaiver[],
  containersOf: ContainersOf,
): SuppressionRules {
  const index = indexAnnotations(statements, waivers);
  /** Images in which a waiver accepted something. */
  const used = new Map<VulnerabilityWaiver, Set<string>>();

  const underName = (
    { package: found, vulnerability, status, distribution }: FleetMatch,
    { imageId, reference }: { readonly imageId: string; readonly reference: string | undefined },
    now: number,
  ): Suppression | undefined => {
    // What suppressed it before decides nothing.
    const match = { package: found, vulnerability, status };
    const { statements: own, waivers: accepting } = index.about([vulnerability]);
    if (own.length === 0 && accepting.length === 0) return undefined;
    const parsed = reference === undefined ? undefined : parseReference(reference);
    // The id of an image names no repository.
    const name = parsed?.ok === true && !parsed.value.mayBeId ? parsed.value : undefined;
    const repositories = name === undefined ? [] : [`${name.registry}/${name.path}`];
    const digests = name?.digest === undefined ? [imageId] : [imageId, name.digest];
    const byVex = applyVex([match], own, { digests, repositories, ...(distribution && { distribution }) });
    const { matches, unused } = applyWaivers(byVex, accepting, { images: repositories, now, patterns: IMAGE_PATTERNS });
    for (const waiver of accepting)
      if (now < waiver.expiresAt && !unused.includes(waiver))
        used.set(waiver, (used.get(waiver) ?? new Set()).add(imageId));
    return matches[0]?.suppressed;
  };
  const inImage = (match: FleetMatch, { imageId, references }: NamedImage, now: number): Suppression | undefined => {
    const all = (references.length === 0 ? [undefined] : references).map((reference) =>
      underName(match, { imageId, reference }, now),
    );
    return all.includes(undefined) ? undefined : firstToExpire(all);
  };
  return {
    isEmpty: index.isEmpty,
    names: index.names,
    inImage,
    everywhere: (match, places, { before, now, keeps }) => {
      const images = distinct(places).map(({ imageId, nodeId }) => ({
        imageId,
        references: [...new Set(containersOf(imageId, nodeId).map(({ image }) => image))],
      }));
      const running = images.filter(({ references }) => references.length > 0);
      const all = (running.length > 0 ? running : images).map((image) => inImage(match, image, now));
      const found = all.includes(undefined) ? undefined : firstToExpire(all);
      // The names of an image that does not run are not known: what was decided while it ran stays.
      const stays = keeps || running.length === 0;
      const isValid = before !== undefined && (before.expiresAt === undefined || now < before.expiresAt);
      return found ?? (stays && isValid ? before : undefined);
    },
    unused: (now) => waivers.filter((waiver) => now < waiver.expiresAt && !used.has(waiver)),
    uses: (now, images) =>
      waivers.map((waiver) => {
        const own = used.get(waiver)?.size ?? 0;
        const state = own === 0 ? 'unused' : own >= leastOfBroad(images) ? 'broad' : 'used';
        return { waiver, state: now >= waiver.expiresAt ? 'expired' : state, images: own };
      }),
    broad: (images) => {
      const least = leastOfBroad(images);
      return [...used].filter(([, own]) => own.size >= least).map(([waiver, own]) => ({ waiver, images: own.size }));
    },
    expired: (now) => waivers.filter(({ expiresAt }) => now >= expiresAt),
    startReview: () => used.clear(),
  };
}

/** From this number of images, of a total, a waiver accepts too much. */
function leastOfBroad(images: number): number {
  return Math.max(MIN_BROAD_IMAGES, Math.floor(images / 2) + 1);
}

/** Of several suppressions the one that ends first. */
function firstToExpire(all: readonly (Suppression | undefined)[]): Suppression | undefined {
  let first: Suppression | undefined;
  for (const one of all) if (one !== undefined && (first === undefined || endOf(one) < endOf(first))) first = one;
  return first;
}

function endOf({ expiresAt = Infinity }: Suppression): number {
  return expiresAt;
}
