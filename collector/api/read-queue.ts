import { setImmediate as immediate } from 'node:timers/promises';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { createRecentUse } from '../../service/recent-use.ts';

/** Lets requests read the store in turn. */
export interface ReadQueue {
  /** The result of `read`, or of `refuse` where its turn would come too late. */
  readonly run: <T>(caller: string, read: () => Promise<T>, refuse: (retryAfterMs: number) => T) => Promise<T>;
}

interface Waiter {
  readonly caller: string;
  readonly arrivedMs: number;
  /** False: its turn comes too late. */
  readonly start: (inTime: boolean) => void;
}

/** Readers together get this share of the time once they have used up their burst. */
const SHARE = 0.5;
/** Reads of this duration in total begin without a delay. */
const BURST_MS = 100;
/** A read that would have to wait longer is refused: its client would have given up. */
const MAX_WAIT_MS = 5_000;
/** Half-life of the recorded use of a caller. */
const HALF_LIFE_MS = 10_000;

/**
 * The store is read on the thread that also commits what nodes send: without a limit, enough readers would keep nodes
 * waiting for their acks. A leaky bucket over the duration of reads leaves at least half of the time to the nodes. The
 * caller that has used least is served next, so that one with many or long reads delays the others by one of them at most.
 */
export function createReadQueue(clock: Clock): ReadQueue {
  const never = new AbortController().signal;
  let usedMs = 0;
  let updatedMs = clock.monotonic();
  const use = createRecentUse(HALF_LIFE_MS);
  /** The oldest first. */
  const waiting = new Set<Waiter>();
  let isRunning = false;

  const spend = (durationMs: number): void => {
    const nowMs = clock.monotonic();
    usedMs = Math.max(0, usedMs - (nowMs - updatedMs) * SHARE) + durationMs;
    updatedMs = nowMs;
  };
  const delayMs = (): number => {
    spend(0);
    return Math.ceil(Math.max(0, usedMs - BURST_MS) / SHARE);
  };
  const next = (nowMs: number): Waiter | undefined => {
    let least: { readonly waiter: Waiter; readonly usedMs: number } | undefined;
    for (const waiter of waiting) {
      const callerMs = use.of(waiter.caller, nowMs);
      if (least === undefined || callerMs < least.usedMs) least = { waiter, usedMs: callerMs };
    }
    return least?.waiter;
  };
  const start = (waiter: Waiter | undefined, inTime: boolean): void => {
    if (waiter !== undefined && waiting.delete(waiter)) waiter.start(inTime);
  };
  const giveTurns = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    while (waiting.size > 0) {
      // The read before this one has run by then, and what came from nodes has been taken in.
      await immediate();
      const waitMs = delayMs();
      const nowMs = clock.monotonic();
      for (const waiter of waiting) if (nowMs - waiter.arrivedMs + waitMs > MAX_WAIT_MS) start(waiter, false);
      if (waitMs > 0) await sleep(clock, waitMs, never);
      else start(next(nowMs), true);
    }
    isRunning = false;
  };
  return {
    run: async (caller, read, refuse) => {
      const inTime = await new Promise<boolean>((resolve) => {
        waiting.add({ caller, arrivedMs: clock.monotonic(), start: resolve });
        void giveTurns();
      });
      if (!inTime) return refuse(MAX_WAIT_MS);
      const startMs = clock.monotonic();
      try {
        return await read();
      } finally {
        const endMs = clock.monotonic();
        spend(endMs - startMs);
        use.add(caller, endMs - startMs, endMs);
      }
    },
  };
}
