import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, opendirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { readRange } from '../directory-handle.ts';

/** Larger blobs are layers. */
const MAX_MANIFEST_BYTES = 1024 * 1024;
const MAX_BLOBS = 100_000;
/** Of all blobs that could be manifests together. */
const MAX_READ_BYTES = 256 * 1024 * 1024;
/** Limit of manifests that are tried: anyone can store manifests of an image with other layers. */
const MAX_FOUND = 8;
const NAME = /^[0-9a-f]{64}$/;
const BRACE = 0x7b;

/**
 * Digests of the manifests in `blobs/sha256` of a content store (containerd, OCI image layout) whose configuration is the
 * image; their own digest is verified. Throws the error of the file system where the directory cannot be read.
 */
export function findStoredManifests(store: string, imageId: string): readonly string[] {
  const directory = join(store, 'blobs', 'sha256');
  const found: string[] = [];
  const open = opendirSync(directory);
  try {
    let [blobs, bytes] = [0, 0];
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
      blobs += 1;
      if (blobs > MAX_BLOBS || bytes > MAX_READ_BYTES || found.length >= MAX_FOUND) break;
      if (!entry.isFile() || !NAME.test(entry.name)) continue;
      const content = readSmall(join(directory, entry.name));
      if (content === undefined) continue;
      bytes += content.length;
      if (configOf(content) === imageId && createHash('sha256').update(content).digest('hex') === entry.name)
        found.push(`sha256:${entry.name}`);
    }
  } finally {
    open.closeSync();
  }
  return found;
}

/** The content of a small blob that begins as JSON does; undefined: it is another one, or gone. */
function readSmall(path: string): Uint8Array | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size > MAX_MANIFEST_BYTES || readRange(descriptor, { offset: 0, length: 1 })[0] !== BRACE) return undefined;
    return readRange(descriptor, { offset: 0, length: size });
  } finally {
    closeSync(descriptor);
  }
}

function configOf(content: Uint8Array): unknown {
  try {
    const { config } = JSON.parse(new TextDecoder().decode(content)) as { config?: { digest?: unknown } | null };
    return config?.digest;
  } catch {
    return undefined;
  }
}
