import type { ServerResponse } from 'node:http';
import type { Clock } from '../../service/clock.ts';
import type { EventBus, NodeItem } from '../store/event-bus.ts';
import { isFindingEvent } from '../store/stored-event.ts';
import type { Store } from '../store/store.ts';
import type { OutboxEvent, StoredEvent } from '../store/stored-event.ts';
import { presentEvent, presentNodeState } from './present.ts';
import type { ControlLookup, PresenceTerms } from './present.ts';

/** How often a stream says that it is alive. */
const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a reader before the stream stops pushing and lets the reader's pace decide. */
const MAX_PENDING_BYTES = 256 * 1024;
/** Events read from the outbox at a time while catching up. */
const PAGE = 200;
/** A reader that takes nothing for so long is dropped. */
const STALLED_MS = 30_000;
/** A reader that does not catch up within this time is dropped: the outbox keeps events for longer, but not for ever. */
const MAX_BEHIND_MS = 5 * 60_000;
/** How long a dropped reader has to take the last event. */
const FAREWELL_MS = 5_000;

/** What an event stream needs. */
export interface EventStreamOptions {
  readonly controlsOf: ControlLookup;
  readonly store: Pick<Store, 'outbox'>;
  readonly eventBus: EventBus;
  readonly response: ServerResponse;
  /** Replay what came after this position; undefined: only what comes from now on. */
  readonly after: number | undefined;
  readonly clock: Clock;
  /** What the presence of nodes is judged by, now. */
  readonly presenceTerms: () => PresenceTerms;
}

/** One open stream. */
export interface EventStream {
  /** Ends the stream; the reader can resume by its last id. */
  readonly end: () => void;
  /** Resolves once the stream is over, for whatever reason. */
  readonly closed: Promise<void>;
}

/**
 * Sends changes as server-sent events (WHATWG HTML, 9.2): first what the outbox still holds after `after`, then live,
 * without a gap and without a double. A reader that is slower than the changes is served from the outbox at its own
 * pace, so that memory stays bounded; one that stalls is dropped with an `overflow` event and can resume by its last id.
 */
export function openEventStream(options: EventStreamOptions): EventStream {
  const { response, eventBus } = options;
  const stream: State = {
    position: options.after ?? 0,
    claimed: options.after !== undefined,
    newest: 0,
    stopLive: undefined,
    over: false,
    changedNodes: new Map(),
  };
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  // Subscribed before the headers go out: who reads them can rely on seeing every later change.
  const subscriptions = [
    eventBus.subscribeToNodes((item) => takeNode(stream, options, item)),
    eventBus.subscribeToPositions((position) => (stream.newest = Math.max(stream.newest, position))),
    startHeartbeat(options),
  ];
  if (options.after === undefined) goLive(stream, options);
  response.once('close', () => {
    stream.over = true;
    stream.stopLive?.();
    for (const stop of subscriptions) stop();
    resolve();
  });
  response.on('error', () => response.destroy());
  response.on('drain', () => {
    if (isLive(stream)) sendChangedNodes(stream, options);
  });
  response.write('retry: 1000\n\n');
  if (!isLive(stream)) void catchUp(stream, options);
  return { end: () => finish(stream, options), closed };
}

interface State {
  /** Position of the last event sent, or claimed by the reader. */
  position: number;
  /** True while `position` is only the reader's word: a store that was replaced counts from the start again. */
  claimed: boolean;
  /** Highest position published on the event bus. */
  newest: number;
  /** Ends the subscription to events; undefined while the outbox is read: then nobody need make them. */
  stopLive: (() => void) | undefined;
  over: boolean;
  /** What is true now of nodes that changed while nothing could be sent; at most one entry a node. */
  readonly changedNodes: Map<string, NodeItem>;
}

function startHeartbeat({ clock, response }: EventStreamOptions): () => void {
  let stop = (): void => undefined;
  const beat = (): void => {
    stop = clock.after(HEARTBEAT_MS, () => {
      if (!response.writableEnded && !response.writableNeedDrain) response.write(': heartbeat\n\n');
      beat();
    });
  };
  beat();
  return () => stop();
}

function isLive({ stopLive }: State): boolean {
  return stopLive !== undefined;
}

function goLive(stream: State, options: EventStreamOptions): void {
  stream.stopLive = options.eventBus.subscribe((item) => {
    if (item.type === 'finding') takeFinding(stream, options, item.event);
  });
}

