import type { Inventory } from '../../vulnerability/package.ts';
import type { ImageSource } from './image-source.ts';
import type { InventoryProgress } from './inventory.ts';

/** How far a run is: layers of an archive first, then files. */
export type RunProgress =
  | ({ readonly stage: 'files' } & InventoryProgress)
  | { readonly stage: 'layers'; readonly layers: number; readonly ofLayers: number };

/** What the worker is started with. */
export interface InventoryTask {
  readonly source: ImageSource;
  /** Time after which the worker ends the inventory itself and reports what it has, with a gap. */
  readonly softDeadlineMs: number;
}

/** What the worker reports. `taken` or `unreadable` is its last message. */
export type InventoryReport =
  | { readonly kind: 'progress'; readonly progress: RunProgress }
  | { readonly kind: 'taken'; readonly inventory: Inventory; readonly imageId?: string }
  | { readonly kind: 'unreadable'; readonly reason: string };
