import type { Inventory } from '../../vulnerability/package.ts';
import type { ImageSource } from './image-source.ts';
import type { InventoryProgress } from './inventory.ts';

/** What the worker is started with. */
export interface InventoryTask {
  readonly source: ImageSource;
  /** Time after which the worker ends the inventory itself and reports what it has, with a gap. */
  readonly softDeadlineMs: number;
}

/** What the worker reports. `taken` or `unreadable` is its last message. */
export type InventoryReport =
  | { readonly kind: 'progress'; readonly progress: InventoryProgress }
  | { readonly kind: 'taken'; readonly inventory: Inventory }
  | { readonly kind: 'unreadable'; readonly reason: string };
