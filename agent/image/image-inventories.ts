import { isRunning } from '../../posture/fact/container.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { ThrottleProfile } from '../budget/throttle-profile.ts';
import {
  attemptsOf,
  byPrecedence,
  createImageEntry,
  isAtRest,
  isOnNode,
  RETRY_CAP_MS,
  retryMs,
  updateRecord,
} from './image-entry.ts';
import type { ImageEntry } from './image-entry.ts';
import type { ImageReader } from './image-reader.ts';
import type { ImageListener, ImageRecord } from './image-record.ts';
import type { TakenInventory } from './read-source.ts';
import type { StoredImage } from './engine-images.ts';
import type { RestingImages } from './resting-images.ts';

/** Keeps an inventory of each image that a running container uses, and of those that only lie on the node. */
export interface ImageInventories {
  /** The facts changed. */
  readonly update: (facts: Facts) => void;
  /** Resolves once nothing runs any more, after the signal has aborted. */
  readonly done: Promise<void>;
}

/** What it works with. */
export interface ImageInventoriesOptions {
  readonly reader: ImageReader;
  /** Absent: images at rest are not read. */
  readonly resting?: RestingImages | undefined;
  readonly onChange: ImageListener;
  readonly pace: () => ThrottleProfile;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Inventories of images that are not on the node any more, kept for the next container. */
const MAX_UNUSED = 128;
/** Images in use whose inventories are kept; further ones have a problem that says so, until there is room. */
const MAX_IMAGES = 2048;
/** The same for images at rest. */
const MAX_AT_REST = 256;
/** Images at rest beyond their number are reported up to this one. */
const MAX_LISTED_AT_REST = 1024;
/** Bytes of all inventories together; those of 2,000 images have some 10 MB. */
const MAX_BYTES = 32 * 1024 * 1024;
/** The part of them that images at rest may have. */
const MAX_BYTES_AT_REST = 8 * 1024 * 1024;
/** How often the engines are asked for their images. */
const LIST_INTERVAL_MS = 5 * 60_000;
const MIN_PAUSE_MS = 200;
/** The pause after an inventory, as a multiple of its duration: at most a fifth of one processor. */
const PAUSE_FACTOR = 4;
/** After that of an image at rest: at most a tenth. */
const PAUSE_FACTOR_AT_REST = 9;
/** While the agent is at the slowest pace. */
const CRITICAL_PAUSE_MS = 60_000;

/**
 * Takes one inventory at a time, each image once; one that could not be taken is tried again later and later. Images that
 * run come before those at rest, images that were not tried yet before others, those of users' own engines last: nobody
 * can fill the queue with images that fail.
 */
export function createImageInventories(options: ImageInventoriesOptions): ImageInventories {
  const { reader, resting, onChange, pace, clock, log, signal } = options;
  /** In the order in which they were seen first. */
  const entries = new Map<string, ImageEntry>();
  let wake = Promise.withResolvers<void>();
  let reported: readonly ImageRecord[] = [];

  const report = (): void => {
    const onNode = [...entries.values()].filter(isOnNode);
    const records = [...onNode.filter((entry) => !isAtRest(entry)), ...onNode.filter(isAtRest)].map(updateRecord);
    if (records.length === reported.length && records.every((record, at) => record === reported[at])) return;
    reported = records;
    onChange(records);
  };
  const trim = (): void => {
    const unused = [...entries].filter(([, entry]) => !isOnNode(entry));
    for (const [imageId] of unused.slice(0, Math.max(0, unused.length - MAX_UNUSED))) entries.delete(imageId);
  };
  const settle = (): void => {
    const all = [...entries.values()].filter(isOnNode);
    admit(
      all.filter((entry) => !isAtRest(entry)),
      { max: MAX_IMAGES, problem: `more than ${String(MAX_IMAGES)} images are in use` },
      clock.monotonic(),
    );
    admit(
      all.filter(isAtRest),
      { max: MAX_AT_REST, problem: `more than ${String(MAX_AT_REST)} images are at rest` },
      clock.monotonic(),
    );
    trim();
    report();
    wake.resolve();
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
      if (isBetter) entry.running.dueMs ??= clock.monotonic() + retryMs(entry.running);
    }
    for (const [imageId, running] of byImage)
      if (!entries.has(imageId)) entries.set(imageId, createImageEntry(imageId, { containers: running }));
    settle();
  };
  const updateStored = (images: readonly StoredImage[]): void => {
    const stored = new Map(images.slice(0, MAX_LISTED_AT_REST).map((image) => [image.imageId, image]));
    for (const [imageId, entry] of entries) {
      const isNew = entry.stored === undefined && stored.has(imageId);
      entry.stored = sameOr(entry.stored, stored.get(imageId));
      // Its layers may show what no container did.
      if (isNew && entry.taken?.source === 'container') entry.running.dueMs ??= clock.monotonic();
    }
    for (const [imageId, image] of stored)
      if (!entries.has(imageId)) entries.set(imageId, createImageEntry(imageId, { stored: image }));
    settle();
  };
  /** What was taken, if the inventories of all images stay within their limit. */
  const bounded = (taken: TakenInventory, entry: ImageEntry): TakenInventory => {
    if (!taken.ok) return taken;
    const others = [...entries.values()].filter((other) => other !== entry);
    const isWithin = (of: readonly ImageEntry[], max: number): boolean =>
      of.reduce((sum, other) => sum + (other.taken?.inventory.bytes.length ?? 0), taken.inventory.bytes.length) <= max;
    if (isAtRest(entry) && !isWithin(others.filter(isAtRest), MAX_BYTES_AT_REST))
      return { ok: false, problem: 'the inventories of the images at rest are too large together' };
    return isWithin(others, MAX_BYTES)
      ? taken
      : { ok: false, problem: 'the inventories of this node are too large together' };
  };
  const read = async (entry: ImageEntry): Promise<TakenInventory> => {
    const { containers, stored } = entry;
    const shown = isAtRest(entry) ? undefined : await reader.take(containers, signal);
    if (stored === undefined || resting === undefined || (shown?.ok === true && shown.source === 'layers'))
      return shown ?? { ok: false, problem: 'no container runs it' };
    // Every container has changed its files, but the engine has the image.
    const layers = await resting.take(stored, signal);
    return layers.ok ? layers : (shown ?? layers);
  };
  const take = async (entry: ImageEntry): Promise<void> => {
    const { imageId, containers } = entry;
    const startedMs = clock.monotonic();
    const attempts = attemptsOf(entry);
    const taken = bounded(await read(entry), entry);
    const durationMs = Math.round(clock.monotonic() - startedMs);
    if (signal.aborted) return;
    if (taken.ok) {
      const { source, inventory } = taken;
      entry.taken = taken;
      attempts.dueMs = undefined;
      if (source === 'layers') {
        for (const each of [entry.running, entry.resting]) [each.dueMs, each.failures] = [undefined, 0];
        entry.tried = new Set();
      } else {
        attempts.failures += 1;
        entry.tried = new Set(containers.map(({ id }) => id));
      }
      log.debug({ imageId, source, durationMs, bytes: inventory.bytes.length }, 'image inventory');
    } else {
      attempts.failures += 1;
      attempts.dueMs = clock.monotonic() + retryMs(attempts);
      // One that was there before is still true: an image does not change.
      attempts.problem = taken.problem;
      log.debug({ imageId, problem: taken.problem, durationMs }, 'image inventory failed');
    }
    report();
  };
  const pauseMs = (durationMs: number, factor: number): number => {
    const { level, sweepFactor } = pace();
    if (level === 'critical') return CRITICAL_PAUSE_MS;
    return Math.max(MIN_PAUSE_MS, durationMs * factor) * sweepFactor;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const waiting = [...entries.values()].filter((entry) => isOnNode(entry) && dueOf(entry) < Infinity);
      const nowMs = clock.monotonic();
      const [next] = waiting.filter((entry) => dueOf(entry) <= nowMs).sort(byPrecedence);
      if (next !== undefined && pace().level !== 'critical') {
        const factor = isAtRest(next) ? PAUSE_FACTOR_AT_REST : PAUSE_FACTOR;
        await take(next);
        await sleep(clock, pauseMs(clock.monotonic() - nowMs, factor), signal);
        continue;
      }
      const untilMs = next === undefined ? Math.min(...waiting.map(dueOf)) - nowMs : CRITICAL_PAUSE_MS;
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
  const listStored = async (from: RestingImages): Promise<void> => {
    let problem = '';
    while (!signal.aborted) {
      const listed = await from.list();
      if (signal.aborted) return;
      if (listed.ok) updateStored(listed.images);
      // The last list holds.
      else if (listed.reason !== problem) log.warn({ reason: listed.reason }, 'images at rest cannot be listed');
      problem = listed.ok ? '' : listed.reason;
      await sleep(clock, LIST_INTERVAL_MS * pace().sweepFactor, signal);
    }
  };
  const listing = resting === undefined ? undefined : listStored(resting);
  return { update, done: Promise.all([run(), listing]).then(() => undefined) };
}

/** Gives images a place among those that are read; the others have a problem that says why they have none. */
function admit(
  images: readonly ImageEntry[],
  { max, problem }: { readonly max: number; readonly problem: string },
  nowMs: number,
): void {
  let room = max - images.filter((entry) => attemptsOf(entry).isAdmitted).length;
  for (const entry of images) {
    const attempts = attemptsOf(entry);
    if (attempts.isAdmitted) continue;
    attempts.problem = room > 0 ? '' : problem;
    if (room <= 0) continue;
    room -= 1;
    attempts.isAdmitted = true;
    if (entry.taken?.source !== 'layers') attempts.dueMs = nowMs;
  }
}

function dueOf(entry: ImageEntry): number {
  return attemptsOf(entry).dueMs ?? Infinity;
}

function sameOr(before: StoredImage | undefined, now: StoredImage | undefined): StoredImage | undefined {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
