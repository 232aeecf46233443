import { absent, mapObserved, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ImageEvidence, ConfigurationEvidence } from '../../policy/evidence.ts';
import { lookUpIn, withoutDatabase } from '../../image/policy/vulnerability-evidence.ts';
import type { VulnerabilityDatabase } from '../../image/vulndb/database.ts';
import { decodeInventory } from '../../proto/inventory-codec.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import type { KnownImage } from './known-images.ts';
import type { ImageStore, StoredClaim } from '../store/image-store.ts';

/** What the collector knows about an image, without its signatures: these belong to a manifest. */
export type FleetEvidence = Omit<ImageEvidence, 'signatures'>;

/** What the evidence about an image is completed with. */
export interface EvidenceContext {
  /** What its registry says of its configuration. */
  readonly configuration: Observed<ConfigurationEvidence>;
  readonly database: VulnerabilityDatabase | undefined;
  /** An older database proves nothing. */
  readonly maxAgeMs: number;
  readonly now: number;
}

/** Where the packages of an image come from. */
interface InventorySources {
  readonly images: Pick<ImageStore, 'inventoryContent'>;
  /** What nodes say about the image. */
  readonly claims: readonly StoredClaim[];
}

const SOURCE = 'nodes';
/** In place of a list of what a container could have hidden. */
const CONTAINER_GAP = {
  path: '/',
  reason: 'it was read through a running container, which can change what it shows',
} as const;

/**
 * The evidence about an image with these packages. Packages that were read from its layers cannot change, so they count
 * as listed now: they are looked up in the current database each time.
 */
export function completeEvidence(
  listed: Observed<Inventory>,
  { configuration, database, maxAgeMs, now }: EvidenceContext,
): FleetEvidence {
  const inventory = mapObserved(listed, withoutPackages);
  const architecture = configuration.state === 'seen' ? configuration.value.architecture : configuration;
  const lookup = {
    inventory,
    architecture: architecture.state === 'seen' ? architecture.value : undefined,
    maxAgeMs,
    now,
  };
  const parts = database === undefined ? withoutDatabase(inventory, absent('vulndb')) : lookUpIn(database, lookup);
  return { ...parts, inventory, scannedAt: mapObserved(inventory, () => now), configuration };
}

/**
 * The packages of an image. What the collector has read itself counts alone: it has verified each layer by its digest,
 * and what a node says, in good faith or not, can neither add to it nor take from it. Without it nodes are believed.
 */
export async function packagesOf(
  { scan, scanProblem, claims }: Pick<KnownImage, 'scan' | 'scanProblem' | 'claims'>,
  images: Pick<ImageStore, 'inventoryContent' | 'scanContent'>,
): Promise<Observed<Inventory>> {
  if (scan !== undefined) {
    const stored = await images.scanContent(scan.id);
    const decoded = stored === undefined ? undefined : await decodeInventory(stored);
    return decoded?.ok === true
      ? seen(decoded.value, 'scan')
      : unreadable('scan', 'its packages are stored, but cannot be read');
  }
  if (claims.length === 0 && scanProblem !== undefined) return unreadable('scan', scanProblem);
  return inventoryOf({ images, claims });
}

/** Whether a scan by the collector could tell more about the packages than is known. */
export function lacksScan(
  { scan, scanProblem, claims }: Pick<KnownImage, 'scan' | 'scanProblem' | 'claims'>,
  listed: Observed<Inventory>,
): boolean {
  if (scan !== undefined || scanProblem !== undefined) return false;
  return listed.state !== 'seen' || !claims.some(({ isStored, source }) => isStored && source === 'layers');
}

/**
 * The packages of an image, from all nodes together. Nodes that found different packages in the same layers contradict
 * each other, and then nothing is known: one of them may be in the hands of somebody else.
 */
async function inventoryOf({ images, claims }: InventorySources): Promise<Observed<Inventory>> {
  const stored = claims.filter(({ isStored }) => isStored);
  const fromLayers = stored.filter(({ source }) => source === 'layers');
  const own = fromLayers.length > 0 ? fromLayers : stored;
  const digests = [...new Set(own.map(({ digest = '' }) => digest))].sort();
  if (digests.length === 0) {
    const problem = claims.find((claim) => claim.problem !== '')?.problem;
    return unreadable(SOURCE, problem ?? 'no node has sent its packages yet');
  }
  if (fromLayers.length > 0 && digests.length > 1)
    return unreadable(SOURCE, 'nodes found different packages in its layers');
  const decoded: Inventory[] = [];
  for (const digest of digests.slice(0, MAX_CONTAINER_INVENTORIES)) {
    const bytes = await images.inventoryContent(digest);
    const one = bytes === undefined ? undefined : await decodeInventory({ digest, bytes });
    if (one?.ok !== true) return unreadable(SOURCE, 'its packages are stored, but cannot be read');
    decoded.push(one.value);
  }
  const [first] = decoded;
  if (first === undefined) return unreadable(SOURCE, 'no node has sent its packages yet');
  if (fromLayers.length > 0) return seen(first, SOURCE);
  const distributions = new Set(decoded.map(({ distribution }) => JSON.stringify(distribution ?? null)));
  if (distributions.size > 1) return unreadable(SOURCE, 'its containers name different distributions');
  const gaps = [CONTAINER_GAP, ...decoded.flatMap((one) => one.gaps)];
  // Other containers may have other files, so the setuid files are not known.
  const { setuid: _setuid, ...rest } = first;
  return seen({ ...rest, packages: decoded.flatMap(({ packages }) => packages), gaps }, SOURCE);
}

/** Containers of one image that are read together; what they add is mostly the same. */
const MAX_CONTAINER_INVENTORIES = 4;

/** A program that was copied into an image is in no package: an image without packages may hold anything. */
function withoutPackages(inventory: Inventory): Inventory {
  if (inventory.packages.length > 0) return inventory;
  const gap = { path: '/', reason: 'no packages were found, and a program that was copied into an image is in none' };
  return { ...inventory, gaps: [...inventory.gaps, gap] };
}
