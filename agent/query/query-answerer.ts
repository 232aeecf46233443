import type { ContainerFact, ContainerLabels, ContainersFact } from '../../posture/fact/container.ts';
import type { Facts, QueryFacts } from '../../posture/fact/facts.ts';
import type { KernelFact } from '../../posture/fact/kernel.ts';
import type { NodeStatusFact } from '../../posture/fact/node-status.ts';
import { mapObserved, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { Query } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { ThrottleProfile } from '../budget/throttle-profile.ts';
import type { NodeObserver } from '../node-observer.ts';
import type { QueryAnswerer } from '../transport/query-answerer.ts';
import { messagesOf } from './answer-messages.ts';
import { createSemaphore } from './semaphore.ts';
import { createWorkerPool } from './worker-pool.ts';
import type { QueryWorker } from './query-worker.ts';
import type { WorkerReply } from './worker-protocol.ts';

/** What answering needs. */
export interface QueryAnswererOptions {
  /** What is known of the node now. */
  readonly facts: () => Facts;
  /** Reads how the node is doing now; called only for a query that names it. Must not reject. */
  readonly nodeStatus: () => Promise<NodeStatusFact>;
  /** Reads sysctls that a query names and that the facts do not hold. Must not reject. */
  readonly readSysctls: (names: readonly string[]) => Promise<KernelFact['sysctls']>;
  /** Reads the labels of containers, by id; called only for a query that names them. Must not reject. */
  readonly readLabels: NodeObserver['readLabels'];
  /** How many are evaluated at once, and how many wait for their turn: a node has other things to do. */
  readonly pace: () => ThrottleProfile;
  readonly clock: Clock;
  readonly log: Logger;
  /** Entry of the thread: worker.ts, or what it was bundled to. */
  readonly workerUrl: URL;
}

/** What a query may ask for at most, and what it gets where it does not say. */
const DEADLINE_MS = { most: 5 * 60_000, preset: 10_000 };
const ROWS = { most: 100_000, preset: 1_000 };
const BYTES = { most: 16 * 1024 * 1024, preset: 1024 * 1024 };

const TOO_MANY = 'too many queries wait on this node: try again later';
const TOO_MANY_WHILE_SLOW = `${TOO_MANY} (its agent is over its budget, see agent.resource-budget)`;
const OVER_BUDGET = 'the agent is far over its budget and answers no queries now, see agent.resource-budget';
const STOPPED = 'the evaluation was stopped';

/** Answers queries in threads that are stopped at the deadline, whatever they are doing. `close` ends the threads. */
export function createQueryAnswerer(options: QueryAnswererOptions): QueryAnswerer & { readonly close: () => void } {
  const { clock, log, pace } = options;
  const semaphore = createSemaphore(() => ({ most: pace().queriesAtOnce, mostWaiting: pace().queriesWaiting }));
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
    if (pace().queriesAtOnce === 0) return refused(OVER_BUDGET);
    const leave = await semaphore.acquire(stop);
    if (leave === 'full') return refused(pace().level === 'normal' ? TOO_MANY : TOO_MANY_WHILE_SLOW);
    if (leave === 'aborted') return refused(STOPPED);
    try {
      return await withWorker(stop, (worker) => evaluateIn(worker, query, options));
    } finally {
      leave();
    }
  };

  return {
    answer: async function* (query, signal) {
      const deadlineMs = within(query.deadlineMs, DEADLINE_MS);
      const late = new AbortController();
      const cancel = clock.after(deadlineMs, () => late.abort());
      const stop = AbortSignal.any([signal, late.signal]);
      const evaluated = await untilAborted(evaluate(query, stop).catch(defect), stop);
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

/** Where the facts of a query come from. */
type FactSources = Pick<QueryAnswererOptions, 'facts' | 'nodeStatus' | 'readSysctls' | 'readLabels'>;

async function evaluateIn(worker: QueryWorker, query: Query, sources: FactSources): Promise<WorkerReply> {
  const compiled = await worker.ask({ kind: 'compile', expression: query.expression ?? '' });
  if (compiled.kind !== 'compiled') return compiled;
  const maxRows = within(query.maxRows, ROWS);
  const maxBytes = within(query.maxBytes, BYTES);
  const facts = await readFacts(sources, compiled);
  return worker.ask({ kind: 'evaluate', facts, maxRows, maxBytes });
}

/** Only what the expression needs is read, and copied to the thread. */
async function readFacts(
  { facts, nodeStatus, readSysctls, readLabels }: FactSources,
  { needs, sysctls, labels }: Extract<WorkerReply, { readonly kind: 'compiled' }>,
): Promise<Partial<QueryFacts>> {
  const stored = facts();
  const picked: Record<string, unknown> = {};
  for (const name of needs) picked[name] = name === 'nodeStatus' ? await nodeStatus() : stored[name];
  if (sysctls.length > 0)
    picked['kernel'] = { ...stored.kernel, sysctls: { ...stored.kernel.sysctls, ...(await readSysctls(sysctls)) } };
  if (labels) picked['containers'] = await withLabels(stored.containers, readLabels);
  return picked;
}

async function withLabels(
  containers: ContainersFact,
  readLabels: NodeObserver['readLabels'],
): Promise<Observed<readonly (ContainerFact & { readonly labels: ContainerLabels })[]>> {
  if (containers.state !== 'seen') return containers;
  const read = await readLabels();
  return mapObserved(containers, (list) =>
    list.map((container) => ({ ...container, labels: read[container.id] ?? NOT_READ })),
  );
}

const NOT_READ = unreadable('containers', 'its engine did not list it, or more than 1,000 containers have been read');

/** Does not wait longer than the signal allows: a read of the node has only its own deadlines, and they may be longer. */
function untilAborted(reply: Promise<WorkerReply>, signal: AbortSignal): Promise<WorkerReply> {
  const { promise, resolve } = Promise.withResolvers<WorkerReply>();
  const stop = (): void => resolve(refused(STOPPED));
  signal.addEventListener('abort', stop, { once: true });
  void reply.then(resolve).finally(() => signal.removeEventListener('abort', stop));
  return promise;
}

function refused(problem: string): WorkerReply {
  return { kind: 'failed', problem };
}

function lateReply(deadlineMs: number): WorkerReply {
  return { kind: 'failed', problem: `not finished within ${String(deadlineMs)} ms: ask for less, or wait longer` };
}

/** A query must be answered even if we have a defect. */
function defect(error: unknown): WorkerReply {
  return { kind: 'failed', problem: `internal error of the agent, please report it (${String(error).slice(0, 200)})` };
}

/** A number of the query within its bounds; 0 is what the wire has for a number that was not set. */
function within(asked: number | null | undefined, { most, preset }: { most: number; preset: number }): number {
  return asked === undefined || asked === null || asked <= 0 ? preset : Math.min(asked, most);
}
