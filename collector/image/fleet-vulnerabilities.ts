import type { Vulnerability } from '../../vulnerability/vulnerability.ts';
import type { ImageStore, PackagePlace, PackageVulnerability, VulnerabilityFilter } from '../store/image-store.ts';
import { distinct } from './running-images.ts';
import type { ImageContainer, RunningImages } from './running-images.ts';

/** A running container that a vulnerability affects. */
export interface AffectedContainer extends ImageContainer {
  readonly imageId: string;
}

/** A vulnerability with the running containers that it affects. */
export interface AffectedFleet {
  readonly id: string;
  /** Its worst rating where advisories differ. */
  readonly vulnerability: Vulnerability;
  readonly packages: readonly PackageVulnerability[];
  readonly containers: readonly AffectedContainer[];
}

interface Sources {
  readonly images: ImageStore;
  readonly running: RunningImages;
}

/** What a vulnerability affects; undefined: no package version of the fleet has it. */
export async function findAffected({ images, running }: Sources, id: string): Promise<AffectedFleet | undefined> {
  const packages = await images.affectedBy(id);
  const vulnerability = worst(packages);
  if (vulnerability === undefined) return undefined;
  const places = await images.places([...new Set(packages.map(({ packageKey }) => packageKey))]);
  const containers = distinct(places).flatMap(({ imageId, nodeId }) =>
    running.containersOf(imageId, nodeId).map((container) => Object.assign({ imageId }, container)),
  );
  return { id, vulnerability, packages, containers };
}

/** One entry of a list of vulnerabilities, with numbers instead of lists. */
export interface CountedVulnerability {
  readonly id: string;
  readonly vulnerability: Vulnerability;
  readonly packages: readonly string[];
  readonly fixable: boolean;
  /** No affected package version counts. */
  readonly isSuppressed: boolean;
  /** Affected package versions that do not count, at most 8. */
  readonly suppressed: readonly PackageVulnerability[];
  readonly images: number;
  readonly containers: number;
  readonly nodes: number;
}

const MAX_NAMES = 8;
/** Vulnerabilities that are counted at a stretch. */
const SLICE = 20;

/**
 * Vulnerabilities by risk from `offset` on, at most `limit`; those that affect no running container only with `unused`.
 * `next`: offset of the next page; undefined: this was the last one.
 */
export async function listVulnerabilities(
  { images, running }: Sources,
  { filter, unused, offset, limit }: ListOptions,
): Promise<{ readonly list: readonly CountedVulnerability[]; readonly next: number | undefined }> {
  const ids = await images.vulnerabilityIds(filter);
  const placesOf = new Map<number, readonly PackagePlace[]>();
  const list: CountedVulnerability[] = [];
  for (let index = offset; index < ids.length; index += 1) {
    if (list.length === limit) return { list, next: index };
    const id = ids[index] ?? '';
    const packages = await images.affectedBy(id);
    const vulnerability = worst(packages);
    if (vulnerability === undefined) continue;
    const keys = new Set(packages.map(({ packageKey }) => packageKey));
    for (const key of keys) if (!placesOf.has(key)) placesOf.set(key, await images.places([key]));
    const counted = countUse(
      [...keys].flatMap((key) => placesOf.get(key) ?? []),
      running,
    );
    if ((index - offset) % SLICE === SLICE - 1) await new Promise(setImmediate);
    if (counted.containers === 0 && !unused) continue;
    const names = [...new Set(packages.map(({ package: found }) => found.name))].slice(0, MAX_NAMES);
    const fixable = packages.some(({ status }) => status === 'fixed');
    const suppressed = packages.filter((one) => one.suppressed !== undefined);
    const isSuppressed = suppressed.length === packages.length;
    const some = suppressed.slice(0, MAX_NAMES);
    list.push({ id, vulnerability, packages: names, fixable, isSuppressed, suppressed: some, ...counted });
  }
  return { list, next: undefined };
}

/** Which part of which list. */
export interface ListOptions {
  readonly filter: VulnerabilityFilter;
  readonly unused: boolean;
  readonly offset: number;
  readonly limit: number;
}

function countUse(places: readonly PackagePlace[], running: RunningImages) {
  const nodes = new Set<string>();
  const images = new Set<string>();
  let containers = 0;
  for (const { imageId, nodeId } of distinct(places)) {
    const own = running.containersOf(imageId, nodeId);
    if (own.length > 0) images.add(imageId);
    containers += own.length;
    for (const container of own) nodes.add(container.nodeId);
  }
  return { images: images.size, containers, nodes: nodes.size };
}

function worst(packages: readonly PackageVulnerability[]): Vulnerability | undefined {
  let found: Vulnerability | undefined;
  for (const { vulnerability } of packages)
    if (found === undefined || vulnerability.risk > found.risk) found = vulnerability;
  return found;
}
