import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRange } from './directory-handle.ts';
import { decompress } from './archive/decompression.ts';
import type { Blob } from './archive/decompression.ts';
import { FileTreeError } from './file-tree.ts';
import type { LayerDirectory } from './layer-tree.ts';

/** The layers of an image in place, newest first, or why it has to be read in another way. */
export type LocatedLayers =
  { readonly ok: true; readonly layers: readonly LayerDirectory[] } | { readonly ok: false; readonly reason: string };

const DIGEST = /^sha256:([0-9a-f]{64})$/;
/** Names that Docker makes for directories of layers. */
const CACHE_ID = /^[0-9a-z]{20,128}$/;
const OPAQUE = '.wh..wh..opq';
/** Metadata of one layer with a million files has about 1 GiB. */
const LIMITS = { maxBytes: 2 * 1024 ** 3, maxRatio: 1000, freeBytes: 256 * 1024 ** 2 };
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Finds the layers of an image in the data directory of dockerd with the storage driver overlay2: for each layer its
 * chain id (image-spec, config.md, "Layer ChainID") names the directory of its metadata. Of these, `cache-id` names the
 * directory with the files, `diff` is the layer's digest, and `tar-split.json.gz` lists the entries of its archive, among
 * them the markers of opaque directories. The oldest layer has nothing to hide, so its list is not read.
 */
export async function locateDockerLayers(dataRoot: string, diffIds: readonly string[]): Promise<LocatedLayers> {
  const layers: LayerDirectory[] = [];
  let chain = '';
  try {
    for (const [index, diffId] of diffIds.entries()) {
      if (!DIGEST.test(diffId)) return { ok: false, reason: 'a layer has no digest' };
      chain = index === 0 ? diffId : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`;
      const metadata = join(dataRoot, 'image/overlay2/layerdb/sha256', chain.slice('sha256:'.length));
      if (readSmall(join(metadata, 'diff')) !== diffId) return { ok: false, reason: 'a layer has another digest' };
      const cacheId = readSmall(join(metadata, 'cache-id'));
      if (!CACHE_ID.test(cacheId)) return { ok: false, reason: 'a layer has no directory' };
      const opaque = index === 0 ? new Set<string>() : await readOpaque(join(metadata, 'tar-split.json.gz'));
      layers.unshift({ path: join(dataRoot, 'overlay2', cacheId, 'diff'), opaque });
    }
    return { ok: true, layers };
  } catch (error) {
    if (error instanceof FileTreeError) return { ok: false, reason: error.message };
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { ok: false, reason: `the layers cannot be read in place: ${code}` };
  }
}

function readSmall(path: string): string {
  return readFileSync(path, { encoding: 'utf8' }).slice(0, 200).trim();
}

/**
 * The opaque directories that the metadata of a layer lists: one JSON object per line, of which those of type 1 have the
 * name of an entry (github.com/vbatts/tar-split, storage/entry.go).
 */
async function readOpaque(path: string): Promise<ReadonlySet<string>> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const sizeBytes = fstatSync(descriptor).size;
    const blob: Blob = {
      sizeBytes,
      read: (offset, length) =>
        readRange(descriptor, { offset, length: Math.max(0, Math.min(length, sizeBytes - offset)) }),
    };
    const opaque = new Set<string>();
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of decompress(blob, LIMITS)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_BYTES * 16) throw new FileTreeError('damaged', 'the metadata of a layer is damaged');
      for (const line of lines) if (line.includes(OPAQUE)) addOpaque(line, opaque);
    }
    if (rest.includes(OPAQUE)) addOpaque(rest, opaque);
    return opaque;
  } finally {
    closeSync(descriptor);
  }
}

function addOpaque(line: string, opaque: Set<string>): void {
  let name: unknown;
  try {
    ({ name } = JSON.parse(line) as { name?: unknown });
  } catch (error) {
    throw new FileTreeError('damaged', 'the metadata of a layer is damaged', { cause: error });
  }
  if (typeof name !== 'string') return;
  const names = name.split('/').filter((part) => part !== '' && part !== '.');
  if (names.pop() === OPAQUE) opaque.add(`/${names.join('/')}`);
}
