import { parseJson } from './answer.ts';
import type { ApiClient, RequestFailure } from './client.ts';
import { readEvents } from './event-source.ts';
import type { ServerEvent } from './event-source.ts';
import { findingEvent } from './finding.ts';
import type { FindingEvent } from './finding.ts';
import { goneNode, nodeState } from './node.ts';
import type { NodeState } from './node.ts';

/** An item of the event stream, or a change of its connection. */
export type WatchItem =
  /** The stream is open, for the first time or again. */
  | { readonly type: 'connected' }
  | { readonly type: 'finding'; readonly event: FindingEvent }
  | { readonly type: 'node'; readonly node: NodeState }
  | { readonly type: 'nodeRemoved'; readonly nodeId: string }
  /** Changes were or may have been missed: read everything again. */
  | { readonly type: 'gap'; readonly reason: string }
  /** The stream is closed. `problem`: why it could not be opened; undefined: an open stream broke. */
  | { readonly type: 'lost'; readonly problem: RequestFailure | undefined };

/** A stream without data for this long is broken: the collector sends a heartbeat every 15 s. */
const SILENCE_MS = 45_000;
/** Upper bounds of the first and of all pauses before connecting again; the bound doubles each time. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** Options of {@link watchEvents}. */
export interface WatchOptions {
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ n < 1 */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Changes of the fleet from `/v1/events`, until `signal` aborts. A broken connection is opened again after the last
 * event that was received, so that no event is missed or repeated; where that is not possible, a `gap` follows. It is
 * also opened again after every `lost`: a caller that does not want this for a problem stops iterating.
 */
export async function* watchEvents(
  { stream }: Pick<ApiClient, 'stream'>,
  { wait, random, signal }: WatchOptions,
): AsyncGenerator<WatchItem, void, undefined> {
  let lastId = '';
  let seenBefore = false;
  let failures = 0;
  while (!signal.aborted) {
    const connection = new AbortController();
    const opened = await stream('/v1/events', lastId, AbortSignal.any([signal, connection.signal]));
    let leastMs = 0;
    if (signal.aborted) return connection.abort();
    if (opened.ok) {
      failures = 0;
      try {
        yield { type: 'connected' };
        // Without an id there is no place to resume at.
        if (seenBefore && lastId === '') yield { type: 'gap', reason: 'the connection broke before the first event' };
        seenBefore = true;
        for await (const event of eventsOf(opened.value, wait)) {
          lastId = event.id;
          const item = toItem(event);
          if (item !== undefined) yield item;
        }
      } finally {
        connection.abort();
      }
      if (signal.aborted) return;
      yield { type: 'lost', problem: undefined };
    } else {
      yield { type: 'lost', problem: opened.problem };
      leastMs = opened.problem.retryAfterMs;
    }
    await wait(Math.max(leastMs, pauseMs(failures, random())), signal);
    failures += 1;
  }
}

/** Exponential backoff with full jitter. */
function pauseMs(failures: number, random: number): number {
  return Math.round(random * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 16)));
}

async function* eventsOf(response: Response, wait: WatchOptions['wait']): AsyncGenerator<ServerEvent, void, undefined> {
  if (response.body !== null) yield* readEvents(response.body, { silenceMs: SILENCE_MS, wait });
}

function toItem({ type, data }: ServerEvent): WatchItem | undefined {
  switch (type) {
    case 'finding': {
      const parsed = parseJson(data, findingEvent);
      return parsed.ok ? { type, event: parsed.value } : unread(parsed.problem);
    }
    case 'node': {
      const parsed = parseJson(data, nodeState);
      return parsed.ok ? { type, node: parsed.value } : unread(parsed.problem);
    }
    case 'nodeRemoved': {
      const parsed = parseJson(data, goneNode);
      return parsed.ok ? { type, nodeId: parsed.value.nodeId } : unread(parsed.problem);
    }
    case 'gap':
      return { type, reason: 'the collector does not have them any more' };
    case 'overflow':
      return { type: 'gap', reason: 'this reader was too slow' };
    default:
      return undefined;
  }
}

function unread(problem: string): WatchItem {
  return { type: 'gap', reason: `an event could not be read (${problem})` };
}
