import { readFile } from 'node:fs/promises';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode, PRIVATE_FILE, writeFileAtomic } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import type { EventBus } from './store/event-bus.ts';
import type { Store } from './store/store.ts';

/** Sees to it that no position of an event is used twice, also after the store was restored from a backup. */
export interface PositionGuard {
  /** Since when the store is known to be older than what was shipped or acknowledged; undefined: it is not. */
  readonly restoredMs: () => number | undefined;
  /** A node was acknowledged more than the store holds. */
  readonly nodeIsAhead: (nodeId: string) => Promise<void>;
  /** Writes the newest position, and ends. */
  readonly close: () => Promise<void>;
}

/** What a guard works with. */
export interface PositionGuardOptions {
  /** File that holds the newest position, outside of the store. */
  readonly path: string;
  readonly store: Pick<Store, 'raisePosition'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
}

const WRITE_INTERVAL_MS = 10_000;
/** Positions jump to the time in microseconds: no store comes that far by counting. */
const POSITIONS_PER_MS = 1000;

/**
 * Opens a guard before anything is committed. A store whose newest position is below the one in the file was restored
 * from a backup, or deleted: its next positions were shipped before, with other events. They are skipped.
 */
export async function openPositionGuard(options: PositionGuardOptions): Promise<PositionGuard> {
  const { path, store, eventBus, clock, log } = options;
  let restoredMs: number | undefined;
  let newest = 0;
  let written = await readPosition(path);

  const skip = async (reason: string): Promise<void> => {
    if (restoredMs !== undefined) return;
    restoredMs = clock.now();
    await store.raisePosition(Math.max(written, newest, clock.now() * POSITIONS_PER_MS));
    log.warn({ reason }, 'the store is older than what was shipped from it; positions that were used are skipped');
  };
  const write = async (): Promise<void> => {
    if (newest <= written) return;
    try {
      const position = newest;
      await writeFileAtomic(path, `${String(position)}\n`, PRIVATE_FILE);
      written = position;
    } catch (error) {
      log.warn({ path, reason: errorCode(error) }, 'the newest position could not be written');
    }
  };

  const before = await store.raisePosition(0);
  if (before < written) await skip(`its newest position is ${String(before)}, ${String(written)} was reached before`);
  newest = before;
  const unsubscribe = eventBus.subscribeToPositions((position) => (newest = Math.max(newest, position)));
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await write();
      await sleep(clock, WRITE_INTERVAL_MS, stop.signal);
    }
    await write();
  };
  const running = run();
  return {
    restoredMs: () => restoredMs,
    nodeIsAhead: (nodeId) => skip(`node ${nodeId} was acknowledged more than the store holds`),
    close: async () => {
      stop.abort();
      unsubscribe();
      await running;
    },
  };
}

/** 0 where there is no file, or no position in it. */
async function readPosition(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const position = /^\d{1,16}\n?$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(position) ? position : 0;
}
