import { INVENTORY_LIMITS } from '../../proto/inventory-codec.ts';
import type { ImageRecord } from '../image/image-record.ts';
import type { LineChannel } from './line-channel.ts';
import { MAX_IMAGES } from './message.ts';
import type { BrokerMessage } from './message.ts';

/** A message that carries what is known of images. */
export type ImageMessage = Extract<BrokerMessage, { readonly kind: 'image' | 'imageList' }>;

/** The messages that turn `sent` into `images`: each record that is another object, then the list of all. */
export function* imageMessages(sent: readonly ImageRecord[], images: readonly ImageRecord[]): Generator<ImageMessage> {
  const known = new Set(sent);
  for (const record of images) {
    if (known.has(record)) continue;
    const { imageId, source, inventory, problem, atRest = null } = record;
    const [digest, content] = [inventory?.digest ?? '', Buffer.from(inventory?.bytes ?? []).toString('base64')];
    yield { kind: 'image', imageId, source, problem, atRest, digest, content };
  }
  yield { kind: 'imageList', ids: images.map(({ imageId }) => imageId) };
}

/**
 * Sends the difference to what was sent last, one message at a time. While the agent does not read, changes are joined.
 */
export function createBrokerImageSender(
  channel: LineChannel,
  images: () => readonly ImageRecord[],
): { readonly notify: () => void } {
  let sent: readonly ImageRecord[] = [];
  let isSending = false;
  const send = async (): Promise<void> => {
    isSending = true;
    for (let current = images(); current !== sent; current = images()) {
      for (const message of imageMessages(sent, current)) await channel.send(message);
      sent = current;
    }
    isSending = false;
  };
  return {
    notify: () => {
      if (!isSending) void send();
    },
  };
}

/** Puts the messages of one connection together. */
export interface ImageAssembly {
  /** Returns the images of the node where the message completes them. Throws what is malformed. */
  readonly add: (message: ImageMessage) => readonly ImageRecord[] | undefined;
}

/** Images whose records are kept: those of the last list, and as many that replace them. */
const MAX_RECORDS = 2 * MAX_IMAGES;
/** Bytes of their inventories: the broker keeps 32 MiB, and may replace them before it lists what there is. */
const MAX_BYTES = 64 * 1024 * 1024;

/** An assembly for a new connection. */
export function createImageAssembly(): ImageAssembly {
  const records = new Map<string, ImageRecord>();
  let bytes = 0;
  const remove = (imageId: string): void => {
    bytes -= sizeOf(records.get(imageId));
    records.delete(imageId);
  };
  const put = (record: ImageRecord): void => {
    bytes += sizeOf(record) - sizeOf(records.get(record.imageId));
    records.set(record.imageId, record);
    if (records.size > MAX_RECORDS) throw new Error(`more than ${String(MAX_RECORDS)} images`);
    if (bytes > MAX_BYTES) throw new Error(`inventories of more than ${String(MAX_BYTES)} bytes`);
  };
  return {
    add: (message) => {
      if (message.kind === 'image') {
        put(toRecord(message));
        return undefined;
      }
      const ids = new Set(message.ids);
      for (const id of records.keys()) if (!ids.has(id)) remove(id);
      // Otherwise an image would be missing, and nobody would know.
      if (records.size !== ids.size) throw new Error('the list names an image without a record');
      return [...records.values()];
    },
  };
}

function sizeOf(record: ImageRecord | undefined): number {
  return record?.inventory?.bytes.length ?? 0;
}

function toRecord(message: Extract<ImageMessage, { readonly kind: 'image' }>): ImageRecord {
  const { imageId, source, problem, digest, content, atRest } = message;
  const rest = atRest === null ? {} : { atRest };
  if (digest === '') return { imageId, source, problem, ...rest };
  const bytes = Buffer.from(content, 'base64');
  if (!/^[0-9a-f]{64}$/.test(digest) || bytes.length > INVENTORY_LIMITS.bytes)
    throw new Error('an inventory that is malformed');
  return { imageId, source, problem, inventory: { digest, bytes }, ...rest };
}
