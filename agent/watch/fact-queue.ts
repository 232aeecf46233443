import type { FactName } from '../../posture/fact/facts.ts';
import type { Clock } from '../../service/clock.ts';
import { createNotifier } from '../../service/notifier.ts';
import type { ThrottleProfile } from '../budget/throttle-profile.ts';

/** Reads whole rounds and single facts, one after the other, as often as the pace allows. */
export interface FactQueue {
  /** A full round is wanted. */
  readonly enqueueRound: (reason: string) => void;
  /** These facts are stale. */
  readonly enqueueFacts: (facts: Iterable<FactName>) => void;
  /** Works until the signal aborts. */
  readonly run: () => Promise<void>;
}

/** What a queue works with. */
export interface FactQueueOptions {
  /** Must not reject. */
  readonly readRound: (reason: string) => Promise<void>;
  /** Must not reject. */
  readonly readFact: (fact: FactName) => Promise<void>;
  readonly pace: () => ThrottleProfile;
  /** Ends with the watch. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A queue with nothing to do. */
export function createFactQueue({ readRound, readFact, pace, clock, signal }: FactQueueOptions): FactQueue {
  const notifier = createNotifier();
  const due = new Map<FactName, number>();
  const readMs = new Map<FactName, number>();
  let roundReason: string | undefined;
  let roundEndedMs = -Infinity;
  let cancelTimer = (): void => undefined;
  signal.addEventListener('abort', notifier.notify, { once: true });

  const round = async (reason: string): Promise<void> => {
    roundReason = undefined;
    due.clear();
    await readRound(reason);
    roundEndedMs = clock.monotonic();
  };
  const step = async (): Promise<void> => {
    const nowMs = clock.monotonic();
    const roundDueMs = roundReason === undefined ? Infinity : roundEndedMs + pace().roundIntervalMs;
    if (roundReason !== undefined && roundDueMs <= nowMs) return round(roundReason);
    const [first] = [...due].sort(([, one], [, other]) => one - other);
    const [fact, factDueMs = Infinity] = first ?? [];
    if (fact !== undefined && factDueMs <= nowMs) {
      due.delete(fact);
      readMs.set(fact, nowMs);
      return readFact(fact);
    }
    const nextMs = Math.min(roundDueMs, factDueMs);
    cancelTimer();
    if (nextMs < Infinity) cancelTimer = clock.after(nextMs - nowMs, notifier.notify);
    return notifier.wait();
  };

  return {
    enqueueRound: (reason) => {
      roundReason ??= reason;
      notifier.notify();
    },
    enqueueFacts: (facts) => {
      for (const fact of facts) {
        const earliestMs = (readMs.get(fact) ?? -Infinity) + pace().factIntervalMs;
        if (!due.has(fact)) due.set(fact, Math.max(clock.monotonic(), earliestMs));
      }
      notifier.notify();
    },
    run: async () => {
      while (!signal.aborted) await step();
    },
  };
}
