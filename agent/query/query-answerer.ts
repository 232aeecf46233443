import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { Query } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { QueryAnswerer } from '../link/query-answerer.ts';
import { messagesOf } from './answer-messages.ts';
import { createSlots } from './slots.ts';
import { createWorkerPool } from './worker-pool.ts';
import type { QueryWorker } from './query-worker.ts';
import type { WorkerReply } from './worker-protocol.ts';

/** What answering needs. */
export interface QueryAnswererOptions {
  /** What is known of the node now. */
  readonly facts: () => Facts;
  readonly clock: Clock;
  readonly log: Logger;
  /** Entry of the thread: worker.ts, or what it was bundled to. */
  readonly workerUrl: URL;
}

/** Queries that are evaluated at once, and that wait for their turn: a node has other things to do. */
const MAX_AT_ONCE = 2;
const MAX_WAITING = 16;
/** What a query may ask for at most, and what it gets where it does not say. */
const DEADLINE_MS = { most: 5 * 60_000, preset: 10_000 };
const ROWS = { most: 100_000, preset: 1_000 };
const BYTES = { most: 16 * 1024 * 1024, preset: 1024 * 1024 };

/** Answers queries in threads that are stopped at the deadline, whatever they are doing. `close` ends the threads. */
export function createQueryAnswerer(options: QueryAnswererOptions): QueryAnswerer & { readonly close: () => void } {
  const { clock, log } = options;
  const slots = createSlots(MAX_AT_ONCE, MAX_WAITING);
  const pool = createWorkerPool(options.workerUrl, clock);

  const withWorker = async (stop: AbortSignal, use: (worker: QueryWorker) => Promise<WorkerReply>) => {
    const worker = pool.take();
    stop.addEventListener('abort', worker.end, { once: true });
    try {
      return await use(worker);
    } finally {
      stop.removeEventListener('abort', worker.end);
      pool.give(worker);
    }
  };
  const evaluate = async (query: Query, stop: AbortSignal): Promise<WorkerReply> => {
    const leave = await slots.enter(stop);
    if (leave === 'full') return { kind: 'failed', problem: 'too many queries wait on this node: try again later' };
    if (leave === 'aborted') return { kind: 'failed', problem: 'the evaluation was stopped' };
    try {
      return await withWorker(stop, (worker) => evaluateIn(worker, query, options.facts));
    } finally {
      leave();
    }
  };

  return {
    answer: async function* (query, signal) {
      const deadlineMs = within(query.deadlineMs, DEADLINE_MS);
      const late = new AbortController();
      const cancel = clock.after(deadlineMs, () => late.abort());
      const evaluated = await evaluate(query, AbortSignal.any([signal, late.signal])).catch(defect);
      cancel();
      const reply = late.signal.aborted ? lateReply(deadlineMs) : evaluated;
      if (reply.kind === 'failed') log.info({ queryId: query.id, problem: reply.problem }, 'query not answered');
      for (const message of messagesOf(query.id ?? '', reply)) {
        if (signal.aborted) return;
        yield message;
      }
    },
    close: pool.close,
  };
}

async function evaluateIn(worker: QueryWorker, query: Query, facts: () => Facts): Promise<WorkerReply> {
  const compiled = await worker.ask({ kind: 'compile', expression: query.expression ?? '' });
  if (compiled.kind !== 'compiled') return compiled;
  const maxRows = within(query.maxRows, ROWS);
  const maxBytes = within(query.maxBytes, BYTES);
  return worker.ask({ kind: 'evaluate', facts: pick(facts(), compiled.needs), maxRows, maxBytes });
}

/** Only what the expression needs is copied to the thread. */
function pick(facts: Facts, names: readonly FactName[]): Partial<Facts> {
  return Object.fromEntries(names.map((name) => [name, facts[name]]));
}

function lateReply(deadlineMs: number): WorkerReply {
  return { kind: 'failed', problem: `not finished within ${String(deadlineMs)} ms: ask for less, or wait longer` };
}

/** A query must be answered even if we have a defect. */
function defect(error: unknown): WorkerReply {
  return { kind: 'failed', problem: `the agent has a defect, please report it (${String(error).slice(0, 200)})` };
}

/** A number of the query within its bounds; 0 is what the wire has for a number that was not set. */
function within(asked: number | null | undefined, { most, preset }: { most: number; preset: number }): number {
  return asked === undefined || asked === null || asked <= 0 ? preset : Math.min(asked, most);
}
