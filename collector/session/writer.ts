import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Feed } from '../feed.ts';
import { isPassing } from '../store/error.ts';
import type { Commit, CommitResult, Store } from '../store/store.ts';

/** What came of a commit: the store's answer, or `failed`: it cannot be stored, now or later. */
export type WriteOutcome = CommitResult | { readonly outcome: 'failed' };

/** Joins the commits of all sessions into transactions. */
export interface Writer {
  /**
   * Resolves once the commit is in the queue, which is how a slow store slows the sessions down. `settle` is called
   * after the store's commit, in the order of `add`; never for a commit whose owner was discarded.
   */
  readonly add: (commit: Commit, owner: object, settle: (outcome: WriteOutcome) => void) => Promise<void>;
  /** Drops what waits of one owner: nobody is there to hear the answer. Its node sends it again. */
  readonly discard: (owner: object) => void;
  /** Ends once the transaction that is open now is over; what waits is dropped. */
  readonly close: () => Promise<void>;
}

/** What a writer needs; bounds as in SessionSettings. */
export interface WriterOptions {
  readonly store: Pick<Store, 'commit'>;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxQueuedFindings: number;
  readonly maxBatchFindings: number;
}

interface Entry {
  readonly commit: Commit;
  readonly owner: object;
  readonly settle: (outcome: WriteOutcome) => void;
  /** What it costs the queue: findings, and one for itself. */
  readonly weight: number;
}

/** A store that does not answer is tried again after up to this long. */
const RETRY = Object.freeze({ baseMs: 100, capMs: 5000 });

/** A writer on `store`. Events go to the feed after their commit and before the commit is settled. */
export function createWriter(options: WriterOptions): Writer {
  const { maxQueuedFindings, maxBatchFindings } = options;
  const stop = new AbortController();
  const gone = new WeakSet<object>();
  let queue: Entry[] = [];
  /** Weight of the queue and of what is being written. */
  let weight = 0;
  let room = Promise.withResolvers<void>();
  let running: Promise<void> | undefined;

  const freed = (entries: readonly Entry[]): void => {
    for (const entry of entries) weight -= entry.weight;
    room.resolve();
    room = Promise.withResolvers();
  };
  const take = (): readonly Entry[] => {
    let sum = 0;
    const end = queue.findIndex((entry, index) => (sum += entry.weight) > maxBatchFindings && index > 0);
    return queue.splice(0, end === -1 ? queue.length : end);
  };
  const run = async (): Promise<void> => {
    while (queue.length > 0 && !stop.signal.aborted) {
      // All that the sockets have now joins the same transaction.
      await new Promise(setImmediate);
      const batch = take();
      await write(batch, gone, { ...options, signal: stop.signal });
      freed(batch);
    }
    running = undefined;
  };

  return {
    add: async (commit, owner, settle) => {
      const entry = { commit, owner, settle, weight: 1 + commit.put.length + commit.gone.length };
      // A commit that is larger than the queue gets in when the queue is empty.
      while (weight > 0 && weight + entry.weight > maxQueuedFindings) await room.promise;
      if (stop.signal.aborted || gone.has(owner)) return;
      weight += entry.weight;
      queue.push(entry);
      running ??= run();
    },
    discard: (owner) => {
      gone.add(owner);
      const dropped = queue.filter((entry) => entry.owner === owner);
      queue = queue.filter((entry) => entry.owner !== owner);
      freed(dropped);
    },
    close: async () => {
      stop.abort();
      freed(queue.splice(0));
      await running;
    },
  };
}

type WriteOptions = WriterOptions & { readonly signal: AbortSignal };

/** Writes a batch, whatever it takes: until it is committed, refused for good, or the writer is closed. */
async function write(batch: readonly Entry[], gone: WeakSet<object>, options: WriteOptions): Promise<void> {
  const { store, clock, log, signal } = options;
  for (let attempt = 0; ; attempt += 1) {
    const entries = batch.filter(({ owner }) => !gone.has(owner));
    if (entries.length === 0 || signal.aborted) return;
    try {
      const results = await store.commit(entries.map(({ commit }) => commit));
      if (attempt > 0) log.info({ attempt, commits: entries.length }, 'the store works again');
      return settle(entries, results, gone, options.feed);
    } catch (error) {
      if (!isPassing(error)) return await writeEach(entries, error, gone, options);
      log.warn({ error, attempt, commits: entries.length }, 'the store does not take commits, trying again');
      await sleep(clock, fullJitter(attempt, RETRY, Math.random), signal);
    }
  }
}

/** One commit that the store cannot take must not keep those of the others out. */
async function writeEach(
  entries: readonly Entry[],
  error: unknown,
  gone: WeakSet<object>,
  options: WriteOptions,
): Promise<void> {
  const [first, ...others] = entries;
  if (first !== undefined && others.length === 0) {
    options.log.error({ error, nodeId: first.commit.nodeId }, 'a commit cannot be stored');
    first.settle({ outcome: 'failed' });
    return;
  }
  for (const entry of entries) await write([entry], gone, options);
}

function settle(
  entries: readonly Entry[],
  results: readonly CommitResult[],
  gone: WeakSet<object>,
  feed: Feed,
): void {
  for (const [index, entry] of entries.entries()) {
    const result = results[index];
    if (result === undefined) throw new Error('the store answered fewer commits than it was given');
    if (result.outcome === 'applied') for (const event of result.events) feed.publish({ type: 'finding', event });
    if (!gone.has(entry.owner)) entry.settle(result);
  }
}
