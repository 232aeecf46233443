import type { ContainerFact } from '../../posture/fact/container.ts';
import { userOfEngine } from '../../posture/fact/docker.ts';
import type { InventoryOutcome } from '../../image/inventory/run-inventory.ts';
import type { Host } from '../host/host.ts';
import { findContainerRoot } from './container-root.ts';
import type { ContainerRoot } from './container-root.ts';
import { findImageChange } from './overlay-changes.ts';
import { findOverlayRoot } from './overlay-root.ts';
import type { OverlayRoot } from './overlay-root.ts';
import { encodeOutcome, readSource, unreadableFiles } from './read-source.ts';
import type { TakenInventory } from './read-source.ts';

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

/** A reader of the images of this node. */
export function createImageReader({ host, hostRoot, worker }: ImageReaderOptions): ImageReader {
  const read = (path: string, signal: AbortSignal): Promise<InventoryOutcome> =>
    readSource({ kind: 'directory', path, mounts: 'volume' }, worker, signal);
  /** The outcome, or why the container cannot represent its image. */
  const readUnchanged = async (overlay: OverlayRoot, signal: AbortSignal): Promise<InventoryOutcome | string> => {
    const change = await findImageChange(overlay);
    if (change !== undefined) return change;
    const outcome = await read(overlay.merged, signal);
    // Whatever was changed while it was read has left a trace.
    return (await findImageChange(overlay)) ?? outcome;
  };
  /** Where the files of one of these containers are seen; what a kernel of its own shows cannot be read here. */
  const firstRoot = async (containers: readonly ContainerFact[]): Promise<ContainerRoot> => {
    let refused: ContainerRoot = { ok: false, problem: 'no container runs it' };
    for (const { id, pid, ownKernel } of containers) {
      const root: ContainerRoot =
        ownKernel.state === 'absent'
          ? await findContainerRoot({ hostRoot, id, pid })
          : { ok: false, problem: 'its container has a kernel of its own, or may have one' };
      if (root.ok) return root;
      refused = root;
    }
    return refused;
  };
  const take: ImageReader['take'] = async (containers, signal) => {
    let reason = 'its root file system is not an overlay, or the overlay is not visible on the node';
    for (const container of containers.slice(0, MAX_TRIED)) {
      // An engine of a user says which image a container runs, and only that user vouches for it.
      if (userOfEngine(container.engine) !== 0) continue;
      const overlay = await findOverlayRoot(container, { host, hostRoot });
      if (overlay === undefined) continue;
      const outcome = await readUnchanged(overlay, signal);
      if (typeof outcome !== 'string') return encodeOutcome(outcome, 'layers');
      reason = outcome;
    }
    const root = await firstRoot(containers.slice(0, MAX_TRIED));
    if (!root.ok) return root;
    const outcome = await read(root.path, signal);
    if (!outcome.ok) return encodeOutcome(outcome, 'container');
    const change = await root.findChange();
    if (change !== undefined) return { ok: false, problem: change };
    const gap = { path: '/', reason: `read through a container, which can change what it shows: ${reason}` };
    return encodeOutcome(
      { ok: true, inventory: { ...outcome.inventory, gaps: [...outcome.inventory.gaps, gap] } },
      'container',
    );
  };
  return {
    take: async (containers, signal) => {
      try {
        return await take(containers, signal);
      } catch (error) {
        return unreadableFiles(error);
      }
    },
  };
}
