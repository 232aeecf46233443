import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Facts } from '../../posture/fact/facts.ts';
import { IMAGE_FILES, setuidFilesSchema } from '../../posture/fact/image.ts';
import type { ImageFact, ImagesFact } from '../../posture/fact/image.ts';
import { seen, unreadable } from '../../posture/observed.ts';
import * as s from '../../posture/schema.ts';
import { setuidFact } from '../../image/inventory/setuid-collection.ts';
import { decodeInventory } from '../../proto/inventory-codec.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode, PRIVATE_FILE } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import type { ImageRecord } from './image-record.ts';

/**
 * What inventories say about the files of images in use. The id of an image names its content, so what was found in its
 * layers is kept on disk: an agent that starts again judges images as before, while it reads them again.
 */
export interface ImageFiles {
  /** Takes the images of the node. Resolves to whether the facts differ from before; does not reject. */
  readonly update: (images: readonly ImageRecord[]) => Promise<boolean>;
  /** The facts with the setuid and setgid files of images; the same fact `images` as long as nothing changed. */
  readonly addTo: (facts: Facts) => Facts;
  /** Writes what is still to be written. */
  readonly close: () => void;
}

/** What image files work with. */
export interface ImageFilesOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const MAX_IMAGES = 2048;
/** Of the file. */
const MAX_BYTES = 4 * 1024 * 1024;
const WRITE_DELAY_MS = 1000;

const contentSchema = s.list(s.object({ id: s.string('', 128), setuid: setuidFilesSchema }), '', MAX_IMAGES);

interface Known {
  /** Digest of the inventory; empty: from the file. */
  readonly digest: string;
  readonly problem: string;
  readonly setuid: ImageFact['setuidFiles'];
}

/** Reads the file. A missing or damaged file counts as empty. */
export function openImageFiles({ path, clock, log }: ImageFilesOptions): ImageFiles {
  const known = new Map<string, Known>(
    readContent(path).map(({ id, setuid }) => [id, { digest: '', problem: '', setuid: seen(setuid, IMAGE_FILES) }]),
  );
  let added: { readonly from: ImagesFact; readonly images: ImagesFact } | undefined;
  let cancelWrite: (() => void) | undefined;
  const write = (): void => {
    cancelWrite?.();
    cancelWrite = undefined;
    try {
      let bytes = 2;
      const entries = [...known].toReversed().flatMap(([id, { setuid }]) => {
        const text = setuid.state === 'seen' ? JSON.stringify({ id, setuid: setuid.value }) : undefined;
        return text !== undefined && (bytes += Buffer.byteLength(text) + 1) <= MAX_BYTES ? [text] : [];
      });
      writeFileSync(`${path}.new`, `[${entries.toReversed().join(',')}]`, { mode: PRIVATE_FILE });
      renameSync(`${path}.new`, path);
    } catch (error) {
      log.warn({ path, code: errorCode(error) }, 'what is known of the files of images cannot be written');
    }
  };
  let updating: Promise<unknown> = Promise.resolve();
  const take = async (images: readonly ImageRecord[]): Promise<boolean> => {
    let isChanged = false;
    for (const record of images) {
      // Facts are about images that run.
      if (record.atRest !== undefined) continue;
      const before = known.get(record.imageId);
      const digest = record.inventory?.digest ?? '';
      if (digest === (before?.digest ?? '') && record.problem === (before?.problem ?? '')) continue;
      // What the layers showed stays true while they cannot be read again.
      if (before?.setuid.state === 'seen' && record.source !== 'layers') continue;
      known.delete(record.imageId);
      known.set(record.imageId, { digest, problem: record.problem, setuid: await setuidOf(record) });
      isChanged = true;
    }
    if (!isChanged) return false;
    const inUse = new Set(images.map(({ imageId }) => imageId));
    const unused = [...known.keys()].filter((id) => !inUse.has(id));
    for (const id of unused.slice(0, Math.max(0, known.size - MAX_IMAGES))) known.delete(id);
    added = undefined;
    cancelWrite ??= clock.after(WRITE_DELAY_MS, write);
    return true;
  };
  return {
    // One after the other: decoding takes a moment, and the newest list has the last word.
    update: (images) => {
      const next = updating.then(() => take(images));
      updating = next.catch(() => undefined);
      return next;
    },
    addTo: (facts) => {
      const { images } = facts;
      if (images.state !== 'seen') return facts;
      if (added?.from !== images) {
        const withFiles = images.value.map((image) => ({
          ...image,
          setuidFiles: known.get(image.id)?.setuid ?? unreadable(IMAGE_FILES, 'they have not been read yet'),
        }));
        added = { from: images, images: { ...images, value: withFiles } };
      }
      return { ...facts, images: added.images };
    },
    close: () => {
      if (cancelWrite !== undefined) write();
    },
  };
}

async function setuidOf({ inventory, source, problem }: ImageRecord): Promise<ImageFact['setuidFiles']> {
  if (inventory === undefined) return unreadable(IMAGE_FILES, problem === '' ? 'they have not been read yet' : problem);
  if (source !== 'layers')
    return unreadable(IMAGE_FILES, 'they were read through a container, which can change what it shows');
  const decoded = await decodeInventory(inventory);
  if (!decoded.ok) return unreadable(IMAGE_FILES, decoded.problem);
  return setuidFact(decoded.value.setuid);
}

function readContent(path: string): s.Infer<typeof contentSchema> {
  try {
    const bytes = readFileSync(path);
    const parsed = bytes.length > MAX_BYTES ? undefined : contentSchema.parse(JSON.parse(bytes.toString('utf8')), '');
    return parsed?.ok === true ? parsed.value : [];
  } catch {
    return [];
  }
}
