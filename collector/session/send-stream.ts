import { status } from '@grpc/grpc-js';
import type { Clock } from '../../service/clock.ts';
import type { Ending, Outgoing, SessionCall } from './wire.ts';

/** What goes out to one node, and the end of its session. */
export interface SendStream {
  /** False: the session is over, or ends now because the node does not read. */
  readonly send: (message: Outgoing) => boolean;
  /** Ends the session; only the first call counts. */
  readonly end: (ending: Ending) => void;
  /** Aborted once the session is over. */
  readonly over: AbortSignal;
  /** Resolves once the status is sent or the connection is cut. */
  readonly closed: Promise<void>;
}

/** What an outbound side needs. */
export interface SendStreamOptions {
  readonly call: SessionCall;
  readonly maxUnsentMessages: number;
  readonly clock: Clock;
  /** Cuts the connection of the call. */
  readonly disconnect: () => void;
  readonly onEnd: (ending: Ending) => void;
}

/** What was written before goes out before the end; a node that does not take it within this time is cut off. */
const CLOSE_GRACE_MS = 5000;

/** The outbound side of a call. */
export function openSendStream({ call, maxUnsentMessages, clock, disconnect, onEnd }: SendStreamOptions): SendStream {
  const over = new AbortController();
  let isOver = false;
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  call.once('close', close);
  const end = (ending: Ending): void => {
    if (isOver) return;
    isOver = true;
    // With a reason: without one, an error with its stack is made, which takes longer than the rest of the end.
    over.abort(ending);
    onEnd(ending);
    const cancelCut = clock.after(CLOSE_GRACE_MS, disconnect);
    void closed.then(cancelCut);
    // grpc-js answers an error on the stream with the status that the error carries.
    if (ending.code === status.OK) call.end();
    else call.emit('error', Object.assign(new Error(ending.details), ending));
  };
  call.once('cancelled', () => end({ code: status.CANCELLED, details: 'the node is gone' }));
  return {
    send: (message) => {
      if (isOver) return false;
      if (call.writableLength >= maxUnsentMessages) {
        end({ code: status.RESOURCE_EXHAUSTED, details: 'this node does not read what it is sent' });
        return false;
      }
      call.write(message);
      return true;
    },
    end,
    over: over.signal,
    closed,
  };
}
