import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { writeTar } from './tar.ts';
import type { Entry } from './tar.ts';

/** What an image is made of. */
export interface ImageParts {
  /** Name with tag, such as `plimsoll:0.1.0-0123456789ab`. */
  readonly reference: string;
  /** As Docker and OCI name it: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly layers: readonly (readonly Entry[])[];
  /** `config` of the OCI image configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Time of the image and of each file in it. */
  readonly createdMs: number;
}

/**
 * An archive for `docker load` and `ctr image import`: an OCI image layout (OCI image specification 1.1) with the
 * `manifest.json` of Docker archives. `digest` is that of the image's manifest.
 */
export function writeArchive(parts: ImageParts): { readonly archive: Buffer; readonly digest: string } {
  const { reference, architecture, createdMs } = parts;
  const blobs = new Map<string, Buffer>();
  const addBlob = (mediaType: string, content: Buffer) => {
    const digest = sha256(content);
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const addJson = (mediaType: string, value: unknown) => addBlob(mediaType, Buffer.from(JSON.stringify(value)));
  const created = new Date(createdMs).toISOString();
  const tars = parts.layers.map((entries) => writeTar(entries, Math.floor(createdMs / 1000)));
  const layers = tars.map((tar) => addBlob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar)));
  const config = addJson('application/vnd.oci.image.config.v1+json', {
    created,
    architecture,
    os: 'linux',
    config: parts.config,
    rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
    history: tars.map(() => ({ created, created_by: 'npm run image' })),
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = addJson(mediaType, { schemaVersion: 2, mediaType, config, layers });
  const annotations = {
    'io.containerd.image.name': `docker.io/library/${reference}`,
    'org.opencontainers.image.ref.name': reference.slice(reference.indexOf(':') + 1),
  };
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, annotations, platform: { architecture, os: 'linux' } }],
  };
  const docker = [
    { Config: blobPath(config.digest), RepoTags: [reference], Layers: layers.map(({ digest }) => blobPath(digest)) },
  ];
  const files = [
    ...[...blobs].map(([digest, content]) => plainFile(`/${blobPath(digest)}`, content)),
    plainFile('/index.json', JSON.stringify(index)),
    plainFile('/manifest.json', JSON.stringify(docker)),
    plainFile('/oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })),
  ];
  return { archive: writeTar(files, 0), digest: manifest.digest };
}

function plainFile(path: string, content: Buffer | string): Entry {
  return { path, type: 'file', mode: 0o644, content: Buffer.from(content) };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** `sha256:` and the hash in hexadecimal. */
export function sha256(content: Buffer | string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
