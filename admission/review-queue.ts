import { setImmediate as immediate } from 'node:timers/promises';

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
  /** Whether nobody waits for the answer any more. */
  readonly isOver: () => boolean;
}

interface Waiting extends ReviewJob {
  readonly start: (inTime: boolean) => void;
}

/** What a network has used counts half after this. */
const HALF_LIFE_MS = 1_000;
/** Time that a byte costs to parse and judge at most, about. What it really took is what counts afterwards. */
const MS_PER_BYTE = 60 / 1024 / 1024;
/** Networks that are remembered; beyond it the one that was served longest ago is forgotten. */
const MAX_NETWORKS = 4_096;

/**
 * Parsing a body takes the only thread. The next one is that of the network that has used least, its own cost included: a
 * small review of an API server never waits for the large ones that another client keeps sending, but for one of them
 * that has begun.
 */
export function createReviewQueue(nowMs: () => number = () => performance.now()): ReviewQueue {
  const waiting = new Set<Waiting>();
  const used = new Map<string, { readonly ms: number; readonly atMs: number }>();
  let isRunning = false;

  const usedBy = (network: string, atMs: number): number => {
    const before = used.get(network);
    return before === undefined ? 0 : before.ms * 0.5 ** ((atMs - before.atMs) / HALF_LIFE_MS);
  };
  const charge = (network: string, startedMs: number): void => {
    const atMs = nowMs();
    const ms = usedBy(network, atMs) + atMs - startedMs;
    used.delete(network);
    used.set(network, { ms, atMs });
    const [oldest] = used.keys();
    if (used.size > MAX_NETWORKS && oldest !== undefined) used.delete(oldest);
  };
  const next = (): Waiting | undefined => {
    const atMs = nowMs();
    let least: { readonly job: Waiting; readonly cost: number } | undefined;
    for (const job of waiting) {
      const cost = usedBy(job.network, atMs) + job.bytes * MS_PER_BYTE;
      if (least === undefined || cost < least.cost) least = { job, cost };
    }
    return least?.job;
  };
  const serve = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    // What has arrived in the meantime is to be among those that are compared.
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
        charge(job.network, startedMs);
      }
    },
  };
}
