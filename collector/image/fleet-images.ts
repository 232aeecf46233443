import { decodeInventory } from '../../proto/inventory-codec.ts';
import { counted } from '../../posture/compare/setting.ts';
import type { Distribution, Inventory, SetuidFile } from '../../vulnerability/package.ts';
import type {
  ImageStore,
  InventorySource,
  StoredClaim,
  StoredInventory,
  VulnerabilityCounts,
} from '../store/image-store.ts';
import { inTurn } from './fair-order.ts';
import type { RunningImages } from './running-images.ts';
import type { DatabaseState } from './database-keeper.ts';

/** An inventory, and where nodes have read it. */
export interface ReadInventory extends StoredInventory {
  readonly source: InventorySource;
}

/** How much is known about an image; see api/image.ts. */
export interface ImageKnowledge {
  readonly source: 'layers' | 'container' | 'none';
  readonly state: 'complete' | 'partial' | 'pending' | 'unknown';
  readonly reason: string;
  readonly conflict: boolean;
  /** Nodes that have the image without a container that runs it, and the tags that they give it. */
  readonly atRest: number;
  readonly tags: readonly string[];
  readonly distribution: string;
  readonly inventories: readonly ReadInventory[];
  readonly packages: number;
  readonly counts: VulnerabilityCounts;
}

/** One image of the fleet, with what is known about it. */
export interface FleetImage extends ImageKnowledge {
  readonly id: string;
  /** References that containers were started from; of an image that no container runs its tags. */
  readonly names: readonly string[];
  readonly containers: number;
  readonly nodes: number;
}

/** What reads images. */
export interface FleetImageSources {
  readonly images: ImageStore;
  readonly running: RunningImages;
  readonly database: () => DatabaseState;
}

const NO_COUNTS: VulnerabilityCounts = Object.freeze({
  critical: 0,
  high: 0,
  medium: 0,
  low: 0,
  other: 0,
  fixable: 0,
  exploited: 0,
  maxRisk: 0,
});

/** All images that running containers use, by risk; with `unused` also those that no container runs. */
export async function listImages(
  { images, running, database }: FleetImageSources,
  { unused }: { readonly unused: boolean },
): Promise<readonly FleetImage[]> {
  const [claims, inventories] = await Promise.all([images.claims(), images.inventories()]);
  const byImage = Map.groupBy(claims, ({ imageId }) => imageId);
  const ids = new Set([...running.imageIds(), ...(unused ? byImage.keys() : [])]);
  const list = [...ids].map((id): FleetImage => {
    const knowledge = knowledgeOf(byImage.get(id) ?? [], inventories, database());
    const containers = running.containersOf(id);
    const nodes = new Set(containers.map(({ nodeId }) => nodeId)).size;
    const names = containers.length > 0 ? running.namesOf(id) : knowledge.tags;
    return Object.assign(knowledge, { id, names, containers: containers.length, nodes });
  });
  return list.sort(byRisk);
}

function byRisk(one: FleetImage, other: FleetImage): number {
  const [a, b] = [one.counts, other.counts];
  return (
    b.maxRisk - a.maxRisk ||
    b.critical - a.critical ||
    b.high - a.high ||
    other.containers - one.containers ||
    (one.id < other.id ? -1 : 1)
  );
}

/** Tags that are shown. */
const MAX_TAGS = 16;

/**
 * What the claims of nodes about one image say together. All inventories count: none takes away what another shows.
 * Containers say nothing about how completely an image is known whose layers were read.
 */
export function knowledgeOf(
  claims: readonly StoredClaim[],
  inventories: ReadonlyMap<string, StoredInventory>,
  database: DatabaseState,
): ImageKnowledge {
  const stored = claims.filter(({ isStored }) => isStored);
  const layerDigests = new Set(stored.filter(({ source }) => source === 'layers').map(({ digest = '' }) => digest));
  const source = layerDigests.size > 0 ? 'layers' : stored.length > 0 ? 'container' : 'none';
  const digests = new Set([...layerDigests, ...stored.map(({ digest = '' }) => digest)]);
  const all = [...digests].flatMap((digest): readonly ReadInventory[] => {
    const found = inventories.get(digest);
    return found === undefined ? [] : [{ ...found, source: layerDigests.has(digest) ? 'layers' : 'container' }];
  });
  const own = all.filter((one) => one.source === source);
  const conflict =
    (source === 'layers' && own.length > 1) ||
    new Set(all.map(({ distribution }) => JSON.stringify(distribution ?? null))).size > 1;
  const resting = claims.filter(({ atRest, inUse }) => inUse && atRest !== undefined);
  return {
    source,
    ...stateOf({ claims, own, source, conflict, database }),
    conflict,
    atRest: resting.length,
    tags: inTurn(
      claims.map(({ atRest }) => atRest ?? []),
      MAX_TAGS,
    ),
    distribution: distributionName(own.find(({ distribution }) => distribution !== undefined)?.distribution),
    inventories: all,
    packages: Math.max(0, ...all.map(({ packages }) => packages)),
    counts: all.map(({ counts }) => counts).reduce(larger, NO_COUNTS),
  };
}

