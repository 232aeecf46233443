import { isRunning } from '../../posture/fact/container.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import { userOfEngine } from '../../posture/fact/docker.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { ThrottleProfile } from '../budget/throttle-profile.ts';
import type { ImageReader, TakenInventory } from './image-reader.ts';
import type { ImageListener, ImageRecord } from './image-record.ts';

/** Keeps an inventory of each image that a running container uses. */
export interface ImageInventories {
  /** The facts changed. */
  readonly update: (facts: Facts) => void;
  /** Resolves once nothing runs any more, after the signal has aborted. */
  readonly done: Promise<void>;
}

/** What it works with. */
export interface ImageInventoriesOptions {
  readonly reader: ImageReader;
  readonly onChange: ImageListener;
  readonly pace: () => ThrottleProfile;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Inventories of images that no container runs any more, kept for the next one. */
const MAX_UNUSED = 128;
/** Images in use whose inventories are kept; further ones have a problem that says so, until there is room. */
const MAX_IMAGES = 2048;
const TOO_MANY = `more than ${String(MAX_IMAGES)} images are in use`;
/** Bytes of all inventories together; those of 2,000 images have some 10 MB. */
const MAX_BYTES = 32 * 1024 * 1024;
const NONE: ReadonlySet<string> = new Set();
const MIN_PAUSE_MS = 200;
/** After an inventory there is a pause of so many times its duration: at most a fifth of one processor. */
const PAUSE_FACTOR = 4;
/** While the agent is at the slowest pace. */
const CRITICAL_PAUSE_MS = 60_000;
const RETRY_BASE_MS = 30_000;
const RETRY_CAP_MS = 60 * 60_000;

interface Entry {
  record: ImageRecord;
  containers: readonly ContainerFact[];
  /** Whether it is one of the images whose inventories are taken. */
  isAdmitted: boolean;
  /** Attempts in a row that brought no inventory of the image itself. */
  failures: number;
  /** Monotonic; undefined: nothing is due. */
  dueMs: number | undefined;
  /** Ids of containers that it was read through, where none could stand for the image. */
  tried: ReadonlySet<string>;
}

/**
 * Takes one inventory at a time, each image once; one that could not be taken is tried again later and later. Images that
 * were not tried yet come first, those of users' own engines last: nobody can fill the queue with images that fail.
 */
export function createImageInventories(options: ImageInventoriesOptions): ImageInventories {
  const { reader, onChange, pace, clock, log, signal } = options;
  /** In the order in which they were seen first. */
  const entries = new Map<string, Entry>();
  let wake = Promise.withResolvers<void>();
  let reported = '';

  const report = (): void => {
    const used = [...entries.values()].filter(({ containers }) => containers.length > 0).map(({ record }) => record);
    const text = used
      .map(({ imageId, inventory, source, problem }) => [imageId, inventory?.digest, source, problem].join(' '))
      .join('\n');
    if (text === reported) return;
    reported = text;
    onChange(used);
  };
  const trim = (): void => {
    const unused = [...entries].filter(([, { containers }]) => containers.length === 0);
    for (const [imageId] of unused.slice(0, Math.max(0, unused.length - MAX_UNUSED))) entries.delete(imageId);
  };
  const admit = (): void => {
    const used = [...entries.values()].filter(({ containers }) => containers.length > 0);
    const waiting = used.filter(({ isAdmitted }) => !isAdmitted);
    for (const entry of waiting.slice(0, Math.max(0, MAX_IMAGES - used.length + waiting.length))) {
      entry.isAdmitted = true;
      entry.dueMs = clock.monotonic();
      entry.record = { ...entry.record, problem: '' };
    }
  };
  const update = ({ containers }: Facts): void => {
    // While the list is not known, the last one holds.
    if (containers.state !== 'seen') return;
    const byImage = Map.groupBy(
      containers.value.filter((container) => isRunning(container) && container.imageId !== '' && container.pid > 0),
      ({ imageId }) => imageId,
    );
    for (const [imageId, entry] of entries) {
      entry.containers = byImage.get(imageId) ?? [];
      // Another container may not have changed its files.
      const isBetter = entry.tried.size > 0 && entry.containers.some(({ id }) => !entry.tried.has(id));
      if (isBetter) entry.dueMs ??= clock.monotonic() + retryMs(entry);
    }
    for (const [imageId, running] of byImage) {
      if (entries.has(imageId)) continue;
      entries.set(imageId, {
        record: { imageId, source: 'container', problem: TOO_MANY },
        containers: running,
        isAdmitted: false,
        failures: 0,
        dueMs: undefined,
        tried: NONE,
      });
    }
    admit();
    trim();
    report();
    wake.resolve();
  };
  /** The inventories of all images, with this one, within their limit. */
  const bounded = (taken: TakenInventory, entry: Entry): TakenInventory => {
    if (!taken.ok) return taken;
    let bytes = taken.inventory.bytes.length;
    for (const other of entries.values()) if (other !== entry) bytes += other.record.inventory?.bytes.length ?? 0;
    return bytes <= MAX_BYTES ? taken : { ok: false, problem: 'the inventories of this node are too large together' };
  };
  const take = async (entry: Entry): Promise<void> => {
    const { imageId } = entry.record;
    const startedMs = clock.monotonic();
    const { containers } = entry;
    const taken = bounded(await reader.take(containers, signal), entry);
    const durationMs = Math.round(clock.monotonic() - startedMs);
    if (signal.aborted) return;
    if (taken.ok) {
      entry.record = { imageId, source: taken.source, inventory: taken.inventory, problem: '' };
      entry.dueMs = undefined;
      entry.failures = taken.source === 'layers' ? 0 : entry.failures + 1;
      entry.tried = taken.source === 'layers' ? NONE : new Set(containers.map(({ id }) => id));
      log.debug({ imageId, source: taken.source, durationMs, bytes: taken.inventory.bytes.length }, 'image inventory');
    } else {
      entry.failures += 1;
      entry.dueMs = clock.monotonic() + retryMs(entry);
      // One that was there before is still true: an image does not change.
      if (entry.record.inventory === undefined) entry.record = { imageId, source: 'container', problem: taken.problem };
      log.debug({ imageId, problem: taken.problem, durationMs }, 'image inventory failed');
    }
    report();
  };
  const pauseMs = (durationMs: number): number => {
    const { level, sweepFactor } = pace();
    if (level === 'critical') return CRITICAL_PAUSE_MS;
    return Math.max(MIN_PAUSE_MS, durationMs * PAUSE_FACTOR) * sweepFactor;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const waiting = [...entries.values()].filter(
        ({ containers, dueMs }) => containers.length > 0 && dueMs !== undefined,
      );
      const nowMs = clock.monotonic();
      const [next] = waiting.filter(({ dueMs = Infinity }) => dueMs <= nowMs).sort(byPrecedence);
      if (next !== undefined && pace().level !== 'critical') {
        await take(next);
        await sleep(clock, pauseMs(clock.monotonic() - nowMs), signal);
        continue;
      }
      const firstMs = Math.min(...waiting.map(({ dueMs = Infinity }) => dueMs));
      const untilMs = next === undefined ? firstMs - nowMs : CRITICAL_PAUSE_MS;
      wake = Promise.withResolvers();
      await waitFor(wake.promise, untilMs);
    }
  };
  const waitFor = async (changed: Promise<void>, ms: number): Promise<void> => {
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    await Promise.race([changed, sleep(clock, Math.min(ms, RETRY_CAP_MS), until)]);
    stop.abort();
  };
  return { update, done: run() };
}

function retryMs({ failures }: Entry): number {
  return Math.min(RETRY_BASE_MS * 2 ** Math.max(0, failures - 1), RETRY_CAP_MS);
}

function byPrecedence(one: Entry, other: Entry): number {
  const user = ({ containers }: Entry): number => Number(containers.every(({ engine }) => userOfEngine(engine) !== 0));
  const due = ({ dueMs = Infinity }: Entry): number => dueMs;
  return user(one) - user(other) || one.failures - other.failures || due(one) - due(other);
}
