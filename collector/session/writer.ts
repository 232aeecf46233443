import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventBus } from '../store/event-bus.ts';
import { isPassing } from '../store/error.ts';
import type { Commit, CommitResult, RemovedNode, Store } from '../store/store.ts';

/** What came of a commit: the store's answer, or `failed`: it cannot be stored, now or later. */
export type WriteOutcome = CommitResult | { readonly outcome: 'failed' };

/** Joins the commits of all sessions into transactions. */
export interface Writer {
  /**
   * Resolves once the commit is in the queue, which is how a slow store slows the sessions down. `settle` is called
   * after the store's commit, in the order of `add`. A session whose `over` has aborted is not waited with and hears
   * nothing any more; what it has in the queue is stored all the same, before what the next session of its node brings.
   */
  readonly add: (commit: Commit, over: AbortSignal, settle: (outcome: WriteOutcome) => void) => Promise<void>;
  /** Resolves once nothing of this node waits to be stored any more, or the writer is closed. */
  readonly written: (nodeId: string) => Promise<void>;
  /** Ends once the transaction that is open now is over; what waits is dropped, and the nodes send it again. */
  readonly close: () => Promise<void>;
}

/** What a writer needs; bounds as in SessionSettings. */
export interface WriterOptions {
  readonly store: Pick<Store, 'commit'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxQueuedFindings: number;
  readonly maxBatchFindings: number;
}

interface Entry {
  readonly commit: Commit;
  readonly settle: (outcome: WriteOutcome) => void;
  /** What it costs the queue: findings, and one for itself. */
  readonly weight: number;
}

/**
 * A transaction waits for what is on its way from the sockets: until QUIET_TURNS turns of the event loop have brought
 * nothing new, at most MAX_TURNS. A turn takes microseconds, or as long as there is something to read.
 */
const QUIET_TURNS = 2;
const MAX_TURNS = 16;

/** A store that fails is tried again after up to this long. */
const RETRY = Object.freeze({ baseMs: 100, capMs: 5000 });

/** A writer on `store`. Events are published after their commit and before `settle` is called. */
export function createWriter(options: WriterOptions): Writer {
  const { maxQueuedFindings, maxBatchFindings } = options;
  const stop = new AbortController();
  const queue: Entry[] = [];
  let batch: readonly Entry[] = [];
  /** Weight of the queue and of what is being written. */
  let weight = 0;
  let room = Promise.withResolvers<void>();
  let running: Promise<void> | undefined;

  const announceRoom = (): void => {
    room.resolve();
    room = Promise.withResolvers();
  };
  /** A turn reads little of each socket, and what is stored together shares pages and one wait for the disk. */
  const gather = async (): Promise<void> => {
    let [quiet, before] = [0, weight];
    for (let turn = 0; turn < MAX_TURNS && quiet < QUIET_TURNS && weight < maxBatchFindings; turn += 1) {
      await new Promise(setImmediate);
      quiet = weight > before ? 0 : quiet + 1;
      before = weight;
    }
  };
  const run = async (): Promise<void> => {
    while (queue.length > 0 && !stop.signal.aborted) {
      await gather();
      batch = takeBatch(queue, maxBatchFindings);
      await write(batch, { ...options, signal: stop.signal });
      for (const entry of batch) weight -= entry.weight;
      batch = [];
      announceRoom();
    }
    running = undefined;
  };

  return {
    add: async (commit, over, settle) => {
      const own = 1 + commit.put.length + commit.gone.length;
      const isOver = (): boolean => stop.signal.aborted || over.aborted;
      // A commit that is larger than the queue gets in when the queue is empty.
      const fits = (): boolean => weight === 0 || weight + own <= maxQueuedFindings;
      // Mostly there is room, and a listener for each message would cost as much as its findings.
      if (!fits()) {
        over.addEventListener('abort', announceRoom, { once: true });
        while (!isOver() && !fits()) await room.promise;
        over.removeEventListener('abort', announceRoom);
      }
      if (isOver()) return;
      weight += own;
      queue.push({ commit, weight: own, settle: (outcome) => (over.aborted ? undefined : settle(outcome)) });
      running ??= run();
    },
    written: async (nodeId) => {
      const isOfNode = ({ commit }: Entry): boolean => commit.nodeId === nodeId;
      while (!stop.signal.aborted && (batch.some(isOfNode) || queue.some(isOfNode))) await room.promise;
    },
    close: async () => {
      stop.abort();
      announceRoom();
      await running;
      queue.length = 0;
    },
  };
}

/** Takes commits of up to `maxFindings` off the queue, at least one. */
function takeBatch(queue: Entry[], maxFindings: number): readonly Entry[] {
  let [end, sum] = [1, queue[0]?.weight ?? 0];
  for (let next = queue[end]; next !== undefined && sum + next.weight <= maxFindings; next = queue[end]) {
    sum += next.weight;
    end += 1;
  }
  return queue.splice(0, end);
}

type WriteOptions = WriterOptions & { readonly signal: AbortSignal };

/** Writes a batch, whatever it takes: until it is committed, refused for good, or the writer is closed. */
async function write(batch: readonly Entry[], options: WriteOptions): Promise<void> {
  const { store, clock, log, signal } = options;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    let results: readonly CommitResult[];
    try {
      results = await store.commit(batch.map(({ commit }) => commit));
    } catch (error) {
      if (!isPassing(error)) return await writeEach(batch, error, options);
      log.warn({ error, attempt, commits: batch.length }, 'the store does not take commits, trying again');
      await sleep(clock, fullJitter(attempt, RETRY, Math.random), signal);
      continue;
    }
    if (attempt > 0) log.info({ attempt, commits: batch.length }, 'the store works again');
    return settleAll(batch, results, options.eventBus);
  }
}

/** One commit that the store cannot take must not keep those of the others out. */
async function writeEach(batch: readonly Entry[], error: unknown, options: WriteOptions): Promise<void> {
  const [first, ...others] = batch;
  if (first !== undefined && others.length === 0) {
    options.log.error({ error, nodeId: first.commit.nodeId }, 'a commit cannot be stored');
    first.settle({ outcome: 'failed' });
    return;
  }
  for (const entry of batch) await write([entry], options);
}

/** Publishes what was stored. Events are made when they are read: without readers that costs nothing. */
export function tell(eventBus: EventBus, result: Pick<RemovedNode, 'events' | 'newest'>): void {
  if (eventBus.isWatched()) for (const event of result.events) eventBus.publish({ type: 'finding', event });
  // Also after the events: what is no finding has no item.
  if (result.newest > 0) eventBus.announce(result.newest);
}

function settleAll(batch: readonly Entry[], results: readonly CommitResult[], eventBus: EventBus): void {
  for (const [index, { settle }] of batch.entries()) {
    const result = results[index];
    if (result === undefined) throw new Error('the store answered fewer commits than it was given');
    if (result.outcome === 'applied') tell(eventBus, result);
    settle(result);
  }
}
