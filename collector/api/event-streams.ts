import type { FastifyReply } from 'fastify';
import type { Clock } from '../../service/clock.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { Store } from '../store/store.ts';
import { openEventStream } from './event-stream.ts';
import type { EventStream } from './event-stream.ts';
import type { ControlLookup, PresenceTerms } from './present.ts';
import { principalKey } from './principal.ts';
import type { Principal } from './principal.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult } from './route.ts';
import { positionSchema } from './route/events.ts';

/**
 * Streams that may be open at a time, of all principals and of one. With one more, the oldest of the principal with most
 * of them ends, and its client connects again.
 */
const MAX_STREAMS = 128;
const MAX_STREAMS_EACH = 32;

/** All open event streams of one API. */
export interface EventStreams {
  readonly open: (asked: StreamRequest, reply: FastifyReply) => ApiResult<undefined>;
  /** Ends those of one principal, by its key: its credentials were revoked. */
  readonly end: (owner: string) => void;
  /** Ends all of them. */
  readonly close: () => Promise<void>;
}

/** What a reader asks for. */
export interface StreamRequest {
  /** Position, checked. */
  readonly after: unknown;
  /** The header as it came. It wins: it is newer. */
  readonly lastEventId: string | string[] | undefined;
  /** Who reads: the stream ends with their credentials. */
  readonly principal: Principal;
}

/** What the streams need. */
export interface EventStreamsOptions {
  readonly store: Store;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly controlsOf: ControlLookup;
  readonly presenceTerms: () => PresenceTerms;
}

/** Keeps the event streams of one API: bounded in number, ended together. */
export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const { clock } = options;
  /** With the key of their principal. */
  const streams = new Map<EventStream, string>();
  return {
    open: ({ after, lastEventId, principal }, reply) => {
      // An empty id is what a browser sends that has seen no event yet.
      const resumed = lastEventId === undefined || lastEventId === '' ? undefined : positionSchema.parse(lastEventId);
      if (resumed?.ok === false) return refuse('invalidRequest', 'Last-Event-ID: not a position of this API');
      const owner = principalKey(principal);
      const own = countOf(streams, owner);
      const greediest = streams.size < MAX_STREAMS ? undefined : greediestOf(streams);
      if (greediest !== undefined && greediest.count <= own + 1)
        return refuse('unavailable', `${String(MAX_STREAMS)} event streams are open already`, 'close one');
      if (own >= MAX_STREAMS_EACH)
        return refuse('unavailable', `you have ${String(MAX_STREAMS_EACH)} event streams open already`, 'close one');
      greediest?.oldest.end();
      reply.hijack();
      const response = reply.raw;
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) response.setHeader(name, value);
      response.setHeader('content-type', 'text/event-stream; charset=utf-8');
      // Proxies that buffer would hold the events back.
      response.setHeader('x-accel-buffering', 'no');
      const stream = openEventStream({
        ...options,
        response,
        after: resumed?.value ?? (after as number | null) ?? undefined,
      });
      streams.set(stream, owner);
      const { expiresMs } = principal;
      const cancelEnd = expiresMs === undefined ? undefined : clock.after(expiresMs - clock.now(), stream.end);
      void stream.closed.then(cancelEnd);
      void stream.closed.then(() => streams.delete(stream));
      return answer(undefined);
    },
    end: (owner) => {
      for (const [stream, each] of streams) if (each === owner) stream.end();
    },
    close: async () => {
      const open = [...streams.keys()];
      for (const stream of open) stream.end();
      await Promise.all(open.map((stream) => stream.closed));
    },
  };
}

function countOf(streams: ReadonlyMap<EventStream, string>, owner: string): number {
  let count = 0;
  for (const each of streams.values()) if (each === owner) count += 1;
  return count;
}

/** The oldest stream of the principal with most of them, and how many these are. */
function greediestOf(
  streams: ReadonlyMap<EventStream, string>,
): { readonly oldest: EventStream; readonly count: number } | undefined {
  let greediest: { readonly oldest: EventStream; readonly count: number } | undefined;
  const seen = new Set<string>();
  for (const [oldest, owner] of streams) {
    if (seen.has(owner)) continue;
    seen.add(owner);
    const count = countOf(streams, owner);
    if (greediest === undefined || count > greediest.count) greediest = { oldest, count };
  }
  return greediest;
}
