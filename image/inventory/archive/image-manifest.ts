import { createHash } from 'node:crypto';
import { parseStrictJson } from '../../../policy/strict-json.ts';
import { list, object, string, withDefault } from '../../../posture/schema.ts';
import type { Parsed, Schema } from '../../../posture/schema.ts';
import type { ArchiveBlobs } from './archive-blobs.ts';
import type { Blob } from './decompression.ts';

/** Which image of an archive is meant. */
export interface ImageChoice {
  /** A name of the image in the archive such as `nginx:1.27`; needed where the archive holds several. */
  readonly name?: string;
  /** Digest of the manifest, where it is known; then `manifest.json` and `index.json` are not looked at. */
  readonly manifest?: string;
  /** Architecture as OCI names it, for an index of several platforms; default: that of this machine. */
  readonly architecture?: string;
}

/** An image of an archive: its layers, oldest first, and what they have to be. */
export interface ArchivedImage {
  /** SHA-256 of the configuration, as Docker names images. */
  readonly id: string;
  readonly layers: readonly { readonly blob: Blob; readonly diffId: string }[];
}

/** The image, or why the archive is refused. */
export type FoundImage =
  { readonly ok: true; readonly image: ArchivedImage } | { readonly ok: false; readonly reason: string };

const MAX_JSON_BYTES = 8 * 1024 * 1024;
const MAX_LAYERS = 1_000;
const MAX_MANIFESTS = 256;
const MAX_INDEX_DEPTH = 3;

const digest = string('', 200);
const SAVED = list(
  object({
    Config: string('', 512),
    RepoTags: withDefault(list(string('', 512), '', 1_000), []),
    Layers: list(string('', 512), '', MAX_LAYERS),
  }),
  '',
  MAX_MANIFESTS,
);
const DESCRIPTOR = object({
  mediaType: withDefault(string('', 256), ''),
  digest,
  platform: withDefault(object({ os: withDefault(string(), ''), architecture: withDefault(string(), '') }), {
    os: '',
    architecture: '',
  }),
  annotations: withDefault(
    object({
      'org.opencontainers.image.ref.name': withDefault(string('', 512), ''),
      'io.containerd.image.name': withDefault(string('', 512), ''),
    }),
    { 'org.opencontainers.image.ref.name': '', 'io.containerd.image.name': '' },
  ),
});
const INDEX = object({ manifests: list(DESCRIPTOR, '', MAX_MANIFESTS) });
const MANIFEST = object({ config: object({ digest }), layers: list(object({ digest }), '', MAX_LAYERS) });
const CONFIG = object({ rootfs: object({ diff_ids: list(digest, '', MAX_LAYERS) }) });

/**
 * Finds the image of an archive: `manifest.json` as `docker save` writes it, or `index.json` of an OCI image layout
 * (image-layout.md). Manifests and configurations have the digests that name them. An archive in which both exist and
 * name different images, or with several images and no choice, is refused.
 */
export function findImage(blobs: ArchiveBlobs, choice: ImageChoice): FoundImage {
  try {
    if (choice.manifest !== undefined) return { ok: true, image: resolveOci(blobs, { digest: choice.manifest }) };
    const saved = blobs.blob('manifest.json');
    const index = blobs.blob('index.json');
    if (saved === undefined && index === undefined) throw new Refusal('it has neither manifest.json nor index.json');
    const images = index === undefined ? undefined : imagesOfIndex(blobs, parse(index, INDEX, 'index.json'), 0);
    if (saved === undefined) return { ok: true, image: resolveOci(blobs, chooseOci(images ?? [], choice)) };
    const image = resolveSaved(blobs, chooseSaved(parse(saved, SAVED, 'manifest.json'), choice));
    // Whoever loads the archive may follow either of them.
    if (images !== undefined && !images.some((each) => configOf(blobs, each) === image.id))
      throw new Refusal('manifest.json and index.json name different images');
    return { ok: true, image };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.message };
    throw error;
  }
}

/** Ends the search with the reason; it does not leave this module. */
class Refusal extends Error {}

type SavedImage = (typeof SAVED extends Schema<infer T> ? T : never) extends readonly (infer I)[] ? I : never;
type Descriptor = typeof DESCRIPTOR extends Schema<infer T> ? T : never;

function chooseSaved(images: readonly SavedImage[], { name }: ImageChoice): SavedImage {
  const wanted =
    name === undefined ? images : images.filter(({ RepoTags }) => RepoTags.some((tag) => isNamed(tag, name)));
  return only(wanted, name);
}

function resolveSaved(blobs: ArchiveBlobs, { Config, Layers }: SavedImage): ArchivedImage {
  const config = blobs.blob(Config);
  if (config === undefined) throw new Refusal('the configuration of the image is absent');
  const bytes = readJson(config, 'the configuration');
  const id = sha256(bytes);
  const named = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(Config)?.[1];
  if (named !== undefined && id !== `sha256:${named}`) throw new Refusal('the configuration does not have its digest');
  return { id, layers: layersOf(blobs, Layers, bytes) };
}

