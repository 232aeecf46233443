import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Feed } from '../feed.ts';
import type { OutboxEvent, Store } from '../store/store.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** How a sink is doing. `behind`: events that wait for it, counted up to a batch. */
export interface SinkStatus {
  readonly name: string;
  readonly position: number;
  readonly behind: number;
  readonly state: 'ok' | 'retrying' | 'paused';
  /** The last problem; empty if there was none since the last success. */
  readonly lastError: string;
  /** Since the collector started. */
  readonly delivered: number;
  readonly rejected: number;
}

/** What a pump works with. */
export interface PumpOptions {
  readonly store: Store;
  readonly sink: Sink;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/** Moves events from the outbox to one sink, at least once each, in order. */
export interface Pump {
  readonly status: () => SinkStatus;
  /** Ends after the batch that is under way; the sink is closed then. */
  readonly stop: () => Promise<void>;
}

const BATCH = 500;
const BACKOFF = { baseMs: 500, capMs: 60_000 };
/** Looks at the outbox now and then even if nothing woke it. */
const IDLE_MS = 30_000;

interface State {
  position: number;
  behind: number;
  state: SinkStatus['state'];
  lastError: string;
  delivered: number;
  rejected: number;
}

/** Starts to pump. Events that came while the collector was down are delivered first. */
export function startPump(options: PumpOptions): Pump {
  const { store, sink, feed, clock, log } = options;
  const stopped = new AbortController();
  const state: State = { position: 0, behind: 0, state: 'ok', lastError: '', delivered: 0, rejected: 0 };
  let wake = new AbortController();
  const unsubscribe = feed.subscribe((item) => {
    if (item.type === 'finding') wake.abort();
  });
  const idle = (): Promise<void> => sleep(clock, IDLE_MS, AbortSignal.any([wake.signal, stopped.signal]));
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      wake = new AbortController();
      try {
        const more = await deliverNext(store, sink, state, log);
        if (!more) await idle();
        failures = 0;
      } catch (error) {
        state.state = 'retrying';
        state.lastError = error instanceof Error ? error.message : 'unknown error';
        log.warn({ sink: sink.name, reason: state.lastError }, 'sink did not take events, will try again');
        const waitMs = Math.max(
          error instanceof Retry ? error.afterMs : 0,
          fullJitter(failures, BACKOFF, options.random ?? Math.random),
        );
        failures += 1;
        await sleep(clock, waitMs, stopped.signal);
      }
    }
  };
  const over = (async () => {
    state.position = await store.cursor(sink.name);
    await run();
  })();
  return {
    status: () => ({ name: sink.name, ...state }),
    stop: async () => {
      unsubscribe();
      stopped.abort();
      await over;
      await sink.close();
    },
  };
}

/** Nothing was delivered; try again after that time. */
class Retry extends Error {
  readonly afterMs: number;
  constructor(reason: string, afterMs: number) {
    super(reason);
    this.afterMs = afterMs;
  }
}

/** Delivers the next batch, if there is one. Answers whether there was. Throws Retry, or what the store throws. */
async function deliverNext(store: Store, sink: Sink, state: State, log: Logger): Promise<boolean> {
  const batch = await store.outbox(state.position, BATCH);
  state.behind = batch.length;
  const last = batch.at(-1);
  if (last === undefined) return false;
  await deliver(sink, batch, state, log);
  await store.advance(sink.name, last.position);
  state.position = last.position;
  state.behind = 0;
  state.state = 'ok';
  state.lastError = '';
  return true;
}

async function deliver(sink: Sink, batch: readonly OutboxEvent[], state: State, log: Logger): Promise<void> {
  const outcome = await sink.send(batch);
  switch (outcome.outcome) {
    case 'ok':
      state.delivered += batch.length;
      return;
    case 'retry':
      throw new Retry(outcome.reason, outcome.afterMs);
    case 'pause':
      throw new Retry(outcome.reason, BACKOFF.capMs);
    case 'split':
      return deliverHalves(sink, batch, outcome, { state, log });
    case 'reject':
      state.delivered += batch.length - outcome.uids.length;
      state.rejected += outcome.uids.length;
      log.error({ sink: sink.name, events: outcome.uids, reason: outcome.reason }, 'sink rejected events');
  }
}

async function deliverHalves(
  sink: Sink,
  batch: readonly OutboxEvent[],
  outcome: SinkOutcome & { readonly outcome: 'split' },
  { state, log }: { readonly state: State; readonly log: Logger },
): Promise<void> {
  if (batch.length === 1) {
    state.rejected += 1;
    log.error({ sink: sink.name, events: batch.map(({ uid }) => uid), reason: outcome.reason }, 'event is too large');
    return;
  }
  const middle = Math.ceil(batch.length / 2);
  await deliver(sink, batch.slice(0, middle), state, log);
  await deliver(sink, batch.slice(middle), state, log);
}
