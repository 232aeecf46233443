import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { AgentMessage, CollectorMessage } from '../../proto/fleet.ts';

/** The stream of one session. */
export interface SessionStream {
  /** Resolves once the transport took the message, which is how a slow collector slows us down; false: it is over. */
  readonly send: (message: AgentMessage) => Promise<boolean>;
  /** Calls `listener` for each message of the collector. To be called before anything is awaited. */
  readonly onMessage: (listener: (message: CollectorMessage) => void) => void;
  /** Nothing more is sent; the collector may still answer, then it ends. */
  readonly finish: () => void;
  /** Ends it at once. */
  readonly cancel: (reason: string) => void;
  readonly ended: Promise<StreamEnd>;
  readonly isOver: () => boolean;
}

/** How a stream ended: gRPC status code and what was said about it. */
export interface StreamEnd {
  readonly code: number;
  readonly details: string;
}

/** The call as a session uses it. Never throws; whatever happens to the call shows in `ended`. */
export function openStream(call: ClientDuplexStream<AgentMessage, CollectorMessage>): SessionStream {
  const waiting = new Set<(taken: boolean) => void>();
  const end = Promise.withResolvers<StreamEnd>();
  let isOver = false;
  let cancelled: string | undefined;
  const finish = (code: number, details: string): void => {
    isOver = true;
    for (const resolve of waiting) resolve(false);
    waiting.clear();
    end.resolve({ code, details: cancelled ?? details });
  };
  // Without a listener an error is thrown; it says the same as the status that follows.
  call.on('error', () => undefined);
  call.on('status', ({ code, details }) => finish(code, details));
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (isOver) return resolve(false);
        waiting.add(resolve);
        call.write(message, (error?: Error | null) => {
          waiting.delete(resolve);
          resolve(error === undefined || error === null);
        });
      }),
    onMessage: (listener) => {
      call.on('data', (message: CollectorMessage) => {
        if (!isOver) listener(message);
      });
    },
    finish: () => {
      if (!isOver) call.end();
    },
    cancel: (reason) => {
      if (isOver) return;
      cancelled ??= reason;
      call.cancel();
    },
    ended: end.promise,
    isOver: () => isOver,
  };
}
