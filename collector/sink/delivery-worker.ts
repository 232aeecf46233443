import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventBus } from '../event-bus.ts';
import type { OutboxEvent, Store } from '../store/store.ts';
import { openDelivery } from './delivery.ts';
import type { Delivered } from './delivery.ts';
import type { Sink } from './sink.ts';

/** How a sink is doing. `behind`: events that wait for it, counted up to a batch. */
export interface SinkStatus {
  readonly name: string;
  /** What is acknowledged: a collector that starts again goes on after it. */
  readonly position: number;
  readonly behind: number;
  readonly state: 'ok' | 'retrying' | 'paused';
  /** The last problem; empty if there was none since the last success. */
  readonly lastError: string;
  /** Since the collector started; an event that is sent again does not count again. */
  readonly delivered: number;
  readonly rejected: number;
}

/** Options of a delivery worker. */
export interface DeliveryWorkerOptions {
  readonly store: Pick<Store, 'outbox' | 'cursor' | 'advance'>;
  readonly sink: Sink;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/** Moves events from the outbox to one sink, at least once each, in order. */
export interface DeliveryWorker {
  readonly status: () => SinkStatus;
  /** Ends after the batch that is under way, acknowledged, or soon if the sink does not answer; the sink is closed then. */
  readonly stop: () => Promise<void>;
}

/** Events read at a time. A sink that cannot take as many says so (`split`). */
const BATCH = 500;
/** Waits between attempts, with full jitter. */
const BACKOFF = Object.freeze({ baseMs: 500, capMs: 60_000 });
/** Longest wait for the event bus before the outbox is read again anyway. */
const IDLE_MS = 30_000;
/** Once nothing has come for so long, what the sink has taken is acknowledged. */
const SETTLE_MS = 5000;
/** What a sink that does not answer gets when the collector ends. */
const STOP_GRACE_MS = 5000;

interface Progress {
  /** Settled, and where the cursor stands. */
  position: number;
  /** Taken: where the next batch begins. */
  accepted: number;
  /** The furthest that was ever taken: what comes before it has been counted. */
  counted: number;
  behind: number;
  state: SinkStatus['state'];
  lastError: string;
  delivered: number;
  rejected: number;
}

const NOTHING_YET: Progress = Object.freeze({
  position: 0,
  accepted: 0,
  counted: 0,
  behind: 0,
  state: 'ok',
  lastError: '',
  delivered: 0,
  rejected: 0,
});

/** Starts delivering. Events that came while the collector was down are delivered first. */
export function startDeliveryWorker(options: DeliveryWorkerOptions): DeliveryWorker {
  const { store, sink, eventBus, clock, log } = options;
  const stopped = new AbortController();
  const progress: Progress = { ...NOTHING_YET };
  let known = false;
  let wake = new AbortController();
  const unsubscribe = eventBus.subscribeToPositions(() => wake.abort());
  const recordFailure = (state: Progress['state'], reason: string): void => {
    Object.assign(progress, { state, lastError: reason });
    log.warn({ sink: sink.name, reason }, state === 'paused' ? 'sink is paused' : 'sink did not take events');
  };
  const delivery = openDelivery({
    sink,
    clock,
    log,
    onDelivered: async ({ batch, rejected, acknowledged }: Delivered) => {
      const fresh = batch.filter(({ position }) => position > progress.counted);
      const refused = fresh.filter(({ uid }) => rejected.includes(uid)).length;
      progress.delivered += fresh.length - refused;
      progress.rejected += refused;
      const accepted = batch.at(-1)?.position ?? progress.accepted;
      progress.counted = Math.max(progress.counted, accepted);
      const position = acknowledged ?? accepted;
      if (position > progress.position) {
        await store.advance(sink.name, position);
        progress.position = position;
      }
      progress.accepted = accepted;
    },
    onSilence: (silentMs) => recordFailure('retrying', `no answer for ${String(silentMs)} ms`),
  });

  /** One batch, if there is one: how long to wait before the next. */
  const step = async (failures: number): Promise<number | undefined> => {
    if (!known) progress.position = progress.accepted = progress.counted = await store.cursor(sink.name);
    known = true;
    const batch: readonly OutboxEvent[] = await store.outbox(progress.accepted, BATCH);
    progress.behind = batch.length;
    if (batch.length === 0) {
      const isSettled = progress.accepted === progress.position;
      await sleep(clock, isSettled ? IDLE_MS : SETTLE_MS, AbortSignal.any([wake.signal, stopped.signal]));
      if (isSettled || wake.signal.aborted || stopped.signal.aborted) return undefined;
    }
    const end = await delivery.deliver(batch);
    // What was taken and not acknowledged is asked for again.
    if (end.outcome !== 'ok') progress.accepted = progress.position;
    progress.behind = batch.filter(({ position }) => position > progress.accepted).length;
    if (end.outcome === 'ok') Object.assign(progress, { state: 'ok', lastError: '' });
    if (end.outcome === 'retry') {
      recordFailure('retrying', end.reason);
      return Math.max(end.afterMs, backoff(failures));
    }
    if (end.outcome === 'pause') {
      recordFailure('paused', end.reason);
      while (!stopped.signal.aborted) await sleep(clock, IDLE_MS, stopped.signal);
    }
    return undefined;
  };
  const backoff = (failures: number): number => fullJitter(failures, BACKOFF, options.random ?? Math.random);

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      wake = new AbortController();
      let waitMs: number | undefined;
      try {
        waitMs = await step(failures);
      } catch (error) {
        // The store failed, or the sink has a defect; either way the events stay where they are.
        progress.accepted = progress.position;
        recordFailure('retrying', error instanceof Error ? error.message : String(error));
        waitMs = backoff(failures);
      }
      failures = waitMs === undefined ? 0 : failures + 1;
      if (waitMs !== undefined) await sleep(clock, waitMs, stopped.signal);
    }
  };
  const settle = async (): Promise<void> => {
    if (progress.accepted === progress.position) return;
    const end = await delivery.deliver([]);
    if (end.outcome !== 'ok') log.warn({ sink: sink.name, reason: end.reason }, 'the last events will be sent again');
  };
  const over = run()
    .then(settle)
    .catch((error: unknown) => log.warn({ sink: sink.name, error }, 'the last events will be sent again'));
  return {
    status: () => {
      const { position, behind, state, lastError, delivered, rejected } = progress;
      return { name: sink.name, position, behind, state, lastError, delivered, rejected };
    },
    stop: async () => {
      unsubscribe();
      stopped.abort();
      const grace = new AbortController();
      await Promise.race([over, sleep(clock, STOP_GRACE_MS, grace.signal)]);
      grace.abort();
      await sink.close();
    },
  };
}
