import type { FactName } from '../../posture/fact/facts.ts';
import type { Clock } from '../../service/clock.ts';
import { createWake } from '../../service/wake.ts';
import type { Pace } from '../budget/pace.ts';

/** Reads whole rounds and single facts, one after the other, as often as the pace allows. */
export interface FactLane {
  /** A full round is wanted. */
  readonly round: (reason: string) => void;
  /** These facts are stale. */
  readonly stale: (facts: Iterable<FactName>) => void;
  /** Works until the signal aborts. */
  readonly run: () => Promise<void>;
}

/** What a lane works with. */
export interface FactLaneOptions {
  /** Must not reject. */
  readonly readRound: (reason: string) => Promise<void>;
  /** Must not reject. */
  readonly readFact: (fact: FactName) => Promise<void>;
  readonly pace: () => Pace;
  /** Ends with the watch. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A lane with nothing to do. */
export function createFactLane({ readRound, readFact, pace, clock, signal }: FactLaneOptions): FactLane {
  const wake = createWake();
  const due = new Map<FactName, number>();
  const readMs = new Map<FactName, number>();
  let roundReason: string | undefined;
  let roundEndedMs = -Infinity;
  let cancelTimer = (): void => undefined;
  signal.addEventListener('abort', wake.call, { once: true });

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
    if (nextMs < Infinity) cancelTimer = clock.after(nextMs - nowMs, wake.call);
    return wake.wait();
  };

  return {
    round: (reason) => {
      roundReason ??= reason;
      wake.call();
    },
    stale: (facts) => {
      for (const fact of facts) {
        const earliestMs = (readMs.get(fact) ?? -Infinity) + pace().factIntervalMs;
        if (!due.has(fact)) due.set(fact, Math.max(clock.monotonic(), earliestMs));
      }
      wake.call();
    },
    run: async () => {
      while (!signal.aborted) await step();
    },
  };
}
