import type { FastifyReply } from 'fastify';
import type { Clock } from '../../service/clock.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { Store } from '../store/store.ts';
import { openEventStream } from './event-stream.ts';
import type { EventStream } from './event-stream.ts';
import type { ControlLookup } from './present.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult } from './route.ts';
import { positionSchema } from './route/events.ts';

/** Streams that may be open at a time. */
const MAX_STREAMS = 64;

/** All open event streams of one API. */
export interface EventStreams {
  readonly open: (asked: StreamRequest, reply: FastifyReply) => ApiResult<undefined>;
  /** Ends all of them. */
  readonly close: () => Promise<void>;
}

/** What a reader asks for. */
export interface StreamRequest {
  /** Position, checked. */
  readonly after: unknown;
  /** The header as it came. It wins: it is newer. */
  readonly lastEventId: string | string[] | undefined;
  /** When the reader's session ends, wall clock: the stream ends with it. Undefined: it has none. */
  readonly untilMs: number | undefined;
}

/** What the streams need. */
export interface EventStreamsOptions {
  readonly store: Store;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly controlsOf: ControlLookup;
  readonly heartbeatMs: number;
}

/** Keeps the event streams of one API: bounded in number, ended together. */
export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const { clock } = options;
  const streams = new Set<EventStream>();
  return {
    open: ({ after, lastEventId, untilMs }, reply) => {
      // An empty id is what a browser sends that has seen no event yet.
      const resumed = lastEventId === undefined || lastEventId === '' ? undefined : positionSchema.parse(lastEventId);
      if (resumed?.ok === false) return refuse('invalidRequest', 'Last-Event-ID: not a position of this API');
      if (streams.size >= MAX_STREAMS)
        return refuse('unavailable', `${String(MAX_STREAMS)} event streams are open already`, 'close one');
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
      streams.add(stream);
      const cancelEnd = untilMs === undefined ? undefined : clock.after(untilMs - clock.now(), stream.end);
      void stream.closed.then(cancelEnd);
      void stream.closed.then(() => streams.delete(stream));
      return answer(undefined);
    },
    close: async () => {
      const open = [...streams];
      for (const stream of open) stream.end();
      await Promise.all(open.map((stream) => stream.closed));
    },
  };
}
