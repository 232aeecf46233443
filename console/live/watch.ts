import type { Problem, Result } from '../api/client.ts';
import { parseJson } from '../api/client.ts';
import { findingEvent, nodeState } from '../api/shape.ts';
import type { FindingEvent, NodeState } from '../api/shape.ts';
import { createEventParser } from './event-source.ts';
import type { ServerEvent } from './event-source.ts';

/** What a watcher sees. `gap`: changes were missed, or may have been; read anew what is shown. */
export type LiveItem =
  | { readonly type: 'connected' }
  | { readonly type: 'finding'; readonly event: FindingEvent }
  | { readonly type: 'node'; readonly node: NodeState }
  | { readonly type: 'gap' }
  | { readonly type: 'lost'; readonly problem: Problem | undefined };

/** A silent stream is broken: the collector says something every 15 s. */
const SILENCE_MS = 45_000;
/** First and longest pause before connecting again; each is chosen at random up to its bound. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** What watching needs. */
export interface WatchOptions {
  readonly open: (lastEventId: string, signal: AbortSignal) => Promise<Result<Response>>;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ n < 1 */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Changes as they happen, until `signal` aborts or the session is refused. A connection that breaks is made again
 * where it broke off, so that nothing is missed and nothing comes twice; where that cannot be, a `gap` says so.
 */
export async function* watch({ open, wait, random, signal }: WatchOptions): AsyncGenerator<LiveItem, void, undefined> {
  let lastId = '';
  let seenBefore = false;
  let failures = 0;
  while (!signal.aborted) {
    const connection = new AbortController();
    const opened = await open(lastId, AbortSignal.any([signal, connection.signal]));
    if (signal.aborted) return;
    if (opened.ok) {
      failures = 0;
      yield { type: 'connected' };
      // Without an id there is no place to resume at.
      if (seenBefore && lastId === '') yield { type: 'gap' };
      seenBefore = true;
      for await (const event of readEvents(opened.value, wait, connection)) {
        lastId = event.id;
        const item = toItem(event);
        if (item !== undefined) yield item;
      }
      if (signal.aborted) return;
      yield { type: 'lost', problem: undefined };
    } else {
      yield { type: 'lost', problem: opened.problem };
      if (opened.problem.kind === 'signedOut') return;
    }
    const said = opened.ok ? 0 : opened.problem.retryAfterMs;
    await wait(Math.max(said, pauseMs(failures, random())), signal);
    failures += 1;
  }
}

/** How long to wait after `failures` attempts in a row that failed: full jitter under a doubling bound. */
export function pauseMs(failures: number, random: number): number {
  return Math.round(random * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 16)));
}

/** The events of one connection, until it ends, breaks or falls silent. */
async function* readEvents(
  response: Response,
  wait: WatchOptions['wait'],
  connection: AbortController,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const parser = createEventParser();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const chunk = await readOrSilence(reader, wait);
      if (chunk === undefined) return;
      yield* parser.push(decoder.decode(chunk, { stream: true }));
    }
  } catch {
    // A broken connection is expected: the caller connects again from the last id.
  } finally {
    connection.abort();
  }
}

/** The next bytes; undefined at the end, and when nothing comes for too long. */
async function readOrSilence(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  wait: WatchOptions['wait'],
): Promise<Uint8Array | undefined> {
  const heard = new AbortController();
  const silence = wait(SILENCE_MS, heard.signal).then(() => undefined);
  try {
    return await Promise.race([reader.read().then(({ value }) => value), silence]);
  } finally {
    heard.abort();
  }
}

function toItem({ type, data }: ServerEvent): LiveItem | undefined {
  switch (type) {
    case 'finding': {
      const parsed = parseJson(data, findingEvent);
      return parsed.ok ? { type, event: parsed.value } : { type: 'gap' };
    }
    case 'node': {
      const parsed = parseJson(data, nodeState);
      return parsed.ok ? { type, node: parsed.value } : { type: 'gap' };
    }
    case 'gap':
    case 'overflow':
      return { type: 'gap' };
    default:
      return undefined;
  }
}
