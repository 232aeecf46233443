import { join } from 'node:path';
import type { ContainerFact } from '../../posture/fact/container.ts';
import { userOfEngine } from '../../posture/fact/docker.ts';
import { encodeInventory } from '../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../proto/inventory-codec.ts';
import { runInventory } from '../../image/inventory/run-inventory.ts';
import type { InventoryOutcome } from '../../image/inventory/run-inventory.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Host } from '../host/host.ts';
import type { InventorySource } from './image-record.ts';
import { findImageChange } from './overlay-changes.ts';
import { findOverlayRoot } from './overlay-root.ts';
import type { OverlayRoot } from './overlay-root.ts';

/** An inventory that was taken, or why it could not be. */
export type TakenInventory =
  | { readonly ok: true; readonly source: InventorySource; readonly inventory: EncodedInventory }
  | { readonly ok: false; readonly problem: string };

/** Takes the inventory of the image that containers run. */
export interface ImageReader {
  /**
   * Takes it through one of these containers, which all run the same image; the first that changed nothing in it is
   * preferred. Never rejects.
   */
  readonly take: (containers: readonly ContainerFact[], signal: AbortSignal) => Promise<TakenInventory>;
}

/** What a reader needs. */
export interface ImageReaderOptions {
  readonly host: Host;
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** Entry of the thread that reads images. */
  readonly worker: URL;
}

/** Containers of one image that are tried before a changed one is read. */
const MAX_TRIED = 4;
const DEADLINE_MS = 60_000;
/** A thread takes this from the memory budget of the agent. */
const MAX_HEAP_MB = 256;
const MAX_PROBLEM = 512;

/** The reader that the settings ask for; undefined: none. */
export function imageReaderOf(
  { imageInventory, hostRoot }: Settings,
  parts: Pick<ImageReaderOptions, 'host' | 'worker'>,
): ImageReader | undefined {
  return imageInventory === 'off' ? undefined : createImageReader({ ...parts, hostRoot });
}

/** A reader of the images of this node. */
export function createImageReader({ host, hostRoot, worker }: ImageReaderOptions): ImageReader {
  const read = (path: string, mounts: 'volume' | 'gap', signal: AbortSignal): Promise<InventoryOutcome> =>
    runInventory({
      source: { kind: 'directory', path, mounts },
      worker,
      deadlineMs: DEADLINE_MS,
      maxHeapMb: MAX_HEAP_MB,
      signal,
    });
  /** The outcome, or why the container cannot stand for its image. */
  const readUnchanged = async (overlay: OverlayRoot, signal: AbortSignal): Promise<InventoryOutcome | string> => {
    const change = await findImageChange(overlay);
    if (change !== undefined) return change;
    const outcome = await read(overlay.merged, 'volume', signal);
    // Whatever was changed while it was read has left a trace.
    return (await findImageChange(overlay)) ?? outcome;
  };
  const take: ImageReader['take'] = async (containers, signal) => {
    let reason = 'its root file system is no overlay that the node shows';
    for (const container of containers.slice(0, MAX_TRIED)) {
      // An engine of a user says which image a container runs, and only that user vouches for it.
      if (userOfEngine(container.engine) !== 0) continue;
      const overlay = await findOverlayRoot(container, { host, hostRoot });
      if (overlay === undefined) continue;
      const outcome = await readUnchanged(overlay, signal);
      if (typeof outcome !== 'string') return encoded(outcome, 'layers');
      reason = outcome;
    }
    const [container] = containers;
    if (container === undefined) return { ok: false, problem: 'no container runs it' };
    const outcome = await read(join(hostRoot, 'proc', String(container.pid), 'root'), 'volume', signal);
    if (!outcome.ok) return encoded(outcome, 'container');
    const gap = { path: '/', reason: `read through a container, which can change what it shows: ${reason}` };
    return encoded(
      { ok: true, inventory: { ...outcome.inventory, gaps: [...outcome.inventory.gaps, gap] } },
      'container',
    );
  };
  return {
    take: async (containers, signal) => {
      try {
        return await take(containers, signal);
      } catch (error) {
        const { code = 'unknown error' } = error as NodeJS.ErrnoException;
        return { ok: false, problem: `its files cannot be read: ${code}` };
      }
    },
  };
}

async function encoded(outcome: InventoryOutcome, source: InventorySource): Promise<TakenInventory> {
  if (!outcome.ok) return { ok: false, problem: outcome.reason.slice(0, MAX_PROBLEM) };
  return { ok: true, source, inventory: await encodeInventory(outcome.inventory) };
}
