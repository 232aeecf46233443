import { readImageConfiguration } from '../../image/policy/image-configuration.ts';
import { choosePlatform } from '../../image/registry/manifest.ts';
import type { Manifest } from '../../image/registry/manifest.ts';
import type { RegistryClient } from '../../image/registry/registry-client.ts';
import type { RegistryResult } from '../../image/registry/registry-result.ts';
import { absent } from '../../posture/observed.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** Of an index, the image whose time is compared: the images of one index are built together. */
const PLATFORM = Object.freeze({ os: 'linux', architecture: 'amd64' });
const NOT_READ = { id: '', tags: [], setuidFiles: absent('registry') } as const;

/**
 * When an image was built, by the configuration that its digest vouches for; milliseconds since the epoch. The digest is
 * that of a manifest, or of a configuration, by which runtimes know an image that was loaded and not pulled. Undefined:
 * the registry does not have it, or it does not say. Never rejects.
 */
export async function readBuildTime(
  client: Pick<RegistryClient, 'manifest' | 'blob'>,
  path: string,
  digest: string,
): Promise<RegistryResult<number | undefined>> {
  const named = await readManifest(client, path, digest);
  if (!named.ok || named.value === undefined) {
    // Distribution 2 answers HTTP 500 where a configuration is requested as a manifest.
    const loaded = await client.blob({ path, digest, maxBytes: MAX_CONFIG_BYTES });
    if (loaded.ok) return timeOf(loaded.value);
    if (!named.ok) return named;
    return loaded.code === 'notFound' ? NOT_KNOWN : loaded;
  }
  const { value } = named;
  const chosen = value.kind === 'index' ? (choosePlatform(value, PLATFORM) ?? value.manifests[0]) : undefined;
  const image = chosen === undefined ? named : await readManifest(client, path, chosen.digest);
  if (!image.ok) return image;
  // An index without images, or within an index, has no time of its own.
  if (image.value?.kind !== 'image') return NOT_KNOWN;
  const blob = await client.blob({ path, digest: image.value.config.digest, maxBytes: MAX_CONFIG_BYTES });
  if (!blob.ok) return blob.code === 'notFound' ? NOT_KNOWN : blob;
  return timeOf(blob.value);
}

function timeOf(blob: Uint8Array): RegistryResult<number | undefined> {
  const configuration = readImageConfiguration(blob, NOT_READ);
  const createdAt = configuration.state === 'seen' ? configuration.value.createdAt : undefined;
  return createdAt?.state === 'seen' ? { ok: true, value: createdAt.value } : NOT_KNOWN;
}

const NOT_KNOWN = Object.freeze({ ok: true, value: undefined } as const);

async function readManifest(
  client: Pick<RegistryClient, 'manifest'>,
  path: string,
  digest: string,
): Promise<RegistryResult<Manifest | undefined>> {
  const read = await client.manifest(path, digest);
  return !read.ok && read.code === 'notFound' ? NOT_KNOWN : read;
}
