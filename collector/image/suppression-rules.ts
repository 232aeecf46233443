import { parseReference } from '../../policy/reference.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import { applyVex } from '../../vulnerability/vex.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import type { Suppression, Vulnerability, VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import { applyWaivers } from '../../vulnerability/waiver.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { PackagePlace } from '../store/image-store.ts';
import { distinct } from './running-images.ts';
import type { RunningImages } from './running-images.ts';

/** VEX statements and waivers, ready to be applied to package versions of the fleet. */
export interface SuppressionRules {
  readonly isEmpty: boolean;
  /** Whether a statement or waiver names the vulnerability. If not, nothing suppresses it. */
  readonly names: (vulnerability: Pick<Vulnerability, 'id' | 'advisory' | 'aliases'>) => boolean;
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
  readonly expired: (now: number) => readonly VulnerabilityWaiver[];
  readonly startReview: () => void;
}

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
  const statementsOf = indexBy(statements, ({ vulnerabilities }) => vulnerabilities);
  const waiversOf = indexBy(waivers, ({ ids }) => ids);
  const used = new Set<VulnerabilityWaiver>();

  const underName = (
    { package: found, vulnerability, status, distribution }: FleetMatch,
    { imageId, reference }: { readonly imageId: string; readonly reference: string | undefined },
    now: number,
  ): Suppression | undefined => {
    const ids = idsOf(vulnerability);
    // What suppressed it before decides nothing.
    const match = { package: found, vulnerability, status };
    const own = collect(statementsOf, ids);
    const accepting = collect(waiversOf, ids);
    if (own.length === 0 && accepting.length === 0) return undefined;
    const parsed = reference === undefined ? undefined : parseReference(reference);
    // The id of an image names no repository.
    const name = parsed?.ok === true && !parsed.value.mayBeId ? parsed.value : undefined;
    const repositories = name === undefined ? [] : [`${name.registry}/${name.path}`];
    const digests = name?.digest === undefined ? [imageId] : [imageId, name.digest];
    const byVex = applyVex([match], own, { digests, repositories, ...(distribution && { distribution }) });
    const { matches, unused } = applyWaivers(byVex, accepting, { images: repositories, now });
    for (const waiver of accepting) if (now < waiver.expiresAt && !unused.includes(waiver)) used.add(waiver);
    return matches[0]?.suppressed;
  };
  const inImage = (match: FleetMatch, { imageId, references }: NamedImage, now: number): Suppression | undefined => {
    const all = (references.length === 0 ? [undefined] : references).map((reference) =>
      underName(match, { imageId, reference }, now),
    );
    return all.includes(undefined) ? undefined : firstToExpire(all);
  };
  return {
    isEmpty: statements.length === 0 && waivers.length === 0,
    names: (vulnerability) => idsOf(vulnerability).some((id) => statementsOf.has(id) || waiversOf.has(id)),
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
    expired: (now) => waivers.filter(({ expiresAt }) => now >= expiresAt),
    startReview: () => used.clear(),
  };
}

/** Ids are written in capitals by most, and mean the same in small letters. */
function idsOf({ id, advisory, aliases }: Pick<Vulnerability, 'id' | 'advisory' | 'aliases'>): readonly string[] {
  return [...new Set([id, advisory, ...aliases].map((one) => one.toUpperCase()))];
}

function indexBy<T>(
  list: readonly T[],
  idsOfEntry: (entry: T) => readonly string[],
): ReadonlyMap<string, readonly T[]> {
  const byId = new Map<string, T[]>();
  for (const entry of list)
    for (const id of new Set(idsOfEntry(entry).map((one) => one.trim().toUpperCase()))) {
      const own = byId.get(id);
      if (own === undefined) byId.set(id, [entry]);
      else own.push(entry);
    }
  return byId;
}

function collect<T>(byId: ReadonlyMap<string, readonly T[]>, ids: readonly string[]): readonly T[] {
  return [...new Set(ids.flatMap((id) => byId.get(id) ?? []))];
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
