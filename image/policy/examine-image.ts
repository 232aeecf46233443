import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { SetuidFilesFact } from '../../posture/fact/image.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence, SignatureEvidence } from '../../policy/evidence.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { Authority } from '../../policy/rule/signature.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import type { ImageSource } from '../inventory/image-source.ts';
import { errorCode } from '../../service/files.ts';
import { runInventory } from '../inventory/run-inventory.ts';
import { setuidFact } from '../inventory/setuid-collection.ts';
import type { RunProgress } from '../inventory/worker-protocol.ts';
import type { Platform } from '../registry/manifest.ts';
import { createRegistryClient } from '../registry/registry-client.ts';
import type { RegistryRemedy } from '../registry/registry-result.ts';
import type { RegistryOptions } from '../registry/registry-session.ts';
import { readArchiveMetadata } from './archive-metadata.ts';
import { readImageConfiguration } from './image-configuration.ts';
import { MAX_SBOM_BYTES, readSbom } from '../sbom/read-sbom.ts';
import { readBoundedFile } from './bounded-text.ts';
import { pullImage } from './pull-image.ts';
import { lookUpSignatures } from './signature-evidence.ts';

/** What is examined. Paths are absolute. */
export type ImageTarget =
  /** A root file system. */
  | { readonly kind: 'rootfs'; readonly path: string }
  /** An archive of `docker save` or an OCI image layout, as a tar or a directory. */
  | { readonly kind: 'archive'; readonly path: string }
  /** An SBOM in JSON: CycloneDX or SPDX. What it says is what its author claims. */
  | { readonly kind: 'sbom'; readonly path: string }
  /** An image in a registry. */
  | { readonly kind: 'reference'; readonly reference: ImageReference };

/** What an examination needs. */
export interface ExaminationOptions {
  /** The module of the inventory worker. */
  readonly worker: URL;
  readonly registry: Omit<RegistryOptions, 'registry'>;
  readonly platform: Platform;
  /** Whose signatures are looked for. */
  readonly authorities: readonly Authority[];
  readonly now: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ExaminationProgress) => void;
}

/** How far it is: the pull of a reference, then layers, then files. */
export type ExaminationProgress =
  RunProgress | { readonly stage: 'pull'; readonly bytes: number; readonly ofBytes: number };

/** What names one image by its content; an index does not. */
export interface ImageIdentity {
  /** Digest of its configuration. */
  readonly id: string;
  /** Digest of its manifest. */
  readonly manifest: string;
}

/** What an image is and contains. */
export interface Examination {
  /** Digest of what was examined: the manifest, or the index that it was chosen from. */
  readonly digest: string | undefined;
  /** Of an image in a registry: its one image whose layers were read. */
  readonly image?: ImageIdentity;
  readonly inventory: Observed<Inventory>;
  readonly scannedAt: Observed<number>;
  readonly configuration: Observed<ConfigurationEvidence>;
  readonly signatures: Observed<readonly SignatureEvidence[]>;
}

/** An examination, or why the target cannot be read at all: it does not exist, is no image, cannot be reached. */
export type Examined =
  | { readonly ok: true; readonly value: Examination }
  | {
      readonly ok: false;
      readonly code: 'unreadable' | 'unreachable';
      readonly reason: string;
      readonly remedy?: RegistryRemedy | undefined;
    };

/** Compressed layers of one image. */
const MAX_PULL_BYTES = 8 * 1024 ** 3;
const PULL_DEADLINE_MS = 600_000;

const NO_REGISTRY = unreadable('registry', 'signatures are in the registry of an image: name it by its reference');

/** Examines an image: its packages, its configuration, its signatures. Never rejects for what the image holds. */
export async function examineImage(target: ImageTarget, options: ExaminationOptions): Promise<Examined> {
  switch (target.kind) {
    case 'rootfs': {
      const listed = await listPackages({ kind: 'directory', path: target.path, mounts: 'volume' }, options);
      if (!listed.ok) return listed;
      const configuration = absent('rootfs');
      return { ok: true, value: { ...listed.value, digest: undefined, configuration, signatures: NO_REGISTRY } };
    }
    case 'archive':
      return examineArchive(target.path, options);
    case 'sbom':
      return examineSbom(target.path);
    case 'reference':
      return examineReference(target.reference, options);
  }
}

async function examineArchive(path: string, options: ExaminationOptions): Promise<Examined> {
  const metadata = await readArchiveMetadata(path, options.signal);
  if (!metadata.ok) return { ok: false, code: 'unreadable', reason: `${path} ${metadata.reason}` };
  const { digest, config, configDigest } = metadata.value;
  const listed = await inTemporaryDirectory('scan', (temporaryDirectory) =>
    listPackages({ kind: 'archive', path, temporaryDirectory }, options, configDigest),
  );
  if (!listed.ok) return listed;
  const configuration = readImageConfiguration(config, {
    id: configDigest,
    tags: [],
    setuidFiles: setuidOf(listed.value.inventory),
  });
  return { ok: true, value: { ...listed.value, digest, configuration, signatures: NO_REGISTRY } };
}

