import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { parseJson } from './client.ts';
import type { ApiClient, ApiFailure } from './client.ts';
import { createEventParser } from './event-source.ts';
import type { ServerEvent } from './event-source.ts';
import { findingEvent, nodeState } from './shape.ts';
import type { FindingEvent } from './shape.ts';
import type * as s from '../../posture/schema.ts';

/** Something that a watcher sees. `connected` comes each time the stream is there (again). */
export type WatchItem =
  | { readonly type: 'connected' }
  | { readonly type: 'finding'; readonly event: FindingEvent }
  | { readonly type: 'node'; readonly node: s.Infer<typeof nodeState> }
  /** Events were lost, or may have been: read the findings anew. */
  | { readonly type: 'gap'; readonly reason: string }
  | { readonly type: 'lost'; readonly failure: ApiFailure };

/** A silent stream is broken: the collector says something every 15 s. */
const SILENCE_MS = 45_000;
const RECONNECT = Object.freeze({ baseMs: 500, capMs: 10_000 });

/** How to watch. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

/**
 * Changes as they happen, until `signal` aborts. A connection that breaks is made again where it broke off, so that
 * nothing is missed and nothing comes twice; a refusal of the collector ends the watch with `lost`.
 */
export async function* watchEvents(
  client: ApiClient,
  { clock, signal, random }: WatchOptions,
): AsyncGenerator<WatchItem, void, undefined> {
  let lastId = '';
  let connected = false;
  let attempt = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    const opened = await client.stream(
      '/v1/events',
      { accept: 'text/event-stream', ...(lastId === '' ? {} : { 'last-event-id': lastId }) },
      AbortSignal.any([signal, silence.signal]),
    );
    if (signal.aborted) return;
    if (opened.ok) {
      attempt = 0;
      yield { type: 'connected' };
      if (connected && lastId === '') yield { type: 'gap', reason: 'the connection broke before the first event' };
      connected = true;
      for await (const event of readEvents(opened.value, clock, silence)) {
        lastId = event.id;
        const item = toItem(event);
        if (item !== undefined) yield item;
      }
    } else {
      yield { type: 'lost', failure: opened };
      if (opened.kind === 'refused') return;
    }
    await sleep(clock, fullJitter(attempt, RECONNECT, random), signal);
    attempt += 1;
  }
}

/** The events of one connection, until it ends or breaks. */
async function* readEvents(
  response: Response,
  clock: Clock,
  silence: AbortController,
): AsyncGenerator<ServerEvent, void, undefined> {
  const parser = createEventParser();
  const decoder = new TextDecoder();
  let cancel = clock.after(SILENCE_MS, () => silence.abort());
  try {
    for await (const chunk of response.body ?? []) {
      cancel();
      yield* parser.push(decoder.decode(chunk, { stream: true }));
      // Armed anew only now: it is the collector's silence that counts, not the reader's own slowness.
      cancel = clock.after(SILENCE_MS, () => silence.abort());
    }
  } catch {
    // A broken connection is expected: the caller connects again from the last id.
  } finally {
    cancel();
    silence.abort();
  }
}

function toItem({ type, data }: ServerEvent): WatchItem | undefined {
  switch (type) {
    case 'finding': {
      const parsed = parseJson(data, findingEvent);
      return parsed.ok
        ? { type, event: parsed.value }
        : { type: 'gap', reason: `an event could not be read (${parsed.problem})` };
    }
    case 'node': {
      const parsed = parseJson(data, nodeState);
      return parsed.ok ? { type, node: parsed.value } : undefined;
    }
    case 'gap':
      return { type: 'gap', reason: 'the collector does not have them any more' };
    case 'overflow':
      return { type: 'gap', reason: 'this reader was too slow' };
    default:
      return undefined;
  }
}
