import { setImmediate as immediate } from 'node:timers/promises';
import { createRecentUse } from '../service/recent-use.ts';

/** Lets requests be parsed and judged one after the other. */
export interface ReviewQueue {
  /**
   * Resolves to the result of `work`, which must be synchronous; undefined: its turn came too late, or `isOver` was true
   * by then.
   */
  readonly run: <T>(job: ReviewJob, work: () => T) => Promise<T | undefined>;
}

/** A request that was received. */
export interface ReviewJob {
  readonly network: string;
  readonly bytes: number;
  /** On the clock of `performance.now()`. */
  readonly deadlineMs: number;
  /** Whether the client has gone, or was turned away to make room for others. */
  readonly isOver: () => boolean;
}

interface Waiting extends ReviewJob {
  readonly start: (inTime: boolean) => void;
}

/** Half-life of the recorded use of a network. */
const HALF_LIFE_MS = 1_000;
/** Estimated worst cost of parsing and judging one byte; replaced by the measured time afterwards. */
const MS_PER_BYTE = 60 / 1024 / 1024;
/**
 * Parsing a body blocks the only thread. The next review is the one whose network has used least, its own cost
 * included. A small review of an API server therefore waits for at most one large review of another client, the one in
 * progress.
 */
export function createReviewQueue(nowMs: () => number = () => performance.now()): ReviewQueue {
  const waiting = new Set<Waiting>();
  const use = createRecentUse(HALF_LIFE_MS);
  let isRunning = false;

  const next = (): Waiting | undefined => {
    const atMs = nowMs();
    let least: { readonly job: Waiting; readonly cost: number } | undefined;
    for (const job of waiting) {
      const cost = use.of(job.network, atMs) + job.bytes * MS_PER_BYTE;
      if (least === undefined || cost < least.cost) least = { job, cost };
    }
    return least?.job;
  };
  const serve = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    // Yield first, so that reviews that arrived in the meantime are compared too.
    for (await immediate(); ; await immediate()) {
      const job = next();
      if (job === undefined) break;
      waiting.delete(job);
      job.start(nowMs() <= job.deadlineMs && !job.isOver());
    }
    isRunning = false;
  };
  return {
    run: async (job, work) => {
      const inTime = await new Promise<boolean>((start) => {
        waiting.add({ ...job, start });
        void serve();
      });
      if (!inTime) return undefined;
      const startedMs = nowMs();
      try {
        return work();
      } finally {
        const endMs = nowMs();
        use.add(job.network, endMs - startedMs, endMs);
      }
    },
  };
}
