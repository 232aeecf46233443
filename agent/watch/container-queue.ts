import type { Clock } from '../../service/clock.ts';
import type { ThrottleProfile } from '../budget/throttle-profile.ts';

/** Looks again at single containers: each as soon as the pace allows, never the same one twice at the same time. */
export interface ContainerQueue {
  /** Something happened to the container: it is looked at as soon as possible. */
  readonly enqueue: (id: string) => void;
  /**
   * A process was started in it or ended. It is looked at once that can be seen, but seldom: a health check runs one
   * every few seconds in each container.
   */
  readonly enqueueThrottled: (id: string) => void;
  /** The ids of those that were looked at since the last call. */
  readonly drain: () => ReadonlySet<string>;
}

/** What a queue works with; `clock` ends with the watch. */
export interface ContainerQueueOptions {
  /** Looks at one container and keeps what it sees. Must not reject. */
  readonly look: (id: string) => Promise<void>;
  /** More containers wait than is good, or the pace allows no single looks: a full round says the same for less. */
  readonly onOverflow: () => void;
  readonly pace: () => ThrottleProfile;
  readonly clock: Clock;
}

/** Beyond this many a full round is cheaper. */
const MAX_WAITING = 256;
/** An exec shows in /proc a moment after its event. */
const EXEC_DELAY_MS = 300;
const EXEC_INTERVAL_MS = 30_000;
/** Containers whose last exec is remembered. */
const MAX_REMEMBERED = 10_000;

/** A queue with nothing to do. */
export function createContainerQueue({ look, onOverflow, pace, clock }: ContainerQueueOptions): ContainerQueue {
  /** When each was touched first, in that order. */
  const waiting = new Map<string, number>();
  const running = new Set<string>();
  /** Touched while they were being looked at: what was seen may be older than the event. */
  const again = new Set<string>();
  const execs = new Map<string, { readonly lookedMs: number }>();
  let looked = new Set<string>();
  let cancelTimer = (): void => undefined;

  const giveUp = (): void => {
    waiting.clear();
    onOverflow();
  };
  const next = (): void => {
    const { looksAtOnce, lookDelayMs } = pace();
    if (looksAtOnce === 0 && waiting.size > 0) return giveUp();
    for (const [id, touchedMs] of waiting) {
      if (running.size >= looksAtOnce) return;
      const leftMs = touchedMs + lookDelayMs - clock.monotonic();
      if (leftMs > 0) {
        cancelTimer();
        cancelTimer = clock.after(leftMs, next);
        return;
      }
      waiting.delete(id);
      void run(id);
    }
  };
  const run = async (id: string): Promise<void> => {
    running.add(id);
    await look(id);
    running.delete(id);
    looked.add(id);
    if (again.delete(id)) waiting.set(id, clock.monotonic());
    next();
  };
  const enqueue = (id: string): void => {
    if (running.has(id)) again.add(id);
    else if (!waiting.has(id)) {
      waiting.set(id, clock.monotonic());
      if (waiting.size > MAX_WAITING) giveUp();
    }
    next();
  };

  return {
    enqueue,
    enqueueThrottled: (id) => {
      const nowMs = clock.monotonic();
      const intervalMs = EXEC_INTERVAL_MS * pace().sweepFactor;
      const dueMs = Math.max(nowMs + EXEC_DELAY_MS, (execs.get(id)?.lookedMs ?? -Infinity) + intervalMs);
      // A look that is planned already will see this one too.
      if ((execs.get(id)?.lookedMs ?? -Infinity) > nowMs) return;
      if (execs.size >= MAX_REMEMBERED) execs.clear();
      execs.set(id, { lookedMs: dueMs });
      clock.after(dueMs - nowMs, () => enqueue(id));
    },
    drain: () => {
      const taken = looked;
      looked = new Set();
      return taken;
    },
  };
}
