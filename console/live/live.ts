import type { ApiClient } from '../../api/client.ts';
import { watchEvents } from '../../api/watch.ts';
import type { WatchItem, WatchOptions } from '../../api/watch.ts';
import { createCell } from '../cell.ts';
import type { Cell } from '../cell.ts';

/** State of the event stream. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'signedOut';

/** The event stream, shared by all views. */
export interface Live {
  readonly state: Cell<LiveState>;
  readonly subscribe: (subscriber: (item: WatchItem) => void) => () => void;
  /** Resolves once a read cannot miss a change: the stream is open, or it took too long and a gap will follow. */
  readonly ready: Promise<void>;
  readonly stop: () => void;
}

/** How long the first reads wait for the stream to open. */
const READY_MS = 400;

/** Opens the event stream. */
export function startLive(api: ApiClient, { wait, random }: Pick<WatchOptions, 'wait' | 'random'>): Live {
  const state = createCell<LiveState>('connecting');
  const subscribers = new Set<(item: WatchItem) => void>();
  const stop = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  /** A view may have read while the stream was closed, or failed to read. */
  let isBehind = false;
  const waitForStream = async (): Promise<void> => {
    await wait(READY_MS, stop.signal);
    isBehind ||= state.get() !== 'live';
    resolve();
  };
  void waitForStream();
  const publish = (item: WatchItem): void => {
    for (const subscriber of subscribers) subscriber(item);
  };
  const run = async (): Promise<void> => {
    for await (const item of watchEvents(api, { wait, random, signal: stop.signal })) {
      if (item.type === 'connected') {
        state.set('live');
        resolve();
        if (isBehind) publish({ type: 'gap', reason: 'the connection was lost, or came late' });
        isBehind = false;
      }
      if (item.type === 'lost') {
        isBehind = true;
        state.set(item.problem?.kind === 'signedOut' ? 'signedOut' : 'reconnecting');
      }
      publish(item);
      if (state.get() === 'signedOut') return;
    }
  };
  void run();
  return {
    state,
    subscribe: (subscriber) => {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    ready,
    stop: () => stop.abort(),
  };
}
