import { decodeInventory, INVENTORY_LIMITS } from '../../proto/inventory-codec.ts';
import type { CollectorMessage, ImageInventory, ImagesInUse } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { isPassing } from '../store/error.ts';
import { inventoryBytes } from '../store/inventory-size.ts';
import type { ClaimResult, ImageStore } from '../store/image-store.ts';
import type { ImageRequests } from './image-requests.ts';
import { digestOf, parseImages } from './message-parsing.ts';
import type { ParsedImages } from './message-parsing.ts';
import type { NodeQuota } from './node-quota.ts';

/** Takes what one node says about its images, and requests the inventories that the store does not have. */
export interface ImageIntake {
  /** Why the session must end; undefined: all is well. */
  readonly onImages: (message: ImagesInUse) => Promise<string | undefined>;
  /** Takes the next part of an inventory; one that was not requested is ignored. */
  readonly onInventory: (message: ImageInventory) => Promise<void>;
  /** Tries again what could not be stored, and requests again what is missing. */
  readonly retry: () => Promise<void>;
  /** The session is over. */
  readonly release: () => void;
}

/** What an intake needs. */
export interface ImageIntakeOptions {
  readonly nodeId: string;
  readonly images: Pick<ImageStore, 'putClaims' | 'putInventory'>;
  readonly imageRequests: ImageRequests;
  readonly send: (message: CollectorMessage) => boolean;
  readonly quota: Pick<NodeQuota, 'noteExcess' | 'countInventory' | 'hasInventoryExcess'>;
  /** What the store holds about images changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Packages in all inventories of one node. A node with 300 images of 1,000 packages is far below this. */
const MAX_NODE_PACKAGES = 400_000;
/** What its inventories may take in the store, of images that run and with those at rest; see `inventoryBytes`. */
const MAX_NODE_BYTES = 256 * 1024 * 1024;
/** Messages of one inventory, however little is in each. */
const MAX_PARTS = 64;

const TOO_MANY_BYTES = `its inventories would take more than ${String(MAX_NODE_BYTES / 1024 / 1024)} MiB`;

interface Unfinished {
  readonly digest: string;
  readonly chunks: Uint8Array[];
  bytes: number;
}

/** An intake for a new session. */
export function createImageIntake(options: ImageIntakeOptions): ImageIntake {
  const { nodeId, images, imageRequests, send, quota, onChange, clock, log } = options;
  let wanted = new Set<string>();
  let unfinished: Unfinished | undefined;
  let stopWaiting = (): void => undefined;
  let isOver = false;
  /** The last list, until it is stored. */
  let unstored: ParsedImages | undefined;
  /** Inventories that only images at rest have, and the bytes that are left for them and for the others. */
  let resting = new Set<string>();
  let left = { running: 0, resting: 0 };

  const request = (): void => {
    stopWaiting();
    if (isOver) return;
    if (wanted.size > 0 && quota.hasInventoryExcess()) return;
    const digests = [...wanted].filter((digest) => imageRequests.begin(nodeId, digest));
    if (digests.length > 0)
      send({ inventoryRequest: { digests: digests.map((digest) => Buffer.from(digest, 'hex')) } });
    const isWaiting = [...wanted].some((digest) => !imageRequests.isRequested(nodeId, digest));
    if (isWaiting) stopWaiting = imageRequests.whenFree(request);
  };
  const refuse = (digest: string, problem: string): void => {
    wanted.delete(digest);
    imageRequests.failed(nodeId, digest);
    quota.noteExcess(`an inventory that it sent was refused: ${problem}`);
    log.warn({ digest, problem }, 'an inventory of an image was refused');
  };
  const take = async ({ digest, chunks }: Unfinished): Promise<void> => {
    const content = Buffer.concat(chunks);
    const decoded = await decodeInventory({ digest, bytes: content });
    if (!decoded.ok) return refuse(digest, decoded.problem);
    const bytes = inventoryBytes(decoded.value, content);
    if (bytes > (resting.has(digest) ? left.resting : left.running)) return refuse(digest, TOO_MANY_BYTES);
    try {
      await images.putInventory(digest, decoded.value, content, clock.now());
      quota.countInventory(bytes);
      left = { running: left.running - (resting.has(digest) ? 0 : bytes), resting: left.resting - bytes };
      wanted.delete(digest);
      onChange();
    } catch (error) {
      if (!isPassing(error)) throw error;
      log.warn({ error, digest }, 'an inventory could not be stored; it is requested again');
    }
  };
  /** The inventory that this part completes. */
  const assemble = ({ digest: wire, part, last, chunk }: ImageInventory): Unfinished | undefined => {
    const digest = digestOf(wire);
    const isFirst = (part ?? 0) === 0;
    if (digest === undefined || !imageRequests.isRequested(nodeId, digest)) {
      unfinished = undefined;
      return undefined;
    }
    if (isFirst) unfinished = { digest, chunks: [], bytes: 0 };
    if (unfinished?.digest !== digest || unfinished.chunks.length !== (part ?? 0)) {
      unfinished = undefined;
      return undefined;
    }
    // A copy: the chunk is a view of the whole message.
    unfinished.chunks.push(Uint8Array.from(chunk ?? []));
    unfinished.bytes += chunk?.length ?? 0;
    if (unfinished.bytes > INVENTORY_LIMITS.bytes || unfinished.chunks.length > MAX_PARTS) {
      unfinished = undefined;
      refuse(digest, 'it is too large');
      return undefined;
    }
    if (last !== true) return undefined;
    const whole = unfinished;
    unfinished = undefined;
    return whole;
  };
  /** Images to request within the quota of packages and bytes. Stopped images take nothing from running ones. */
  const requestable = ({ wanted: digests, packages, bytes, atRest, omitted }: ClaimResult): readonly string[] => {
    const max = String(MAX_NODE_PACKAGES);
    if (omitted > 0) quota.noteExcess(`it has ${String(omitted)} images more than a node may have`);
    resting = new Set(atRest.wanted);
    left = { running: MAX_NODE_BYTES - bytes, resting: MAX_NODE_BYTES - bytes - atRest.bytes };
    if (packages > MAX_NODE_PACKAGES || left.running <= 0) {
      quota.noteExcess(packages > MAX_NODE_PACKAGES ? `its images have more than ${max} packages` : TOO_MANY_BYTES);
      return [];
    }
    if (packages + atRest.packages <= MAX_NODE_PACKAGES && left.resting > 0) return [...digests, ...atRest.wanted];
    if (atRest.wanted.length > 0)
      quota.noteExcess(
        left.resting > 0 ? `with those at rest, its images have more than ${max} packages` : TOO_MANY_BYTES,
      );
    return digests;
  };
  const storeClaims = async (list: ParsedImages): Promise<void> => {
    const { claims, omitted } = list;
    if (omitted > 0) quota.noteExcess(`${String(omitted)} images do not fit into its list`);
    try {
      const result = await images.putClaims(nodeId, claims, { isWhole: omitted === 0, atMs: clock.now() });
      unstored = undefined;
      wanted = new Set(requestable(result));
      onChange();
    } catch (error) {
      if (!isPassing(error)) throw error;
      unstored = list;
      log.warn({ error }, 'the images of a node could not be stored; it is tried again');
    }
  };
  return {
    onImages: async (message) => {
      const parsed = parseImages(message);
      if (typeof parsed === 'string') return parsed;
      await storeClaims(parsed);
      request();
      return undefined;
    },
    onInventory: async (message) => {
      const whole = assemble(message);
      if (whole === undefined) return;
      try {
        await take(whole);
      } finally {
        imageRequests.done(nodeId, whole.digest);
      }
      request();
    },
    retry: async () => {
      if (unstored !== undefined) await storeClaims(unstored);
      request();
    },
    release: () => {
      isOver = true;
      stopWaiting();
      unfinished = undefined;
      imageRequests.endAll(nodeId);
    },
  };
}
