import * as s from '../../posture/schema.ts';
import { isDigest } from '../../policy/reference.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';

/**
 * Manifests of the OCI image specification 1.1 and of Docker schema 2.
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md, image-index.md, descriptor.md
 */

/** Largest manifest that is read; the distribution specification lets registries refuse larger ones. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_LAYERS = 1000;
const MAX_ENTRIES = 1000;

/** Media types of what we read. */
export const MEDIA_TYPE = Object.freeze({
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
});

/** What clients accept for a manifest. */
export const MANIFEST_TYPES: readonly string[] = Object.values(MEDIA_TYPE);

/** Which platform an image is for; Go's names. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Names content by its digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType: string;
  readonly platform?: Platform;
}

/** The manifest of one image or artefact, or an index of several. */
export type Manifest = ImageManifest | ImageIndex;

/** One image or artefact. */
export interface ImageManifest {
  readonly kind: 'image';
  readonly digest: string;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType: string;
  /** Digest of the manifest that this one belongs to, for signatures and SBOMs. */
  readonly subject?: string;
}

/** Several images, one for each platform. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly digest: string;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Outcome of {@link parseManifest}; `problem` quotes no content. */
export type ParsedManifest =
  { readonly ok: true; readonly value: Manifest } | { readonly ok: false; readonly problem: string };

const digestString: s.Schema<string> = {
  ...s.string('', 256),
  parse: (value, at = '') =>
    typeof value === 'string' && isDigest(value)
      ? { ok: true, value }
      : { ok: false, problem: `${at}: expected a digest` },
};
const annotations = s.withDefault(s.record(s.string('', 256 * 1024), '', 256), {});
const short = s.withDefault(s.string('', 256), '');
const descriptorSchema = s.object({
  mediaType: s.string('', 256),
  digest: digestString,
  size: s.integer('', 0),
  annotations,
  artifactType: short,
  platform: s.nullable(s.object({ os: short, architecture: short, variant: short })),
});
const imageSchema = s.object({
  schemaVersion: s.integer('', 2, 2),
  config: descriptorSchema,
  layers: s.list(descriptorSchema, '', MAX_LAYERS),
  annotations,
  artifactType: short,
  subject: s.nullable(descriptorSchema),
});
const indexSchema = s.object({
  schemaVersion: s.integer('', 2, 2),
  manifests: s.list(descriptorSchema, '', MAX_ENTRIES),
  annotations,
});
const kindSchema = s.object({
  mediaType: short,
  manifests: s.nullable(s.unknown()),
  layers: s.nullable(s.unknown()),
  config: s.nullable(s.unknown()),
  fsLayers: s.nullable(s.unknown()),
});

/** What is known of a manifest before it is parsed. */
export interface ManifestIdentity {
  /** Of the response or descriptor that gave it. */
  readonly contentType: string;
  /** Of its bytes, verified. */
  readonly digest: string;
}

/**
 * Parses a manifest. The content type must agree with the `mediaType` of
 * the document, and no document may be image and index at once (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, { contentType, digest }: ManifestIdentity): ParsedManifest {
  const json = parseStrictJson(bytes);
  if (!json.ok) return json;
  const kind = kindSchema.parse(json.value);
  if (!kind.ok) return kind;
  const { mediaType, manifests, layers, config, fsLayers } = kind.value;
  const given = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (fsLayers !== null || given.startsWith('application/vnd.docker.distribution.manifest.v1'))
    return { ok: false, problem: 'Docker schema 1 manifests are not supported' };
  if (mediaType !== '' && mediaType !== given)
    return { ok: false, problem: 'its media type is not the content type of the response' };
  if (given === MEDIA_TYPE.ociIndex || given === MEDIA_TYPE.dockerList) {
    if (layers !== null || config !== null) return { ok: false, problem: 'it is an image and an index at once' };
    const parsed = indexSchema.parse(json.value);
    if (!parsed.ok) return parsed;
    return {
      ok: true,
      value: {
        kind: 'index',
        digest,
        mediaType: given,
        manifests: parsed.value.manifests.map(toDescriptor),
        annotations: parsed.value.annotations,
      },
    };
  }
  if (given !== MEDIA_TYPE.ociManifest && given !== MEDIA_TYPE.dockerManifest)
    return { ok: false, problem: 'it is not a manifest of OCI or Docker schema 2' };
  if (manifests !== null) return { ok: false, problem: 'it is an image and an index at once' };
  const parsed = imageSchema.parse(json.value);
  if (!parsed.ok) return parsed;
  const { subject, artifactType } = parsed.value;
  return {
    ok: true,
    value: {
      kind: 'image',
      digest,
      mediaType: given,
      config: toDescriptor(parsed.value.config),
      layers: parsed.value.layers.map(toDescriptor),
      annotations: parsed.value.annotations,
      artifactType,
      ...(subject === null ? {} : { subject: subject.digest }),
    },
  };
}

/**
 * The entry of an index that a runtime on the platform would use: the first with equal operating system, architecture
 * and variant (arm64 is v8, arm is v7 where none is named); undefined if no entry matches. Entries for attestations,
 * whose platform is `unknown`, are never chosen.
 */
export function choosePlatform({ manifests }: ImageIndex, wanted: Platform): Descriptor | undefined {
  const target = normalised(wanted);
  return manifests.find(({ platform }) => {
    if (platform === undefined) return false;
    const offered = normalised(platform);
    return (
      offered.os === target.os && offered.architecture === target.architecture && offered.variant === target.variant
    );
  });
}

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['aarch64', 'arm64'],
  ['i386', '386'],
  ['armhf', 'arm'],
]);
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['arm64', 'v8'],
  ['arm', 'v7'],
]);

function normalised({ os, architecture, variant }: Platform): Required<Platform> {
  const known = ARCHITECTURES.get(architecture.toLowerCase()) ?? architecture.toLowerCase();
  const named = variant === undefined || variant === '' ? (DEFAULT_VARIANTS.get(known) ?? '') : variant.toLowerCase();
  return { os: os.toLowerCase(), architecture: known, variant: named };
}

function toDescriptor(entry: s.Infer<typeof descriptorSchema>): Descriptor {
  const { mediaType, digest, size, artifactType, platform } = entry;
  return {
    mediaType,
    digest,
    sizeBytes: size,
    annotations: entry.annotations,
    artifactType,
    ...(platform === null ? {} : { platform }),
  };
}
