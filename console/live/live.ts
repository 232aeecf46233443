import { watch } from '../../api/watch.ts';
import type { WatchItem, WatchOptions } from '../../api/watch.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';
import { createCell } from '../cell.ts';
import type { Cell } from '../cell.ts';

/** What those who show changes hear. */
export type LiveItem = WatchItem<RequestFailure>;

/** How the stream of changes is doing. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'signedOut';

/** Changes of the fleet, for whoever shows them. */
export interface Live {
  readonly state: Cell<LiveState>;
  readonly subscribe: (subscriber: (item: LiveItem) => void) => () => void;
  /** Resolves once what is read now cannot miss a change: the stream is there, or it took too long and a gap follows. */
  readonly ready: Promise<void>;
  readonly stop: () => void;
}

/** How long the first reads wait for the stream. */
const READY_MS = 400;
const LONGEST_PAUSE_MS = 15_000;

/** Starts to watch. */
export function startLive(
  api: ApiClient,
  { wait, random }: Pick<WatchOptions<RequestFailure>, 'wait' | 'random'>,
): Live {
  const state = createCell<LiveState>('connecting');
  const subscribers = new Set<(item: LiveItem) => void>();
  const stop = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  /** Something may have been read while there was no stream, or could not be read at all. */
  let isBehind = false;
  const waitForStream = async (): Promise<void> => {
    await wait(READY_MS, stop.signal);
    isBehind ||= state.get() !== 'live';
    resolve();
  };
  void waitForStream();
  const tell = (item: LiveItem): void => {
    for (const subscriber of subscribers) subscriber(item);
  };
  const run = async (): Promise<void> => {
    for await (const item of watchEvents(api, { wait, random, signal: stop.signal })) {
      if (item.type === 'connected') {
        state.set('live');
        resolve();
        if (isBehind) tell({ type: 'gap', reason: 'the connection was lost, or came late' });
        isBehind = false;
      }
      if (item.type === 'lost') {
        isBehind = true;
        state.set(item.problem?.kind === 'signedOut' ? 'signedOut' : 'reconnecting');
      }
      tell(item);
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

/** Changes as they happen, until `signal` aborts or the session is refused. */
export function watchEvents(
  { stream }: Pick<ApiClient, 'stream'>,
  { wait, random, signal }: Pick<WatchOptions<RequestFailure>, 'wait' | 'random' | 'signal'>,
): AsyncGenerator<LiveItem, void, undefined> {
  return watch<RequestFailure>({
    open: (lastEventId, limit) => stream('/v1/events', lastEventId, limit),
    retryAfterMs: ({ kind, retryAfterMs }) => (kind === 'signedOut' ? undefined : retryAfterMs),
    longestPauseMs: LONGEST_PAUSE_MS,
    wait,
    random,
    signal,
  });
}
