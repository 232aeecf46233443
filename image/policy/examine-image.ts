import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import type { ImageSource } from '../inventory/image-source.ts';
import type { InventoryProgress } from '../inventory/inventory.ts';
import { runInventory } from '../inventory/run-inventory.ts';
import type { Platform } from '../registry/manifest.ts';
import { createRegistryClient } from '../registry/registry-client.ts';
import type { RegistryOptions } from '../registry/registry-session.ts';
import { readArchiveMetadata } from './archive-metadata.ts';
import { readImageConfiguration } from './image-configuration.ts';
import { pullImage } from './pull-image.ts';

/** What is examined. Paths are absolute. */
export type ImageTarget =
  /** A root file system. */
  | { readonly kind: 'rootfs'; readonly path: string }
  /** An archive of `docker save` or an OCI image layout, as a tar or a directory. */
  | { readonly kind: 'archive'; readonly path: string }
  /** An image in a registry. */
  | { readonly kind: 'reference'; readonly reference: ImageReference };

/** What an examination needs. */
export interface ExaminationOptions {
  /** The module of the inventory worker. */
  readonly worker: URL;
  readonly registry: Omit<RegistryOptions, 'registry'>;
  readonly platform: Platform;
  readonly now: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ExaminationProgress) => void;
}

/** How far it is. */
export type ExaminationProgress =
  | { readonly kind: 'pull'; readonly bytes: number; readonly ofBytes: number }
  | ({ readonly kind: 'inventory' } & InventoryProgress);

/** What an image is and contains. */
export interface Examination {
  /** Digest of what was examined: the manifest, or the index that it was chosen from. */
  readonly digest: string | undefined;
  readonly inventory: Observed<Inventory>;
  readonly scannedAt: Observed<number>;
  readonly configuration: Observed<ConfigurationEvidence>;
}

/** An examination, or why the target cannot be read at all: it does not exist, is no image, cannot be reached. */
export type Examined =
  | { readonly ok: true; readonly value: Examination }
  | { readonly ok: false; readonly code: 'unreadable' | 'unreachable'; readonly reason: string };

/** Compressed layers of one image. */
const MAX_PULL_BYTES = 8 * 1024 ** 3;
const PULL_DEADLINE_MS = 600_000;

/** Examines an image: its packages and its configuration. Never rejects for what the image holds. */
export async function examineImage(target: ImageTarget, options: ExaminationOptions): Promise<Examined> {
  switch (target.kind) {
    case 'rootfs':
      return examineFiles({ kind: 'directory', path: target.path, mounts: 'volume' }, absent('rootfs'), options);
    case 'archive':
      return examineArchive(target.path, options);
    case 'reference':
      return examineReference(target.reference, options);
  }
}

const NOT_LISTED = unreadable('layers', 'the packages of layers cannot be listed by this version');
const UNLISTED = { inventory: NOT_LISTED, scannedAt: NOT_LISTED };

async function examineArchive(path: string, options: ExaminationOptions): Promise<Examined> {
  const metadata = await readArchiveMetadata(path, options.signal);
  if (!metadata.ok) return { ok: false, code: 'unreadable', reason: `${path} ${metadata.reason}` };
  const { digest, config, configDigest } = metadata.value;
  const configuration = readImageConfiguration(config, { id: configDigest, tags: [] });
  return { ok: true, value: { digest, ...UNLISTED, configuration } };
}

async function examineReference(reference: ImageReference, options: ExaminationOptions): Promise<Examined> {
  const { registry, platform, signal, onProgress } = options;
  const client = createRegistryClient({ ...registry, registry: reference.registry, signal });
  const directory = await mkdtemp(join(tmpdir(), 'plimsoll-pull-'));
  try {
    const pulled = await pullImage({
      client,
      reference,
      platform,
      directory,
      maxBytes: MAX_PULL_BYTES,
      deadlineMs: PULL_DEADLINE_MS,
      onProgress: (bytes, ofBytes) => onProgress?.({ kind: 'pull', bytes, ofBytes }),
    });
    if (!pulled.ok) {
      const reason = `${reference.registry}/${reference.path}: ${pulled.reason}`;
      // What a registry does not have is a wrong name; everything else may be otherwise in a minute.
      return { ok: false, code: pulled.code === 'notFound' ? 'unreadable' : 'unreachable', reason };
    }
    const { digest, config, configDigest } = pulled.value;
    const configuration = readImageConfiguration(config, { id: configDigest, tags: [] });
    return { ok: true, value: { digest, ...UNLISTED, configuration } };
  } finally {
    client.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function examineFiles(
  source: ImageSource,
  configuration: Observed<ConfigurationEvidence>,
  { worker, signal, now, onProgress }: ExaminationOptions,
): Promise<Examined> {
  const outcome = await runInventory({
    source,
    worker,
    signal,
    onProgress: (progress) => onProgress?.({ kind: 'inventory', ...progress }),
  });
  if (!outcome.ok && outcome.code === 'unreadable') return { ok: false, code: 'unreadable', reason: outcome.reason };
  // An image that takes too long or too much memory exists: what it contains is not known.
  const inventory = outcome.ok ? seen(outcome.inventory, source.kind) : unreadable(source.kind, outcome.reason);
  const scannedAt = outcome.ok ? seen(now, source.kind) : unreadable(source.kind, outcome.reason);
  return { ok: true, value: { digest: undefined, inventory, scannedAt, configuration } };
}