function takeNode(stream: State, options: EventStreamOptions, item: NodeItem): void {
  if (stream.over) return;
  stream.changedNodes.set(item.type === 'node' ? item.node.id : item.nodeId, item);
  if (isLive(stream) && !congested(options.response)) sendChangedNodes(stream, options);
}

function takeFinding(stream: State, options: EventStreamOptions, event: OutboxEvent): void {
  if (stream.over || (event.position <= stream.position && !stream.claimed)) return;
  if (!congested(options.response)) {
    options.response.write(textOf(stream, options, event));
    return;
  }
  // From now on the outbox is read, from the first event that was not sent.
  stream.stopLive?.();
  stream.stopLive = undefined;
  stream.newest = Math.max(stream.newest, event.position);
  stream.position = event.position - 1;
  stream.claimed = false;
  void catchUp(stream, options);
}

async function catchUp(stream: State, options: EventStreamOptions): Promise<void> {
  const { response, store, clock } = options;
  const started = clock.monotonic();
  try {
    while (!stream.over) {
      if (!(await drained(response, clock)))
        return finish(stream, options, 'this reader took nothing for too long; resume with the id of the last event');
      const shown = stream.newest;
      const events = await store.outbox(stream.position, PAGE);
      if (stream.over) return;
      if (events.length > 0) response.write(events.map((event) => textOf(stream, options, event)).join(''));
      if (events.length === 0 && isUpToDate(stream, options, shown)) return;
      if (clock.monotonic() - started > MAX_BEHIND_MS)
        return finish(stream, options, 'this reader is slower than the changes; read the findings anew');
    }
  } catch {
    finish(stream, options, 'the store could not be read; resume with the id of the last event');
  }
}

/** The outbox holds nothing after what was sent. `shown` is the highest position that was published before. */
function isUpToDate(stream: State, options: EventStreamOptions, shown: number): boolean {
  if (!stream.claimed && stream.newest > stream.position) {
    // A commit is in the outbox before its events are published: what was published and is absent was deleted.
    if (shown > stream.position)
      finish(stream, options, 'events were deleted before they were sent; read the findings anew');
    return stream.over;
  }
  goLive(stream, options);
  sendChangedNodes(stream, options);
  return true;
}

/** What the next event is on the wire, empty for what only sinks get; it counts as sent from then on. */
function textOf(stream: State, { controlsOf }: EventStreamOptions, event: StoredEvent): string {
  // The first event after a claimed position must be the next one; otherwise what was between is not there any more.
  const gap = stream.claimed && event.position !== stream.position + 1 ? gapText(stream.position, event.position) : '';
  stream.position = event.position;
  stream.claimed = false;
  if (!isFindingEvent(event) || event.isReplay === true) return gap;
  const data = JSON.stringify(presentEvent(event, controlsOf));
  return `${gap}id: ${String(event.position)}\nevent: finding\ndata: ${data}\n\n`;
}

function gapText(after: number, next: number): string {
  return `event: gap\ndata: ${JSON.stringify({ after, next })}\n\n`;
}

function sendChangedNodes(stream: State, { response, presenceTerms }: EventStreamOptions): void {
  if (stream.changedNodes.size === 0) return;
  const terms = presenceTerms();
  for (const [id, item] of stream.changedNodes) {
    if (congested(response)) return;
    stream.changedNodes.delete(id);
    const data = item.type === 'node' ? presentNodeState(item.node, terms) : { nodeId: item.nodeId };
    response.write(`event: ${item.type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

/** Ends the stream; a reader that is dropped for `reason` finds it in the last event. */
function finish(stream: State, { response, clock }: EventStreamOptions, reason?: string): void {
  if (stream.over) return;
  stream.over = true;
  response.end(reason === undefined ? undefined : `event: overflow\ndata: ${JSON.stringify({ reason })}\n\n`);
  const cancel = clock.after(FAREWELL_MS, () => response.destroy());
  response.once('close', cancel);
}

function congested(response: ServerResponse): boolean {
  return response.writableLength > MAX_PENDING_BYTES;
}

/** Resolves true once the reader has taken what waits for it, false if it takes too long. */
function drained(response: ServerResponse, clock: Clock): Promise<boolean> {
  if (!response.writableNeedDrain || response.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (outcome: boolean): void => {
      cancel();
      response.off('drain', taken);
      response.off('close', taken);
      resolve(outcome);
    };
    const taken = (): void => done(true);
    const cancel = clock.after(STALLED_MS, () => done(false));
    response.once('drain', taken);
    response.once('close', taken);
  });
}
