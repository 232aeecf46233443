import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { list, object, string, withDefault } from '../../posture/schema.ts';
import type { Schema } from '../../posture/schema.ts';
import { readDiffIds, refusedLayers } from './docker-layers.ts';
import type { FoundLayer, FoundLayers } from './docker-layers.ts';

/** The lists hold some 500 bytes for each image and layer. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const ID = /^[0-9a-f]{64}$/;
const IMAGES = list(object({ id: string('', 256), layer: withDefault(string('', 256), '') }), '', 100_000);
const LAYERS = list(
  object({
    id: string('', 256),
    parent: withDefault(string('', 256), ''),
    'diff-digest': withDefault(string('', 256), ''),
  }),
  '',
  200_000,
);

/**
 * Finds the layers of an image in the storage that Podman and CRI-O share (github.com/containers/storage) with the driver
 * overlay. `overlay-images/images.json` names the newest layer of the image, `overlay-layers/layers.json` the layer below
 * each layer and its digest, `overlay/ID/diff` has its files, and `overlay-layers/ID.tar-split.gz` lists the entries of
 * its archive. The digests have to be those of the configuration, whose SHA-256 is the id of the image.
 */
export function findStorageLayers(root: string, imageId: string): FoundLayers {
  const id = imageId.replace(/^sha256:/, '');
  if (!ID.test(id)) return { ok: false, reason: 'the image has no digest' };
  try {
    const image = readList(join(root, 'overlay-images/images.json'), IMAGES).find((one) => one.id === id);
    if (image === undefined) return { ok: false, reason: 'the engine has no such image any more' };
    const configuration = join(root, 'overlay-images', id, `=${Buffer.from(`sha256:${id}`).toString('base64')}`);
    const config = readDiffIds(configuration, id);
    if (!config.ok) return config;
    const stored = new Map(readList(join(root, 'overlay-layers/layers.json'), LAYERS).map((one) => [one.id, one]));
    const layers: FoundLayer[] = [];
    let next = image.layer;
    // The newest layer comes first.
    for (const diffId of config.diffIds.toReversed()) {
      const layer = stored.get(next);
      if (layer === undefined || !ID.test(layer.id)) return { ok: false, reason: 'a layer is not stored' };
      if (layer['diff-digest'] !== diffId) return { ok: false, reason: 'a layer has another digest' };
      const path = join(root, 'overlay', layer.id, 'diff');
      const { dev, ino } = statSync(path);
      const isOldest = layers.length + 1 === config.diffIds.length;
      const entryList = isOldest ? undefined : join(root, 'overlay-layers', `${layer.id}.tar-split.gz`);
      layers.push({ path, identity: `${String(dev)}:${String(ino)}`, entryList });
      next = layer.parent;
    }
    if (layers.length === 0) return { ok: false, reason: 'it has no layers' };
    return next === ''
      ? { ok: true, layers }
      : { ok: false, reason: 'it has more layers than its configuration names' };
  } catch (error) {
    return refusedLayers(error);
  }
}

/** Throws SyntaxError for what is no such list, and the error of the file system. */
function readList<T>(path: string, schema: Schema<readonly T[]>): readonly T[] {
  if (statSync(path).size > MAX_LIST_BYTES) throw new SyntaxError('too large');
  const parsed = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  if (!parsed.ok) throw new SyntaxError(parsed.problem);
  return parsed.value;
}