interface Evidence {
  readonly claims: readonly StoredClaim[];
  readonly own: readonly StoredInventory[];
  readonly source: ImageKnowledge['source'];
  readonly conflict: boolean;
  readonly database: DatabaseState;
}

/** A static program in an empty image has vulnerabilities too. */
const NO_PACKAGES = 'no packages were found, and a program that was copied into an image is in none';

function stateOf({ claims, own, source, conflict, database }: Evidence): Pick<ImageKnowledge, 'state' | 'reason'> {
  if (own.length === 0) {
    const problem = claims.find((claim) => claim.problem !== '')?.problem;
    if (problem !== undefined) return { state: 'unknown', reason: problem };
    if (claims.length > 0) return { state: 'pending', reason: 'its packages are being read' };
    return { state: 'unknown', reason: 'no agent has reported its packages' };
  }
  const unjudged = sum(own.map((inventory) => inventory.unjudged));
  if (database.state !== 'ok' && database.state !== 'tooOld' && database.state !== 'older')
    return { state: 'unknown', reason: `vulnerabilities are not known: ${database.problem}` };
  if (own.some(({ waiting }) => waiting > 0)) return { state: 'pending', reason: 'its packages are being judged' };
  const gaps = sum(own.map((inventory) => inventory.gaps));
  const reasons = [
    ...(conflict ? ['nodes contradict each other about its packages'] : []),
    ...(source === 'container' ? ['it was read through a container, which can change what it shows'] : []),
    ...(own.every(({ packages }) => packages === 0) ? [NO_PACKAGES] : []),
    ...(gaps > 0 ? [`${counted(gaps, 'part')} could not be read`] : []),
    ...(unjudged > 0 ? [`${counted(unjudged, 'package')} could not be judged`] : []),
    ...(database.state === 'ok' ? [] : [`the vulnerability database is not current: ${database.problem}`]),
  ];
  return reasons.length === 0 ? { state: 'complete', reason: '' } : { state: 'partial', reason: reasons.join('; ') };
}

/** The packages, setuid and setgid files and gaps of inventories, each once. */
export async function contentOf(
  images: Pick<ImageStore, 'inventoryContent'>,
  digests: readonly string[],
): Promise<Pick<Inventory, 'packages' | 'gaps'> & { readonly setuid: readonly SetuidFile[] }> {
  const packages = new Map<string, Inventory['packages'][number]>();
  const gaps = new Map<string, Inventory['gaps'][number]>();
  const setuid = new Map<string, SetuidFile>();
  for (const digest of digests) {
    const bytes = await images.inventoryContent(digest);
    if (bytes === undefined) continue;
    const decoded = await decodeInventory({ digest, bytes });
    if (!decoded.ok) continue;
    for (const found of decoded.value.packages)
      packages.set([found.type, found.name, found.version, found.architecture, found.path].join('\n'), found);
    for (const file of decoded.value.setuid?.files ?? []) setuid.set(file.path, file);
    for (const gap of decoded.value.gaps) gaps.set(`${gap.path}\n${gap.reason}`, gap);
  }
  return { packages: [...packages.values()], gaps: [...gaps.values()], setuid: [...setuid.values()] };
}

function distributionName(distribution: Distribution | undefined): string {
  if (distribution === undefined) return '';
  return [distribution.id, distribution.versionId ?? distribution.codename ?? ''].join(' ').trim();
}

function larger(one: VulnerabilityCounts, other: VulnerabilityCounts): VulnerabilityCounts {
  return {
    critical: Math.max(one.critical, other.critical),
    high: Math.max(one.high, other.high),
    medium: Math.max(one.medium, other.medium),
    low: Math.max(one.low, other.low),
    other: Math.max(one.other, other.other),
    fixable: Math.max(one.fixable, other.fixable),
    exploited: Math.max(one.exploited, other.exploited),
    maxRisk: Math.max(one.maxRisk, other.maxRisk),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
