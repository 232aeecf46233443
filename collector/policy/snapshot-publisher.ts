import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { writeSnapshot } from '../../image/policy/snapshot-file.ts';
import type { SignedSnapshot } from '../../image/policy/snapshot-file.ts';
import { createSnapshotWriter, MAX_SNAPSHOT_BYTES } from '../../policy/snapshot.ts';
import type { SnapshotNodes } from '../../policy/node-posture.ts';
import type { PolicySets, SnapshotImage, SnapshotTag } from '../../policy/snapshot.ts';
import type { Clock } from '../../service/clock.ts';
import { signDetached } from '../../service/detached-signature.ts';
import { makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { StartError } from '../start-error.ts';

/** The snapshot that enforcers get. */
export interface PublishedSnapshot extends SignedSnapshot {
  readonly version: number;
  /** The content compressed: once, however many enforcers ask for it. */
  readonly gzip: () => Promise<Buffer>;
}

/** Signs snapshots and keeps the newest one. */
export interface SnapshotPublisher {
  readonly current: () => PublishedSnapshot | undefined;
  /** Public key of the signatures, in PEM. */
  readonly publicKey: string;
  /** First half of the SHA-256 of the public key, hexadecimal. */
  readonly keyId: string;
  /** Writes, signs and stores a snapshot. Resolves to how many images it has no room for. Rejects with the error of the file system. */
  readonly publish: (content: SnapshotParts) => Promise<number>;
}

/** What a snapshot is made of. */
export interface SnapshotParts extends PolicySets {
  /** Where there is no room for all, those that come first. */
  readonly images: readonly SnapshotImage[];
  readonly tags: readonly SnapshotTag[];
  readonly nodes: SnapshotNodes | undefined;
}

/** What a publisher needs. */
export interface PublisherOptions {
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const KEY_FILE = 'policy-snapshot-key.pem';
/** Holds what enforcers on the same machine may read. */
const DIRECTORY = 'policy-snapshot';
const PUBLIC_KEY_FILE = 'key.pub';
const VERSION_FILE = 'version';
const READABLE = 0o644;
/** Images written at a stretch: a few milliseconds. */
const SLICE = 50;
/** Most of what better levels take out is the same already. */
const GZIP_LEVEL = 1;
/** Leaves room for the last image, policies, tags and nodes. */
const MAX_IMAGE_BYTES = MAX_SNAPSHOT_BYTES - 64 * 1024 * 1024;

/**
 * Opens a publisher with the key in the data directory, which is created if absent. A version is the time in
 * milliseconds or one more than the last version, so that it goes up even where the directory was lost. Throws StartError.
 */
export async function openSnapshotPublisher({
  dataDirectory,
  clock,
  log,
}: PublisherOptions): Promise<SnapshotPublisher> {
  const directory = join(dataDirectory, DIRECTORY);
  const key = await openKey(join(dataDirectory, KEY_FILE));
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  await makePrivateDirectory(directory);
  await writeFileAtomic(join(directory, PUBLIC_KEY_FILE), publicKey, READABLE);
  let version = await readVersion(join(directory, VERSION_FILE));
  let current: PublishedSnapshot | undefined;
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const keyId = createHash('sha256').update(der).digest('hex').slice(0, 32);
  return {
    current: () => current,
    publicKey,
    keyId,
    publish: async ({ images, tags, nodes, ...policies }) => {
      const issuedMs = clock.now();
      version = Math.max(version + 1, issuedMs);
      const writer = createSnapshotWriter(policies);
      let count = 0;
      for (const image of images) {
        // Those that come first stay: what one node reports must not keep the verdicts on others from being published.
        if (writer.bytes() > MAX_IMAGE_BYTES) break;
        writer.add(image);
        count += 1;
        if (count % SLICE === 0) await new Promise(setImmediate);
      }
      const parts = writer.finish({ version, collector: keyId, issuedAt: issuedMs, tags, nodes });
      const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
      if (content.length > MAX_SNAPSHOT_BYTES) throw new Error('the snapshot is too large');
      const signature = await signDetached(content, key);
      // Before the snapshot: a version must not be used twice.
      await writeFileAtomic(join(directory, VERSION_FILE), `${String(version)}\n`, PRIVATE_FILE);
      await writeSnapshot(directory, { content, signature });
      let zipped: Promise<Buffer> | undefined;
      const compressed = (): Promise<Buffer> => (zipped ??= promisify(gzip)(content, { level: GZIP_LEVEL }));
      current = { content, signature, version, gzip: compressed };
      log.info({ version, images: count, bytes: content.length }, 'policy snapshot published');
      return images.length - count;
    },
  };
}

async function openKey(path: string): Promise<KeyObject> {
  try {
    if (!existsSync(path)) {
      const { privateKey } = generateKeyPairSync('ed25519');
      await writeFileAtomic(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), PRIVATE_FILE);
      return privateKey;
    }
    const read = await readBoundedText(path, 4096);
    if (read.ok) return createPrivateKey(read.text);
    throw new Error(read.reason);
  } catch (error) {
    // What cannot be read is not replaced: enforcers trust that key only.
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it is not a private key in PEM';
    throw new StartError('directory', `${path} cannot be used: ${reason}`, 'restore it from a backup', error);
  }
}

async function readVersion(path: string): Promise<number> {
  const read = await readBoundedText(path, 64);
  const version = read.ok ? Number(read.text.trim()) : 0;
  return Number.isSafeInteger(version) && version > 0 ? version : 0;
}
