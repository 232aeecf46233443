import { connect } from 'node:net';
import { createResponseReader } from './http-response.ts';
import type { Socket } from 'node:net';
import type { Progress, ResponseListener } from './http-response.ts';

/** Who waits for a response. Exactly one of `onEnd` and `onError` is called, and nothing after it. */
export interface ResponseReceiver extends ResponseListener {
  readonly onEnd: () => void;
  readonly onError: (error: Error) => void;
}

/** One connection to an engine, with one request at a time. */
export interface Connection {
  /** Sends a GET for a path with its query. Only while `isIdle`. */
  readonly get: (path: string, receiver: ResponseReceiver) => void;
  readonly isIdle: () => boolean;
  /** Did a byte of the present response arrive? */
  readonly hasAnswered: () => boolean;
  readonly close: () => void;
}

/** An inspection has some 7 KB; a longer answer takes several turns. */
const READ_BYTES = 16 * 1024;

/** Connects to a unix socket at once; what goes wrong with that shows at the first request. `onOver`: it is closed. */
export function openConnection(socketPath: string, onOver: (connection: Connection) => void): Connection {
  let receiver: ResponseReceiver | undefined;
  const reader = createResponseReader({
    onHead: (status) => receiver?.onHead(status),
    onBody: (part) => receiver?.onBody(part),
  });
  let isClosed = false;
  let answered = false;

  const fail = (error: Error): void => {
    const failed = receiver;
    receiver = undefined;
    close();
    failed?.onError(error);
  };
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    receiver = undefined;
    socket.destroy();
    onOver(connection);
  };
  const advance = (progress: Progress): void => {
    const waiting = receiver;
    if (waiting === undefined || progress.state === 'reading') return;
    if (progress.state === 'broken') return fail(new Error(progress.problem));
    receiver = undefined;
    if (progress.reusable) socket.unref();
    else close();
    waiting.onEnd();
  };
  const socket: Socket = connect({
    path: socketPath,
    // One buffer for all reads: a new one each time costs more than the reading.
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count, buffer) => {
        // An engine that speaks without being asked says nothing that we could use.
        if (receiver === undefined) close();
        else {
          answered = true;
          advance(reader.push(Buffer.from(buffer.buffer, buffer.byteOffset, count)));
        }
        return !isClosed;
      },
    },
  });
  socket.on('error', fail);
  socket.on('end', () => {
    if (receiver === undefined) close();
    else advance(reader.end());
  });
  socket.on('close', () => fail(new Error('the connection was closed before the answer was complete')));

  const connection: Connection = {
    get: (path, asking) => {
      receiver = asking;
      reader.restart();
      answered = false;
      socket.ref();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: plimsoll\r\n\r\n`, 'latin1');
    },
    isIdle: () => !isClosed && receiver === undefined,
    hasAnswered: () => answered,
    close,
  };
  return connection;
}
