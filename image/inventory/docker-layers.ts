import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { integer, list, object, string, withDefault } from '../../posture/schema.ts';
import type { InventoryGap } from '../../vulnerability/package.ts';
import { readRange } from './directory-handle.ts';
import { decompress } from './archive/decompression.ts';
import type { Blob } from './archive/decompression.ts';
import { LayerChangeset } from './archive/layer-changeset.ts';
import type { ChangedDirectory } from './archive/layer-changeset.ts';
import { INDEX_LIMITS } from './archive/layer-index.ts';
import { TarReader } from './archive/tar-reader.ts';
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
/** Metadata of one layer with a million files has about 1 GiB. */
const LIMITS = { maxBytes: 2 * 1024 ** 3, maxRatio: 1000, freeBytes: 256 * 1024 ** 2 };
/** The padding behind an archive is one line for each MiB, in base64. */
const MAX_LINE_LENGTH = 2 * 1024 ** 2;
const MAX_GAPS = 200;
/** Lines of tar-split: bytes of the archive; the others are entries. */
const SEGMENT = 2;
const SPLIT_ENTRY = object({
  type: integer('', 1, SEGMENT),
  size: withDefault(integer('', 0), 0),
  payload: withDefault(string('', MAX_LINE_LENGTH), ''),
});
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

/** Reads what the attributes of overlayfs say about layers that were found. */
export async function readFoundLayers(found: readonly FoundLayer[]): Promise<LocatedLayers> {
  const layers: LayerDirectory[] = [];
  try {
    for (const { path, entryList } of found)
      layers.push({
        path,
        ...(entryList === undefined ? { opaque: new Set(), gaps: [] } : await readAttributes(entryList)),
      });
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
 * What the attributes of overlayfs say about the directory of a layer, which Node cannot read. It follows from the
 * headers of the layer's archive, which the engine keeps: one JSON object per line, in type 2 with bytes of the archive,
 * in type 1 with the size of a content that is left out (github.com/vbatts/tar-split, storage/entry.go).
 */
async function readAttributes(path: string): Promise<Pick<LayerDirectory, 'opaque' | 'gaps'>> {
  const gaps: InventoryGap[] = [];
  const layer = new LayerChangeset({
    limits: INDEX_LIMITS,
    onGap: (at, reason) => {
      if (gaps.length < MAX_GAPS) gaps.push({ path: at.slice(0, 1024), reason });
    },
    olderFile: () => undefined,
  });
  let entries = 0;
  const reader = new TarReader((entry) => {
    entries += 1;
    layer.add(entry, entries);
    return undefined;
  });
  for await (const line of readLines(path)) replayLine(line, reader);
  return { opaque: opaqueDirectories(layer.root), gaps };
}

async function* readLines(path: string): AsyncGenerator<string> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const sizeBytes = fstatSync(descriptor).size;
    const blob: Blob = {
      sizeBytes,
      read: (offset, length) =>
        readRange(descriptor, { offset, length: Math.max(0, Math.min(length, sizeBytes - offset)) }),
    };
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of decompress(blob, LIMITS)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_LENGTH) throw damaged();
      yield* lines;
    }
    yield rest;
  } finally {
    closeSync(descriptor);
  }
}

function replayLine(line: string, reader: TarReader): void {
  if (line === '') return;
  let parsed;
  try {
    parsed = SPLIT_ENTRY.parse(JSON.parse(line));
  } catch (error) {
    throw damaged(error);
  }
  if (!parsed.ok) throw damaged();
  const { type, size, payload } = parsed.value;
  if (type === SEGMENT) reader.write(Buffer.from(payload, 'base64'));
  // The padding, which `skippableBytes` counts, comes with the next bytes of the archive.
  else if (Math.ceil(size / 512) * 512 !== reader.skippableBytes) throw damaged();
  else reader.skip(size);
}

function opaqueDirectories(root: ChangedDirectory): ReadonlySet<string> {
  const opaque = new Set<string>();
  const visit = (directory: ChangedDirectory, path: string): void => {
    if (directory.isOpaque) opaque.add(path);
    for (const [name, node] of directory.children) if (node.kind === 'directory') visit(node, `${path}/${name}`);
  };
  visit(root, '');
  return opaque;
}

function damaged(cause?: unknown): FileTreeError {
  return new FileTreeError('damaged', 'the metadata of a layer is damaged', { cause });
}
