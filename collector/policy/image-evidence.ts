import { absent, mapObserved, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ImageEvidence, ConfigurationEvidence } from '../../policy/evidence.ts';
import { lookUpIn, withoutDatabase } from '../../image/policy/vulnerability-evidence.ts';
import type { VulnerabilityDatabase } from '../../image/vulndb/database.ts';
import { decodeInventory } from '../../proto/inventory-codec.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import type { Account } from '../../policy/image-verdict.ts';
import type { KnownImage } from './known-images.ts';
import { nodeAccounts, whole } from './node-accounts.ts';
import type { ImageStore } from '../store/image-store.ts';

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

/** The packages of an image by one source, and how much they count; see `Account`. */
export interface ImageAccount extends Pick<Account, 'extent' | 'origin'> {
  readonly listed: Observed<Inventory>;
}

/**
 * The accounts of the packages of an image. A scan by the collector counts alone: the collector has verified each layer
 * by its digest, so reports of nodes, in good faith or not, neither add to it nor take from it. Without a scan each
 * inventory that nodes report is an account of its own; see {@link nodeAccounts}.
 */
export async function accountsOf(
  { scan, scanProblem, claims }: Pick<KnownImage, 'scan' | 'scanProblem' | 'claims'>,
  images: Pick<ImageStore, 'inventoryContent' | 'scanContent'>,
): Promise<readonly ImageAccount[]> {
  if (scan !== undefined) {
    const stored = await images.scanContent(scan.id);
    const decoded = stored === undefined ? undefined : await decodeInventory(stored);
    return [
      whole(
        decoded?.ok === true
          ? seen(decoded.value, 'scan')
          : unreadable('scan', 'its packages are stored, but cannot be read'),
      ),
    ];
  }
  if (claims.length === 0 && scanProblem !== undefined) return [whole(unreadable('scan', scanProblem))];
  return nodeAccounts(claims, images);
}

/** Whether a scan by the collector could tell more about the packages than is known. */
export function lacksScan(
  { scan, scanProblem }: Pick<KnownImage, 'scan' | 'scanProblem'>,
  accounts: readonly ImageAccount[],
): boolean {
  if (scan !== undefined || scanProblem !== undefined) return false;
  return accounts.some(({ extent, listed }) => extent !== 'whole' || listed.state !== 'seen');
}

/** A program that was copied into an image is in no package: an image without packages may hold anything. */
function withoutPackages(inventory: Inventory): Inventory {
  if (inventory.packages.length > 0) return inventory;
  const gap = { path: '/', reason: 'no packages were found, and a program that was copied into an image is in none' };
  return { ...inventory, gaps: [...inventory.gaps, gap] };
}
