import { setImmediate as immediate } from 'node:timers/promises';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';

/** Lets requests read the store in turn. */
export interface ReadQueue {
  /** The result of `read`, or of `refuse` where its turn would come too late. Callers take turns, whatever they ask for. */
  readonly run: <T>(caller: string, read: () => Promise<T>, refuse: (retryAfterMs: number) => T) => Promise<T>;
}

interface Waiter {
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

/**
 * The store is read on the thread that also commits what nodes send: without a limit, enough readers would keep nodes
 * waiting for their acks. A leaky bucket over the duration of reads leaves at least half of the time to the nodes. Callers
 * are served in turn, so that one with many requests does not delay the request of another.
 */
export function createReadQueue(clock: Clock): ReadQueue {
  const never = new AbortController().signal;
  let usedMs = 0;
  let updatedMs = clock.monotonic();
  /** Those who wait, by caller; the caller whose turn is next comes first. */
  const waiting = new Map<string, Waiter[]>();
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
  const takeTurn = async (arrivedMs: number): Promise<boolean> => {
    // The read before this one has run by then, and what came from nodes has been taken in.
    await immediate();
    for (let waitMs = delayMs(); waitMs > 0; waitMs = delayMs()) {
      if (clock.monotonic() - arrivedMs + waitMs > MAX_WAIT_MS) return false;
      await sleep(clock, waitMs, never);
    }
    return true;
  };
  const takeNext = (): Waiter | undefined => {
    for (const [caller, waiters] of waiting) {
      const next = waiters.shift();
      waiting.delete(caller);
      if (waiters.length > 0) waiting.set(caller, waiters);
      return next;
    }
    return undefined;
  };
  const giveTurns = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    for (let next = takeNext(); next !== undefined; next = takeNext()) next.start(await takeTurn(next.arrivedMs));
    isRunning = false;
  };
  return {
    run: async (caller, read, refuse) => {
      const inTime = await new Promise<boolean>((start) => {
        const waiters = waiting.get(caller) ?? [];
        waiters.push({ arrivedMs: clock.monotonic(), start });
        waiting.set(caller, waiters);
        void giveTurns();
      });
      if (!inTime) return refuse(MAX_WAIT_MS);
      const startMs = clock.monotonic();
      try {
        return await read();
      } finally {
        spend(clock.monotonic() - startMs);
      }
    },
  };
}
