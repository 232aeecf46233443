import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import * as s from '../../posture/schema.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';
import { compressionOf } from '../inventory/archive/decompression.ts';
import { decompressZstd } from '../inventory/archive/zstd-frames.ts';
import { readBoundedFile } from './bounded-text.ts';

/**
 * The one image of an archive (`docker save`, OCI image layout) or of a directory with an OCI image layout. Tags that an
 * archive gives to itself are not read: they prove nothing.
 */
export interface ArchiveMetadata {
  /** Digest of the manifest; undefined in archives of the old form, which have none. */
  readonly digest: string | undefined;
  /** Digest of the configuration. */
  readonly configDigest: string;
  readonly config: Uint8Array;
}

/** What is read of an archive, or why not. `reason` quotes nothing of it. */
export type ReadMetadata =
  { readonly ok: true; readonly value: ArchiveMetadata } | { readonly ok: false; readonly reason: string };

const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 200_000;
/** Unpacked, layers and all. */
const MAX_ARCHIVE_BYTES = 32 * 1024 ** 3;

const text = s.string('', 512);
const dockerManifest = s.list(s.object({ Config: text }), '', 64);
/** Blobs are found by it, so it must not be a path. */
const digest: s.Schema<string> = {
  ...text,
  parse: (value, at = '') =>
    typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value)
      ? { ok: true, value }
      : { ok: false, problem: `${at}: expected a digest` },
};
const descriptor = s.object({
  digest,
  mediaType: s.withDefault(text, ''),
  annotations: s.withDefault(s.record(s.unknown(), '', 256), {}),
});
const index = s.object({ manifests: s.list(descriptor, '', 256) });
const manifest = s.object({ config: descriptor });

/** Reads the metadata of the archive or directory at `path`. Never rejects but for bugs. */
export async function readArchiveMetadata(path: string, signal: AbortSignal): Promise<ReadMetadata> {
  let documents: ReadonlyMap<string, Uint8Array>;
  try {
    documents = (await stat(path)).isDirectory() ? await readLayout(path) : await readTar(path, signal);
  } catch (error) {
    if (signal.aborted) return failed('was not read to its end');
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (error instanceof ArchiveError) return failed(error.message);
    return failed(
      code === 'ENOENT' ? 'does not exist' : `is no archive that can be read${code === '' ? '' : ` (${code})`}`,
    );
  }
  return metadataOf(documents);
}

class ArchiveError extends Error {
  readonly code = 'archive';
}

function failed(reason: string): ReadMetadata {
  return { ok: false, reason };
}

/** Documents of an archive by name: those at its top, and blobs small enough to be one. */
async function readTar(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
  const documents = new Map<string, Uint8Array>();
  const file = createReadStream(path, { signal });
  const tar = extract();
  const source = decompressed(file, compressionOf(await firstBytes(path)));
  let [entries, bytes, kept] = [0, 0, 0];
  file.on('error', (error) => tar.destroy(error));
  source.on('error', (error: Error) => tar.destroy(error));
  source.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > MAX_ARCHIVE_BYTES) tar.destroy(new ArchiveError('is larger than an archive may be'));
  });
  source.pipe(tar);
  try {
    for await (const entry of tar) {
      entries += 1;
      if (entries > MAX_ENTRIES) throw new ArchiveError(`has more than ${String(MAX_ENTRIES)} entries`);
      const { name, type, size } = entry.header;
      const plain = name.replace(/^(?:\.\/)+/, '');
      if (type !== 'file' || size > MAX_DOCUMENT_BYTES || !isDocumentName(plain)) {
        entry.resume();
        continue;
      }
      if (documents.has(plain)) throw new ArchiveError('has two entries of the same name');
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry) chunks.push(chunk as Uint8Array);
      const content = Buffer.concat(chunks);
      // Layers that are small enough are no JSON.
      if (content[0] !== 0x7b && content[0] !== 0x5b) continue;
      kept += content.length;
      if (kept > MAX_KEPT_BYTES) throw new ArchiveError('has too many documents');
      documents.set(plain, content);
    }
  } finally {
    file.destroy();
  }
  return documents;
}

function isDocumentName(name: string): boolean {
  return /^(?:manifest\.json|index\.json|[0-9a-f]{64}\.json|blobs\/sha256\/[0-9a-f]{64})$/.test(name);
}