async function examineSbom(path: string): Promise<Examined> {
  const file = await readBoundedFile(path, MAX_SBOM_BYTES);
  if (!file.ok) return { ok: false, code: 'unreadable', reason: `${path} ${file.reason}` };
  const read = readSbom(file.bytes);
  if (!read.ok) return { ok: false, code: 'unreadable', reason: `${path} is no SBOM: ${read.problem}` };
  const { inventory, origin } = read;
  const scannedAt: Observed<number> =
    origin.createdAt === undefined
      ? unreadable('sbom', 'the SBOM does not say when it was made')
      : seen(origin.createdAt, 'sbom');
  const value = {
    inventory: seen(inventory, 'sbom'),
    scannedAt,
    configuration: absent('sbom'),
    signatures: NO_REGISTRY,
  };
  return { ok: true, value: { ...value, digest: undefined } };
}

async function examineReference(reference: ImageReference, options: ExaminationOptions): Promise<Examined> {
  const { registry, platform, signal, onProgress, authorities } = options;
  const client = createRegistryClient({ ...registry, registry: reference.registry, signal });
  try {
    return await inTemporaryDirectory<Examined>('pull', async (directory) => {
      const pulled = await pullImage({
        client,
        reference,
        platform,
        directory,
        maxBytes: MAX_PULL_BYTES,
        deadlineMs: PULL_DEADLINE_MS,
        onProgress: (bytes, ofBytes) => onProgress?.({ stage: 'pull', bytes, ofBytes }),
      });
      if (!pulled.ok) {
        const reason = `${reference.registry}/${reference.path}: ${pulled.reason}`;
        // What a registry does not have is a wrong name; everything else may be otherwise in a minute.
        const code = pulled.code === 'notFound' ? 'unreadable' : 'unreachable';
        return { ok: false, code, reason, remedy: pulled.remedy };
      }
      const { digest, manifestDigest, config, configDigest } = pulled.value;
      const image = { id: configDigest, manifest: manifestDigest };
      const source = { kind: 'archive', path: directory, temporaryDirectory: directory } as const;
      const listed = await listPackages(source, options, configDigest);
      if (!listed.ok) return listed;
      const signatures = await lookUpSignatures({ client, path: reference.path, digest, authorities });
      const configuration = readImageConfiguration(config, {
        id: configDigest,
        tags: [],
        setuidFiles: setuidOf(listed.value.inventory),
      });
      return { ok: true, value: { ...listed.value, digest, image, configuration, signatures } };
    });
  } finally {
    client.close();
  }
}

/** A temporary directory that cannot be made or is full is a reason, not an internal error. */
async function inTemporaryDirectory<T extends { readonly ok: boolean }>(
  purpose: string,
  use: (directory: string) => Promise<T>,
): Promise<T | Extract<Examined, { ok: false }>> {
  const parent = tmpdir();
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(parent, `plimsoll-${purpose}-`));
    return await use(directory);
  } catch (error) {
    const code = errorCode(error);
    if (!UNUSABLE.has(code)) throw error;
    return { ok: false, code: 'unreadable', reason: `the temporary directory ${parent} cannot be used: ${code}` };
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

const UNUSABLE: ReadonlySet<string> = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOENT', 'ENOSPC', 'ENOTDIR', 'EROFS']);

type Listed =
  | { readonly ok: true; readonly value: Pick<Examination, 'inventory' | 'scannedAt'> }
  | Extract<Examined, { ok: false }>;

/** Lists the packages; `imageId` is the image whose configuration was read, which must be the one that is listed. */
async function listPackages(
  source: ImageSource,
  { worker, signal, now, onProgress }: ExaminationOptions,
  imageId?: string,
): Promise<Listed> {
  const outcome = await runInventory({
    source,
    worker,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  if (!outcome.ok && outcome.code === 'unreadable') return { ok: false, code: 'unreadable', reason: outcome.reason };
  // An image that takes too long or too much memory exists: what it contains is not known.
  if (!outcome.ok) {
    const unknown = unreadable(source.kind, outcome.reason);
    return { ok: true, value: { inventory: unknown, scannedAt: unknown } };
  }
  if (imageId !== undefined && outcome.imageId !== imageId) {
    const reason = 'its packages and its configuration are not of the same image';
    return { ok: false, code: 'unreadable', reason };
  }
  return { ok: true, value: { inventory: seen(outcome.inventory, source.kind), scannedAt: seen(now, source.kind) } };
}

function setuidOf(inventory: Observed<Inventory>): Observed<SetuidFilesFact> {
  return inventory.state === 'seen' ? setuidFact(inventory.value.setuid) : inventory;
}
