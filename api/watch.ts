import { parseJson } from './answer.ts';
import { readEvents } from './event-source.ts';
import type { ServerEvent } from './event-source.ts';
import { findingEvent } from './finding.ts';
import type { FindingEvent } from './finding.ts';
import { goneNode, nodeState } from './node.ts';
import type { NodeState } from './node.ts';

/** What a watcher sees. `P`: how its client tells why a request did not work. */
export type WatchItem<P> =
  /** Comes each time the stream is there (again). */
  | { readonly type: 'connected' }
  | { readonly type: 'finding'; readonly event: FindingEvent }
  | { readonly type: 'node'; readonly node: NodeState }
  | { readonly type: 'nodeRemoved'; readonly nodeId: string }
  /** Changes were missed, or may have been: read anew what is shown. */
  | { readonly type: 'gap'; readonly reason: string }
  /** There is no stream now. Without a problem: one that was there broke. */
  | { readonly type: 'lost'; readonly problem: P | undefined };

/** A silent stream is broken: the collector says something every 15 s. */
const SILENCE_MS = 45_000;
/** Bound of the first pause before connecting again; each time it doubles. */
const FIRST_PAUSE_MS = 500;

/** How to watch. */
export interface WatchOptions<P> {
  /** Opens `/v1/events` after the event with this id; after none where it is empty. */
  readonly open: (
    lastEventId: string,
    signal: AbortSignal,
  ) => Promise<{ readonly ok: true; readonly value: Response } | { readonly ok: false; readonly problem: P }>;
  /** How long to wait at least before the next try; undefined: the problem ends the watch. */
  readonly retryAfterMs: (problem: P) => number | undefined;
  readonly longestPauseMs: number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ n < 1 */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Changes as they happen, until `signal` aborts or a problem ends it. A connection that breaks is made again where it
 * broke off, so that nothing is missed and nothing comes twice; where that cannot be, a `gap` says so.
 */
export async function* watch<P>(options: WatchOptions<P>): AsyncGenerator<WatchItem<P>, void, undefined> {
  const { open, wait, random, signal } = options;
  let lastId = '';
  let seenBefore = false;
  let failures = 0;
  while (!signal.aborted) {
    const connection = new AbortController();
    const opened = await open(lastId, AbortSignal.any([signal, connection.signal]));
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
      const said = options.retryAfterMs(opened.problem);
      if (said === undefined) return;
      leastMs = said;
    }
    await wait(Math.max(leastMs, pauseMs(failures, options.longestPauseMs, random())), signal);
    failures += 1;
  }
}

/** How long to wait after `failures` attempts in a row that failed: full jitter under a doubling bound. */
export function pauseMs(failures: number, longestMs: number, random: number): number {
  return Math.round(random * Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(failures, 16)));
}

async function* eventsOf(
  response: Response,
  wait: WatchOptions<unknown>['wait'],
): AsyncGenerator<ServerEvent, void, undefined> {
  if (response.body !== null) yield* readEvents(response.body, { silenceMs: SILENCE_MS, wait });
}

function toItem({ type, data }: ServerEvent): WatchItem<never> | undefined {
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

function unread(problem: string): WatchItem<never> {
  return { type: 'gap', reason: `an event could not be read (${problem})` };
}
