import { createHash } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageReference } from '../../policy/reference.ts';
import { choosePlatform } from '../registry/manifest.ts';
import type { Descriptor, ImageManifest, Manifest, Platform } from '../registry/manifest.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { registryFailure } from '../registry/registry-result.ts';
import type { RegistryResult } from '../registry/registry-result.ts';

/** Which image is pulled, and where to. */
export interface PullRequest {
  readonly client: RegistryClient;
  readonly reference: ImageReference;
  /** Which image of an index. */
  readonly platform: Platform;
  /** A directory of our own, which becomes an OCI image layout. */
  readonly directory: string;
  /** All layers together, compressed. */
  readonly maxBytes: number;
  readonly deadlineMs: number;
  readonly onProgress?: (bytes: number, ofBytes: number) => void;
}

/** What was pulled. */
export interface PulledImage {
  /** Digest of what the reference names: of the index, where it names one. Signatures are about it. */
  readonly digest: string;
  /** Of the manifest of the image itself: where the reference names an index, the one that was chosen from it. */
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly config: Uint8Array;
}

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Pulls an image into an OCI image layout. Each blob is verified by its digest. The manifest of the layout is our own,
 * with the layers of the pulled one: it serves to read the layers only.
 */
export async function pullImage(request: PullRequest): Promise<RegistryResult<PulledImage>> {
  const { client, reference, directory, platform, maxBytes } = request;
  const { path } = reference;
  const top = await client.manifest(path, reference.digest ?? reference.tag ?? 'latest');
  if (!top.ok) return top;
  const image = await imageOf(client, path, top.value, platform);
  if (!image.ok) return image;
  const { config, layers } = image.value;
  if (![config, ...layers].every(({ digest }) => /^sha256:[0-9a-f]{64}$/.test(digest)))
    return registryFailure('malformed', 'a part of the image has no sha256 digest');
  const ofBytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (ofBytes > maxBytes)
    return registryFailure('tooLarge', `the layers have ${String(ofBytes)} bytes, more than ${String(maxBytes)}`);
  const blob = await client.blob({
    path,
    digest: config.digest,
    sizeBytes: config.sizeBytes,
    maxBytes: MAX_CONFIG_BYTES,
  });
  if (!blob.ok) return blob;
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true, mode: 0o700 });
  const written = await writeLayers(request, layers, ofBytes);
  if (!written.ok) return written;
  await writeLayout(directory, image.value, blob.value);
  const { digest: manifestDigest } = image.value;
  return {
    ok: true,
    value: { digest: top.value.digest, manifestDigest, configDigest: config.digest, config: blob.value },
  };
}

async function imageOf(
  client: RegistryClient,
  path: string,
  top: Manifest,
  platform: Platform,
): Promise<RegistryResult<ImageManifest>> {
  if (top.kind === 'image') return { ok: true, value: top };
  const chosen = choosePlatform(top, platform);
  if (chosen === undefined)
    return registryFailure('notFound', `the image is not there for ${platform.os}/${platform.architecture}`);
  const manifest = await client.manifest(path, chosen.digest);
  if (!manifest.ok) return manifest;
  return manifest.value.kind === 'image'
    ? { ok: true, value: manifest.value }
    : registryFailure('malformed', 'an index names an index in place of an image');
}

async function writeLayers(
  { client, reference, directory, deadlineMs, onProgress }: PullRequest,
  layers: readonly Descriptor[],
  ofBytes: number,
): Promise<RegistryResult<undefined>> {
  let bytes = 0;
  for (const { digest, sizeBytes } of new Map(layers.map((layer) => [layer.digest, layer])).values()) {
    await using file = await open(join(directory, 'blobs', digest.replace(':', '/')), 'wx', 0o600);
    const read = await client.readBlob(
      { path: reference.path, digest, sizeBytes, maxBytes: sizeBytes, deadlineMs },
      async (part) => {
        await file.writeFile(part);
        bytes += part.length;
        onProgress?.(bytes, ofBytes);
      },
    );
    if (!read.ok) return read;
  }
  return { ok: true, value: undefined };
}

async function writeLayout(directory: string, { config, layers }: ImageManifest, content: Uint8Array): Promise<void> {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptorJson(config),
      layers: layers.map(descriptorJson),
    }),
  );
  const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: manifest.length }],
  };
  const write = (name: string, data: string | Uint8Array): Promise<void> =>
    writeFile(join(directory, name), data, { mode: 0o600 });
  await write(join('blobs', config.digest.replace(':', '/')), content);
  await write(join('blobs', digest.replace(':', '/')), manifest);
  await write('oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  await write('index.json', JSON.stringify(index));
}

function descriptorJson({ mediaType, digest, sizeBytes }: Descriptor): object {
  return { mediaType, digest, size: sizeBytes };
}
