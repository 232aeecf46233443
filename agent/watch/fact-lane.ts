import type { FactName } from '../../posture/fact/facts.ts';
import type { Clock } from '../../service/clock.ts';
import { createWake } from '../../service/wake.ts';

/** Reads whole rounds and single facts, one after the other. */
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
  /** Ends with the watch. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A file that is written all the time is not to keep us busy all the time. */
const MIN_INTERVAL_MS = 1000;

/** A lane with nothing to do. */
export function createFactLane({ readRound, readFact, clock, signal }: FactLaneOptions): FactLane {
  const wake = createWake();
  const due = new Map<FactName, number>();
  const readMs = new Map<FactName, number>();
  let roundReason: string | undefined;
  let cancelTimer = (): void => undefined;
  signal.addEventListener('abort', wake.call, { once: true });

  const nextFact = (): FactName | undefined => {
    const [first] = [...due].sort(([, one], [, other]) => one - other);
    if (first === undefined) return undefined;
    const waitMs = first[1] - clock.monotonic();
    if (waitMs <= 0) return first[0];
    cancelTimer();
    cancelTimer = clock.after(waitMs, wake.call);
    return undefined;
  };
  const step = async (): Promise<void> => {
    if (roundReason !== undefined) {
      const reason = roundReason;
      roundReason = undefined;
      due.clear();
      return readRound(reason);
    }
    const fact = nextFact();
    if (fact === undefined) return wake.wait();
    due.delete(fact);
    readMs.set(fact, clock.monotonic());
    return readFact(fact);
  };

  return {
    round: (reason) => {
      roundReason ??= reason;
      wake.call();
    },
    stale: (facts) => {
      for (const fact of facts) {
        const earliestMs = (readMs.get(fact) ?? -Infinity) + MIN_INTERVAL_MS;
        if (!due.has(fact)) due.set(fact, Math.max(clock.monotonic(), earliestMs));
      }
      wake.call();
    },
    run: async () => {
      while (!signal.aborted) await step();
    },
  };
}
