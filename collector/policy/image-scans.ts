import { examineImage } from '../../image/policy/examine-image.ts';
import type { Examination, ImageIdentity } from '../../image/policy/examine-image.ts';
import { authoritiesOf } from '../../image/policy/signature-evidence.ts';
import type { RegistryOptions } from '../../image/registry/registry-session.ts';
import { seen } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { canonicalRegistry, formatReference, isDigest } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import { encodeInventory } from '../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../proto/inventory-codec.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { ImageStore } from '../store/image-store.ts';

/** What a scan found. Its packages are encoded, since there can be many scans. */
export interface ScannedImage extends Pick<Examination, 'configuration' | 'signatures'> {
  readonly reference: ImageReference;
  /** Of the manifest, or of the index that the image was chosen from. */
  readonly digest: string;
  readonly image: ImageIdentity;
  readonly packages: Observed<EncodedInventory>;
  readonly atMs: number;
  /** Differs where the content differs. */
  readonly revision: string;
}

/** How far a scan is. */
export interface ScanState {
  readonly image: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  /** What the reference names; empty: not known. */
  readonly digest: string;
  /** Why it failed; empty: it did not. */
  readonly reason: string;
}

/** Scans of images that no node runs yet. */
export interface ImageScans {
  /** Asks for a scan, again if there was one. `full`: too many wait; `forbidden`: the registry may not be asked. */
  readonly request: (reference: ImageReference) => ScanState | 'full' | 'forbidden';
  readonly states: () => readonly ScanState[];
  readonly scanned: () => readonly ScannedImage[];
  /** Resolves once the signal has aborted and nothing runs any more. */
  readonly over: () => Promise<void>;
}

/** What scans need. */
export interface ImageScansOptions {
  /** Where the packages are kept. */
  readonly images: Pick<ImageStore, 'putScan'>;
  readonly registries: readonly string[];
  readonly registry: Pick<RegistryOptions, 'credentials' | 'ca'>;
  /** The module of the inventory worker. */
  readonly worker: URL;
  readonly architecture: string;
  readonly policies: () => readonly ImagePolicy[];
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const MAX_WAITING = 50;
/** Scans that are kept: the oldest is forgotten. */
const MAX_SCANS = 500;

/**
 * Pulls and scans images one after the other when somebody asks for it, from the registries of the settings only. The
 * packages are kept in the store; the rest is kept in memory, since an image can be scanned again.
 */
export function createImageScans(options: ImageScansOptions): ImageScans {
  const { images, registry, worker, architecture, policies, onChange, clock, log, signal } = options;
  const allowed = new Set(options.registries.map(canonicalRegistry));
  const states = new Map<string, ScanState>();
  const results = new Map<string, ScannedImage>();
  const queue: ImageReference[] = [];
  let running: Promise<void> = Promise.resolve();

  const scan = async (reference: ImageReference): Promise<void> => {
    const image = formatReference(reference);
    states.set(image, { image, state: 'running', digest: '', reason: '' });
    const now = clock.now();
    const examined = await examineImage(
      { kind: 'reference', reference },
      {
        worker,
        registry,
        platform: { os: 'linux', architecture },
        authorities: authoritiesOf(policies()),
        now,
        signal,
      },
    );
    const { digest = '', image: identity } = examined.ok ? examined.value : {};
    if (!examined.ok || identity === undefined || !isDigest(digest)) {
      const reason = examined.ok ? 'its digest is not known' : examined.reason;
      log.warn({ image, reason }, 'an image could not be scanned');
      states.set(image, { image, state: 'failed', digest: '', reason });
      return;
    }
    const { inventory, configuration, signatures } = examined.value;
    const packages = inventory.state === 'seen' ? seen(await encodeInventory(inventory.value), 'scan') : inventory;
    if (packages.state === 'seen')
      await images.putScan({ ...identity, inventory: packages.value.digest, atMs: now }, packages.value.bytes);
    results.delete(image);
    results.set(image, {
      reference,
      digest,
      image: identity,
      packages,
      atMs: now,
      configuration,
      signatures,
      revision: `${digest} ${String(now)}`,
    });
    states.set(image, { image, state: 'done', digest, reason: '' });
    forgetOldest(results);
    log.info({ image, digest }, 'image scanned');
    onChange();
  };
  const work = async (): Promise<void> => {
    for (let next = queue[0]; next !== undefined && !signal.aborted; next = queue[0]) {
      const image = formatReference(next);
      await scan(next).catch((error: unknown) => {
        log.error({ error, image }, 'an image could not be scanned');
        states.set(image, {
          image,
          state: 'failed',
          digest: '',
          reason: 'internal error, see the log of the collector',
        });
      });
      queue.shift();
    }
  };
  return {
    request: (reference) => {
      if (!allowed.has(canonicalRegistry(reference.registry))) return 'forbidden';
      const image = formatReference(reference);
      const known = states.get(image);
      if (known?.state === 'waiting' || known?.state === 'running') return known;
      if (queue.length >= MAX_WAITING) return 'full';
      const state = { image, state: 'waiting', digest: '', reason: '' } as const;
      states.delete(image);
      states.set(image, state);
      forgetOldest(states);
      queue.push(reference);
      if (queue.length === 1) running = work();
      return state;
    },
    states: () => [...states.values()],
    scanned: () => [...results.values()],
    over: () => running,
  };
}

function forgetOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > MAX_SCANS && oldest !== undefined) map.delete(oldest);
}
