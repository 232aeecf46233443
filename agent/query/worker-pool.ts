import type { Clock } from '../../service/clock.ts';
import { startQueryWorker } from './query-worker.ts';
import type { QueryWorker } from './query-worker.ts';

/** Threads for queries: started when there is something to do, kept for a while, ended when nothing comes. */
export interface WorkerPool {
  readonly take: () => QueryWorker;
  /** Gives a thread back that `take` gave out. One that ended is forgotten. */
  readonly give: (worker: QueryWorker) => void;
  /** Ends all threads. */
  readonly close: () => void;
}

/** How long a thread waits for the next query. To start one takes longer than most queries do. */
const IDLE_MS = 5_000;

/** A pool of threads with this entry. How many there are is up to who takes them. */
export function createWorkerPool(workerUrl: URL, clock: Clock): WorkerPool {
  const taken = new Set<QueryWorker>();
  /** Idle threads, each with what prevents its end. */
  const idle = new Map<QueryWorker, () => void>();
  const wake = (): QueryWorker | undefined => {
    for (const [worker, prevent] of idle) {
      prevent();
      idle.delete(worker);
      if (worker.alive()) return worker;
    }
    return undefined;
  };
  return {
    take: () => {
      const worker = wake() ?? startQueryWorker(workerUrl);
      worker.setIdle(false);
      taken.add(worker);
      return worker;
    },
    give: (worker) => {
      if (!taken.delete(worker) || !worker.alive()) return;
      worker.setIdle(true);
      const prevent = clock.after(IDLE_MS, () => {
        idle.delete(worker);
        worker.end();
      });
      idle.set(worker, prevent);
    },
    close: () => {
      for (const prevent of idle.values()) prevent();
      for (const worker of [...idle.keys(), ...taken]) worker.end();
      idle.clear();
      taken.clear();
    },
  };
}
