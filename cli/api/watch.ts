import { watch } from '../../api/watch.ts';
import type { WatchItem } from '../../api/watch.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';

const LONGEST_PAUSE_MS = 10_000;

/** How to watch. */
export interface WatchEventsOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

/** Changes as they happen, until `signal` aborts; a refusal of the collector ends them with `lost`. */
export function watchEvents(
  client: ApiClient,
  { clock, signal, random }: WatchEventsOptions,
): AsyncGenerator<WatchItem<RequestFailure>, void, undefined> {
  return watch<RequestFailure>({
    open: (lastEventId, limit) => client.stream('/v1/events', lastEventId, limit),
    retryAfterMs: ({ kind, retryAfterMs }) => (isFinal(kind) ? undefined : retryAfterMs),
    longestPauseMs: LONGEST_PAUSE_MS,
    wait: (ms, until) => sleep(clock, ms, until),
    random,
    signal,
  });
}

/** The same request would be refused again. */
export function isFinal(kind: RequestFailure['kind']): boolean {
  return kind === 'signedOut' || kind === 'refused' || kind === 'notFound';
}