function decompressed(file: Readable, compression: ReturnType<typeof compressionOf>): Readable {
  switch (compression) {
    case 'gzip':
      return file.pipe(createGunzip());
    case 'zstd':
      return Readable.from(decompressZstd(file), { objectMode: false });
    case undefined:
      return file;
  }
}

async function firstBytes(path: string): Promise<Uint8Array> {
  await using file = await open(path, 'r');
  if (!(await file.stat()).isFile()) throw new ArchiveError('is not a regular file');
  const { buffer } = await file.read(new Uint8Array(4), 0, 4, 0);
  return buffer;
}

/** Documents of a directory with an OCI image layout: only those that its index leads to. */
async function readLayout(directory: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const documents = new Map<string, Uint8Array>();
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const file = await readBoundedFile(join(directory, name), MAX_DOCUMENT_BYTES);
    if (!file.ok) return undefined;
    documents.set(name, file.bytes);
    return file.bytes;
  };
  const top = await read('index.json');
  if (top === undefined) throw new ArchiveError('has no index.json: name a root file system with --rootfs');
  for (const image of imagesOf(top)) {
    const document = await read(blobName(image.digest));
    const parsed = document === undefined ? undefined : parse(manifest, document);
    if (parsed !== undefined) await read(blobName(parsed.config.digest));
  }
  return documents;
}

function metadataOf(documents: ReadonlyMap<string, Uint8Array>): ReadMetadata {
  const [old, layout] = [documents.get('manifest.json'), documents.get('index.json')];
  if (old === undefined && layout === undefined) return failed('is no archive of an image: it has no manifest');
  const docker = old === undefined ? undefined : dockerImage(old, documents);
  const oci = layout === undefined ? undefined : ociImage(layout, documents);
  if (docker?.ok === false) return docker;
  if (oci?.ok === false) return oci;
  // Docker reads the one, containerd the other.
  if (docker !== undefined && oci !== undefined && docker.value.configDigest !== oci.value.configDigest)
    return failed('its manifest.json and its index.json name different images');
  return oci ?? docker ?? failed('names no image');
}

function dockerImage(document: Uint8Array, documents: ReadonlyMap<string, Uint8Array>): ReadMetadata {
  const images = parse(dockerManifest, document);
  if (images === undefined) return failed('has a malformed manifest.json');
  const [image, ...others] = images;
  if (image === undefined || others.length > 0) return failed(`holds ${String(images.length)} images; save one`);
  const config = documents.get(image.Config.replace(/^(?:\.\/)+/, ''));
  if (config === undefined) return failed('does not hold the configuration of its image');
  const configDigest = digestOf(config);
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (`sha256:${named ?? ''}` !== configDigest) return failed('the configuration of its image has another digest');
  return { ok: true, value: { digest: undefined, configDigest, config } };
}

function ociImage(document: Uint8Array, documents: ReadonlyMap<string, Uint8Array>): ReadMetadata {
  if (parse(index, document) === undefined) return failed('has a malformed index.json');
  const images = imagesOf(document);
  const digests = new Set(images.map((image) => image.digest));
  const [only, ...others] = digests;
  if (only === undefined || others.length > 0) return failed(`holds ${String(digests.size)} images; save one`);
  const content = documents.get(blobName(only));
  if (content === undefined || digestOf(content) !== only) return failed('does not hold the manifest of its image');
  const parsed = parse(manifest, content);
  if (parsed === undefined) return failed('holds several images, or its manifest is malformed; save one platform');
  const config = documents.get(blobName(parsed.config.digest));
  if (config === undefined || digestOf(config) !== parsed.config.digest)
    return failed('does not hold the configuration of its image');
  return { ok: true, value: { digest: only, configDigest: parsed.config.digest, config } };
}

/** The images of an index. BuildKit adds attestations, which are none. */
function imagesOf(document: Uint8Array): readonly { readonly digest: string }[] {
  const manifests = parse(index, document)?.manifests ?? [];
  return manifests.filter(({ annotations }) => annotations['vnd.docker.reference.type'] !== 'attestation-manifest');
}

function parse<T>(schema: s.Schema<T>, document: Uint8Array): T | undefined {
  const json = parseStrictJson(document);
  const parsed = json.ok ? schema.parse(json.value) : undefined;
  return parsed?.ok === true ? parsed.value : undefined;
}

function blobName(name: string): string {
  return `blobs/${name.replace(':', '/')}`;
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
