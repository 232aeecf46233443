import { encodeInventory } from '../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../proto/inventory-codec.ts';
import { runInventory } from '../../image/inventory/run-inventory.ts';
import type { InventoryOutcome } from '../../image/inventory/run-inventory.ts';
import type { ImageSource } from '../../image/inventory/image-source.ts';
import type { InventorySource } from './image-record.ts';

/** An inventory that was taken, or why it could not be. */
export type TakenInventory =
  | { readonly ok: true; readonly source: InventorySource; readonly inventory: EncodedInventory }
  | { readonly ok: false; readonly problem: string };

const DEADLINE_MS = 60_000;
/** A thread takes this from the memory budget of the agent. */
const MAX_HEAP_MB = 256;
const MAX_PROBLEM = 512;

/** Takes an inventory in a thread whose module is `worker`, within the bounds of an agent. */
export function readSource(source: ImageSource, worker: URL, signal: AbortSignal): Promise<InventoryOutcome> {
  return runInventory({ source, worker, deadlineMs: DEADLINE_MS, maxHeapMb: MAX_HEAP_MB, signal });
}

/** An outcome as the agent keeps and sends it. */
export async function encodeOutcome(outcome: InventoryOutcome, source: InventorySource): Promise<TakenInventory> {
  if (!outcome.ok) return { ok: false, problem: outcome.reason.slice(0, MAX_PROBLEM) };
  return { ok: true, source, inventory: await encodeInventory(outcome.inventory) };
}

/** An error of the file system as a problem; names no path. */
export function unreadableFiles(error: unknown): TakenInventory {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return { ok: false, problem: `its files cannot be read: ${code}` };
}
