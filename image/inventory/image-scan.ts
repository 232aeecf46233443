import type { Inventory } from '../../vulnerability/package.ts';
import type { RunProgress } from './worker-protocol.ts';

/**
 * Version of what the inventory finds, in the output of scans. It rises when a detector is added or finds more, so that
 * whoever keeps inventories knows which to take again.
 */
export const INVENTORY_VERSION = 1;

/** Whose packages to list; a path is absolute. */
export type ImageTarget =
  | { readonly kind: 'directory'; readonly path: string }
  /** `name`: the image that is meant, where the archive holds several. */
  | { readonly kind: 'archive'; readonly path: string; readonly name: string | undefined }
  /** An image, or a running container, of the local engine. */
  | { readonly kind: 'engine'; readonly reference: string };

/** How far an image scan is: the export of the engine, then layers, then files. */
export type ImageScanProgress = RunProgress | { readonly stage: 'export'; readonly bytes: number };

/** What an image scan found, or why it found nothing. */
export type ImageScanOutcome =
  | {
      readonly ok: true;
      readonly inventory: Inventory;
      /** The SHA-256 of the configuration of the image, where it is an image. */
      readonly imageId: string | undefined;
      readonly of: 'image' | 'container' | 'directory';
      readonly durationMs: number;
    }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };
