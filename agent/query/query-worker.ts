import { Worker } from 'node:worker_threads';
import type { WorkerReply, WorkerRequest } from './worker-protocol.ts';

/** A thread that evaluates queries, one request at a time. */
export interface QueryWorker {
  /** Never rejects: a thread that ended, or ran out of memory, answers `failed`. */
  readonly ask: (request: WorkerRequest) => Promise<WorkerReply>;
  /** Stops the thread wherever it is; what was asked is answered `failed` at once. */
  readonly end: () => void;
  readonly alive: () => boolean;
  /** An idle thread does not keep the process alive. */
  readonly setIdle: (idle: boolean) => void;
}

/**
 * Heap of the thread, in MiB. An evaluation stays within some 60 (posture/query/budget.ts); the rest is for the facts,
 * of which a node with 1,000 containers has about 30.
 */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };

/** Starts a thread whose entry is `url` (worker.ts, or what it was bundled to). */
export function startQueryWorker(url: URL): QueryWorker {
  // It needs neither the flags nor the environment of this process.
  const worker = new Worker(url, { name: 'query', execArgv: [], env: {}, resourceLimits: RESOURCE_LIMITS });
  let alive = true;
  let waiting: ((reply: WorkerReply) => void) | undefined;
  const reply = (what: WorkerReply): void => {
    waiting?.(what);
    waiting = undefined;
  };
  const fail = (problem: string): void => {
    alive = false;
    reply({ kind: 'failed', problem });
  };
  worker.on('message', reply);
  worker.on('messageerror', () => fail('the answer cannot be handed over'));
  worker.on('error', (error) => fail(problemOf(error)));
  worker.on('exit', () => fail('the evaluation ended without an answer'));
  const end = (): void => {
    fail('the evaluation was stopped');
    void worker.terminate();
  };
  return {
    ask: (request) =>
      new Promise((resolve) => {
        if (!alive) return resolve({ kind: 'failed', problem: 'the evaluation was stopped' });
        waiting = resolve;
        worker.postMessage(request, []);
      }),
    end,
    alive: () => alive,
    setIdle: (idle) => (idle ? worker.unref() : worker.ref()),
  };
}

function problemOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'the query needs more memory than it may use: ask for less';
  return `the evaluation failed: ${String(message).slice(0, 200)}`;
}
