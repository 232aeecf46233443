import type { CollectorMessage, ImagesInUse } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { ImageRecord } from '../image/image-record.ts';
import type { SessionStream } from './stream.ts';

/** Reports the images of the node to the collector, and sends the inventories that it requests. */
export interface ImageSender {
  /** The images changed. */
  readonly notify: () => void;
  readonly onRequest: (request: NonNullable<CollectorMessage['inventoryRequest']>) => void;
  /** Sends the whole list again: the collector may have lost it. */
  readonly sendAgain: () => void;
}

/** The list is sent this often at most: containers come and go. */
const INTERVAL_MS = 2000;
const MAX_CHUNK_BYTES = 512 * 1024;
/** Entries of one list, as fleet.proto states, and their bytes: a message has 1 MiB. */
const MAX_IMAGES = 4096;
const MAX_LIST_BYTES = 768 * 1024;
/** Inventories that wait to be sent. */
const MAX_REQUESTED = 1000;
const SOURCE_NUMBER = { layers: 1, container: 2 } as const satisfies Record<ImageRecord['source'], number>;

/** Sends the images now, and again when they have changed. `clock` ends with the session. */
export function startImageSender(
  stream: SessionStream,
  images: () => readonly ImageRecord[],
  clock: Clock,
): ImageSender {
  let sent: readonly ImageRecord[] | undefined;
  let isResting = false;
  const requested = new Set<string>();
  let isSending = false;

  const sendList = (): void => {
    const list = images();
    if (list === sent || isResting) return;
    sent = list;
    isResting = true;
    void stream.send({ imagesInUse: toMessage(list) });
    clock.after(INTERVAL_MS, () => {
      isResting = false;
      sendList();
    });
  };
  const sendInventory = async (digest: string): Promise<boolean> => {
    const found = images().find(({ inventory }) => inventory?.digest === digest)?.inventory;
    // The image is not on the node any more: the next list says so.
    if (found === undefined) return true;
    const parts = Math.max(1, Math.ceil(found.bytes.length / MAX_CHUNK_BYTES));
    for (let part = 0; part < parts; part += 1) {
      const chunk = found.bytes.subarray(part * MAX_CHUNK_BYTES, (part + 1) * MAX_CHUNK_BYTES);
      const last = part === parts - 1;
      const isTaken = await stream.send({ imageInventory: { digest: Buffer.from(digest, 'hex'), part, last, chunk } });
      if (!isTaken) return false;
    }
    return true;
  };
  const sendRequested = async (): Promise<void> => {
    isSending = true;
    for (const digest of requested) {
      requested.delete(digest);
      if (!(await sendInventory(digest))) break;
    }
    isSending = false;
  };
  sendList();
  return {
    notify: sendList,
    onRequest: ({ digests }) => {
      for (const digest of digests ?? [])
        if (requested.size < MAX_REQUESTED) requested.add(Buffer.from(digest).toString('hex'));
      if (!isSending) void sendRequested();
    },
    sendAgain: () => {
      sent = undefined;
      sendList();
    },
  };
}

function toMessage(list: readonly ImageRecord[]): ImagesInUse {
  let bytes = 0;
  const images = list
    .slice(0, MAX_IMAGES)
    .map(({ imageId, inventory, source, problem, atRest }) => ({
      imageId,
      source: SOURCE_NUMBER[source],
      problem,
      atRest: atRest !== undefined,
      names: [...(atRest ?? [])],
      inventory: Buffer.from(inventory?.digest ?? '', 'hex'),
    }))
    .filter((claim) => (bytes += sizeOf(claim)) <= MAX_LIST_BYTES);
  return { images, omitted: list.length - images.length };
}

/** Upper bound of the bytes of an entry. */
function sizeOf({ imageId, problem, names }: { imageId: string; problem: string; names: readonly string[] }): number {
  return names.reduce(
    (sum, name) => sum + Buffer.byteLength(name) + 4,
    imageId.length + Buffer.byteLength(problem) + 72,
  );
}
