import { readOneAtATime, releaseLastMessage } from '../../service/grpc-internals.ts';
import type { Ending, SessionCall } from './wire.ts';

/** Why a message ends its session; undefined: it does not. A promise: nothing is read until it settles. */
export type Handled = Promise<Ending | undefined> | Ending | undefined;

/**
 * Passes the messages of a call to `handle`, one after the other. Resolves with the first Ending that it returns, or with
 * undefined once the node has ended its side; rejects with the error of the call, or with what `handle` throws. In each
 * case nothing is being handled any more, and nothing more is read.
 */
export async function receiveMessages(
  call: SessionCall,
  handle: (bytes: Buffer) => Handled,
): Promise<Ending | undefined> {
  const { promise: result, resolve, reject } = Promise.withResolvers<Ending | undefined>();
  let isOver = false;
  let handling: Promise<void> | undefined;
  const stop = (): void => {
    isOver = true;
    // Not destroyed: the status has still to go out.
    call.pause();
  };
  const finish = (ending: Ending): void => {
    stop();
    resolve(ending);
  };
  const fail = (error: unknown): void => {
    stop();
    reject(error);
  };
  const handleLater = async (handled: Promise<Ending | undefined>): Promise<void> => {
    call.pause();
    try {
      const ending = await handled;
      if (ending !== undefined) finish(ending);
      else if (!isOver) call.resume();
    } catch (error) {
      fail(error);
    }
  };
  readOneAtATime(call);
  // Not `for await`: its variable would hold the last message, which may be large, until the next one comes; and the
  // answers to a live query come from the whole fleet at the same time, so that each step of a message counts.
  call.on('data', (bytes: Buffer) => {
    releaseLastMessage(call);
    if (isOver) return;
    try {
      const handled = handle(bytes);
      if (handled instanceof Promise) handling = handleLater(handled);
      else if (handled !== undefined) finish(handled);
    } catch (error) {
      fail(error);
    }
  });
  call.once('end', () => resolve(undefined));
  // Not once: an error without a listener would end the process.
  call.on('error', fail);
  call.once('close', () => fail(new Error('the stream was closed before its end')));
  try {
    return await result;
  } finally {
    await handling;
  }
}