/** The manifests of images in an index; an index may lead to further ones. */
function imagesOfIndex(
  blobs: ArchiveBlobs,
  { manifests }: { readonly manifests: readonly Descriptor[] },
  depth: number,
): Descriptor[] {
  const found: Descriptor[] = [];
  for (const each of manifests) {
    const isIndex = each.mediaType.includes('index') || each.mediaType.includes('manifest.list');
    // Attestations of BuildKit are manifests of no platform.
    if (!isIndex && each.platform.os === 'unknown') continue;
    if (!isIndex) found.push(each);
    else if (depth < MAX_INDEX_DEPTH) {
      const inner = parseBytes(verified(blobs, each.digest, 'an index'), INDEX, 'an index');
      // A name belongs to all that is below it.
      for (const image of imagesOfIndex(blobs, inner, depth + 1))
        found.push({ ...image, annotations: { ...each.annotations, ...nonEmpty(image.annotations) } });
    }
    if (found.length > MAX_MANIFESTS) throw new Refusal('it has too many manifests');
  }
  return found;
}

function nonEmpty<T extends Readonly<Record<string, string>>>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '')) as Partial<T>;
}

function chooseOci(images: readonly Descriptor[], { name, architecture }: ImageChoice): Descriptor {
  const named =
    name === undefined
      ? images
      : images.filter(
          (each) => each.digest === name || Object.values(each.annotations).some((own) => isNamed(own, name)),
        );
  const wanted = architecture ?? architectureHere();
  const fitting = named.filter(({ platform }) => platform.os === 'linux' && platform.architecture === wanted);
  const distinct = new Map(
    (named.length > 1 && fitting.length > 0 ? fitting : named).map((each) => [each.digest, each]),
  );
  return only([...distinct.values()], name);
}

function architectureHere(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** `docker.io/library/nginx:1` and `nginx:1` are the same name. */
function isNamed(own: string, wanted: string): boolean {
  const short = (name: string): string => name.replace(/^docker\.io\//, '').replace(/^library\//, '');
  return own !== '' && (short(own) === short(wanted) || short(own) === `${short(wanted)}:latest`);
}

function only<T>(images: readonly T[], name: string | undefined): T {
  const [first] = images;
  if (first === undefined)
    throw new Refusal(name === undefined ? 'it holds no image' : 'it holds no image of this name');
  if (images.length > 1) throw new Refusal(`it holds ${String(images.length)} images, and none was chosen`);
  return first;
}

function resolveOci(blobs: ArchiveBlobs, descriptor: Pick<Descriptor, 'digest'>): ArchivedImage {
  const manifest = parseBytes(verified(blobs, descriptor.digest, 'a manifest'), MANIFEST, 'a manifest');
  const config = verified(blobs, manifest.config.digest, 'the configuration');
  return {
    id: sha256(config),
    layers: layersOf(
      blobs,
      manifest.layers.map((each) => blobName(each.digest)),
      config,
    ),
  };
}

/** The image id of a manifest; undefined where the archive does not hold this platform. */
function configOf(blobs: ArchiveBlobs, { digest: name }: Descriptor): string | undefined {
  if (blobs.blob(blobName(name)) === undefined) return undefined;
  return parseBytes(verified(blobs, name, 'a manifest'), MANIFEST, 'a manifest').config.digest;
}

function layersOf(blobs: ArchiveBlobs, names: readonly string[], config: Uint8Array): ArchivedImage['layers'] {
  const { rootfs } = parseBytes(config, CONFIG, 'the configuration');
  if (rootfs.diff_ids.length !== names.length)
    throw new Refusal('the manifest and the configuration have different numbers of layers');
  return names.map((name, index) => {
    const blob = blobs.blob(name);
    const diffId = rootfs.diff_ids[index];
    if (blob === undefined || diffId === undefined) throw new Refusal(`layer ${String(index + 1)} is absent`);
    return { blob, diffId };
  });
}

function blobName(name: string): string {
  const match = /^sha256:([0-9a-f]{64})$/.exec(name);
  if (match === null) throw new Refusal('a digest is not of the form sha256:…');
  return `blobs/sha256/${match[1] ?? ''}`;
}

function verified(blobs: ArchiveBlobs, name: string, what: string): Uint8Array {
  const blob = blobs.blob(blobName(name));
  if (blob === undefined) throw new Refusal(`${what} is absent`);
  const bytes = readJson(blob, what);
  if (sha256(bytes) !== name) throw new Refusal(`${what} does not have its digest`);
  return bytes;
}

function readJson(blob: Blob, what: string): Uint8Array {
  if (blob.sizeBytes > MAX_JSON_BYTES) throw new Refusal(`${what} is too large`);
  return blob.read(0, MAX_JSON_BYTES);
}

function parse<T>(blob: Blob, schema: Schema<T>, what: string): T {
  return parseBytes(readJson(blob, what), schema, what);
}

function parseBytes<T>(bytes: Uint8Array, schema: Schema<T>, what: string): T {
  const json = parseStrictJson(bytes);
  if (!json.ok) throw new Refusal(`${what} is refused: ${json.problem}`);
  const parsed: Parsed<T> = schema.parse(json.value);
  if (!parsed.ok) throw new Refusal(`${what} is malformed: ${parsed.problem}`);
  return parsed.value;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
