import type { EncodedInventory } from '../../proto/inventory-codec.ts';

/**
 * Where an inventory was read. `layers`: from files that no container has changed. `container`: from the root file system
 * of a running container, which can show what it likes.
 */
export type InventorySource = 'layers' | 'container';

/** What the agent knows about an image of the node. */
export interface ImageRecord {
  /** `sha256:…` of its configuration. */
  readonly imageId: string;
  readonly source: InventorySource;
  /** Absent: none was taken yet, or it could not be taken. */
  readonly inventory?: EncodedInventory;
  /** Why the inventory failed; empty: it was not tried yet, or it succeeded. */
  readonly problem: string;
  /** Its tags, where no container runs it; absent: a container does. */
  readonly atRest?: readonly string[];
}

/** Called with every image of the node, those that run first, whenever something about them changes. Must not throw. */
export type ImageListener = (images: readonly ImageRecord[]) => void;
