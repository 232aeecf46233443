import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { list, object, string } from '../../posture/schema.ts';
import { readRange } from './directory-handle.ts';
import { decompress } from './archive/decompression.ts';
import type { Blob } from './archive/decompression.ts';
import { FileTreeError } from './file-tree.ts';
import type { LayerDirectory } from './layer-tree.ts';

/** The layers of an image in place, newest first, or why it has to be read in another way. */
export type LocatedLayers =
  { readonly ok: true; readonly layers: readonly LayerDirectory[] } | { readonly ok: false; readonly reason: string };

/** Where an engine keeps the layers of an image, newest first, or why that is not known. */
export type FoundLayers =
  { readonly ok: true; readonly layers: readonly FoundLayer[] } | { readonly ok: false; readonly reason: string };

/** One layer in place. */
export interface FoundLayer {
  /** The directory with its files. */
  readonly path: string;
  /** Identity of the directory, which changes when it is replaced. */
  readonly identity: string;
  /** The list of its entries; undefined for the oldest layer, which has nothing to hide. */
  readonly entryList: string | undefined;
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;
/** Names that Docker makes for directories of layers. */
const CACHE_ID = /^[0-9a-z]{20,128}$/;
const OPAQUE = '.wh..wh..opq';
/** Metadata of one layer with a million files has about 1 GiB. */
const LIMITS = { maxBytes: 2 * 1024 ** 3, maxRatio: 1000, freeBytes: 256 * 1024 ** 2 };
const MAX_LINE_BYTES = 64 * 1024;
const MAX_CONFIGURATION_BYTES = 4 * 1024 * 1024;
/** What is read of an image configuration (image-spec, config.md). */
const CONFIGURATION = object({ rootfs: object({ diff_ids: list(string('', 200), '', 1000) }) });

/**
 * Finds the layers of an image in the data directory of dockerd with the storage driver overlay2: for each layer its
 * chain id (image-spec, config.md, "Layer ChainID") names the directory of its metadata. Of these, `cache-id` names the
 * directory with the files, `diff` is the layer's digest, and `tar-split.json.gz` lists the entries of its archive.
 * dockerd renames the metadata before it deletes the files: whoever finds the same layers before and after reading
 * them has read all of them.
 */
export function findDockerLayers(dataRoot: string, diffIds: readonly string[]): FoundLayers {
  const layers: FoundLayer[] = [];
  let chain = '';
  try {
    for (const [index, diffId] of diffIds.entries()) {
      if (!DIGEST.test(diffId)) return { ok: false, reason: 'a layer has no digest' };
      chain = index === 0 ? diffId : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`;
      const metadata = join(dataRoot, 'image/overlay2/layerdb/sha256', chain.slice('sha256:'.length));
      if (readSmall(join(metadata, 'diff')) !== diffId) return { ok: false, reason: 'a layer has another digest' };
      const cacheId = readSmall(join(metadata, 'cache-id'));
      if (!CACHE_ID.test(cacheId)) return { ok: false, reason: 'a layer has no directory' };
      const path = join(dataRoot, 'overlay2', cacheId, 'diff');
      const { dev, ino } = statSync(path);
      const entryList = index === 0 ? undefined : join(metadata, 'tar-split.json.gz');
      layers.unshift({ path, identity: `${String(dev)}:${String(ino)}`, entryList });
    }
    return { ok: true, layers };
  } catch (error) {
    return refusedLayers(error);
  }
}

/**
 * The digests of the layers of an image, oldest first, from its configuration in the data directory of dockerd. The id of
 * an image is the SHA-256 of its configuration, which is compared.
 */
export function dockerDiffIds(dataRoot: string, imageId: string): DiffIds {
  if (!DIGEST.test(imageId)) return { ok: false, reason: 'the image has no digest' };
  const digest = imageId.slice('sha256:'.length);
  return readDiffIds(join(dataRoot, 'image/overlay2/imagedb/content/sha256', digest), digest);
}

/** Digests of the layers of an image, oldest first, or why they are not known. */
export type DiffIds =
  { readonly ok: true; readonly diffIds: readonly string[] } | { readonly ok: false; readonly reason: string };

/** The digests of the layers in the image configuration at `path`, whose SHA-256 has to be `digest`. */
export function readDiffIds(path: string, digest: string): DiffIds {
  try {
    if (statSync(path).size > MAX_CONFIGURATION_BYTES) return { ok: false, reason: 'its configuration is too large' };
    const bytes = readFileSync(path);
    if (createHash('sha256').update(bytes).digest('hex') !== digest)
      return { ok: false, reason: 'its configuration has another digest' };
    const parsed = CONFIGURATION.parse(JSON.parse(bytes.toString('utf8')));
    return parsed.ok
      ? { ok: true, diffIds: parsed.value.rootfs.diff_ids }
      : { ok: false, reason: `its configuration is malformed: ${parsed.problem}` };
  } catch (error) {
    return error instanceof SyntaxError ? { ok: false, reason: 'its configuration is not JSON' } : refusedLayers(error);
  }
}

/** Reads the markers of opaque directories of layers that were found. */
export async function readFoundLayers(found: readonly FoundLayer[]): Promise<LocatedLayers> {
  const layers: LayerDirectory[] = [];
  try {
    for (const { path, entryList } of found)
      layers.push({ path, opaque: entryList === undefined ? new Set() : await readOpaque(entryList) });
    return { ok: true, layers };
  } catch (error) {
    return refusedLayers(error);
  }
}

/** Why layers cannot be read in place. Throws what is neither of the file system nor of the content. */
export function refusedLayers(error: unknown): { readonly ok: false; readonly reason: string } {
  if (error instanceof FileTreeError) return { ok: false, reason: error.message };
  if (error instanceof SyntaxError) return { ok: false, reason: 'the list of layers is malformed' };
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === undefined) throw error;
  return { ok: false, reason: `the layers cannot be read in place: ${code}` };
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
