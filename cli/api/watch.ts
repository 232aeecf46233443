import { watch } from '../../api/watch.ts';
import type { WatchItem } from '../../api/watch.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { ApiClient, ApiFailure } from './client.ts';

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
): AsyncGenerator<WatchItem<ApiFailure>, void, undefined> {
  return watch<ApiFailure>({
    open: async (lastEventId, limit) => {
      const resume = lastEventId === '' ? {} : { 'last-event-id': lastEventId };
      const opened = await client.stream('/v1/events', { accept: 'text/event-stream', ...resume }, limit);
      return opened.ok ? opened : { ok: false, problem: opened };
    },
    retryAfterMs: ({ kind }) => (kind === 'refused' ? undefined : 0),
    longestPauseMs: LONGEST_PAUSE_MS,
    wait: (ms, until) => sleep(clock, ms, until),
    random,
    signal,
  });
}
