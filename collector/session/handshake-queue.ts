import type { Socket } from 'node:net';
import type { Clock } from '../../service/clock.ts';
import { peerOf } from './connection-limit.ts';

/**
 * Starts TLS handshakes one after the other. A connection waits until its peer has sent the first bytes, and then for its
 * turn: first come, first served among the connections of one address, and addresses take turns. A handshake costs some
 * thousand times what a waiting connection costs, so none is begun for a peer that says nothing or that has given up.
 */
export interface HandshakeQueue {
  /** Adds a connection that was just accepted. */
  readonly add: (socket: Socket) => void;
  /** The handshake of this connection is complete. Its socket, or the one that TLS runs over it. */
  readonly complete: (socket: Socket) => void;
}

/** What a queue needs. */
export interface HandshakeQueueOptions {
  /** Starts the handshake; what the peer has sent so far can be read from the socket. */
  readonly start: (socket: Socket) => void;
  /** A connection whose peer has sent nothing by then is closed. */
  readonly firstBytesTimeoutMs: number;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
}

/** Handshakes in progress: a round trip of 200 ms still leaves room for 640 a second. */
const MAX_RUNNING = 128;
/** A handshake that takes longer no longer keeps others waiting: its peer is slow, or does not answer on purpose. */
const TURN_MS = 1000;
/** Most bytes of a peer that waits: the largest record of TLS. A ClientHello has some hundred. */
const MAX_FIRST_BYTES = 16 * 1024 + 5;

interface Waiting {
  readonly socket: Socket;
  readonly peer: string;
  readonly chunks: Buffer[];
}

/** A queue without connections. */
export function createHandshakeQueue({ start, firstBytesTimeoutMs, clock }: HandshakeQueueOptions): HandshakeQueue {
  /** By address. The first address is the next one. */
  const waiting = new Map<string, Set<Waiting>>();
  /** Start of each handshake that counts, on the monotonic clock, by peer; the oldest first. */
  const running = new Map<string, number>();
  let isScheduled = false;
  let cancelTimer: (() => void) | undefined;

  const next = (): Waiting | undefined => {
    const [first] = waiting;
    if (first === undefined) return undefined;
    const [address, own] = first;
    const [connection] = own;
    waiting.delete(address);
    if (connection !== undefined && own.delete(connection) && own.size > 0) waiting.set(address, own);
    return connection;
  };
  const startSome = (): void => {
    isScheduled = false;
    const nowMs = clock.monotonic();
    for (const [peer, startedMs] of running) {
      if (nowMs - startedMs < TURN_MS) break;
      running.delete(peer);
    }
    while (running.size < MAX_RUNNING) {
      const connection = next();
      if (connection === undefined) return;
      running.set(connection.peer, nowMs);
      begin(connection, start);
    }
    cancelTimer ??= clock.after(TURN_MS, () => {
      cancelTimer = undefined;
      schedule();
    });
  };
  // Not at once: all that came with the same turn of the event loop is to be in the queue, and the socket that has just
  // been read must have returned to its caller before TLS takes it over.
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(startSome);
  };
  const release = (peer: string): void => {
    if (running.delete(peer) && waiting.size > 0) schedule();
  };
  return {
    complete: (socket) => release(peerOf(socket)),
    add: (socket) => {
      const address = socket.remoteAddress ?? '';
      const connection: Waiting = { socket, peer: peerOf(socket), chunks: [] };
      let size = 0;
      socket.setTimeout(firstBytesTimeoutMs, () => socket.destroy());
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_FIRST_BYTES) return void socket.destroy();
        connection.chunks.push(chunk);
        if (connection.chunks.length > 1) return;
        socket.setTimeout(0);
        waiting.set(address, (waiting.get(address) ?? new Set()).add(connection));
        schedule();
      });
      socket.once('close', () => {
        const own = waiting.get(address);
        if (own?.delete(connection) === true && own.size === 0) waiting.delete(address);
        release(connection.peer);
      });
    },
  };
}

function begin({ socket, chunks }: Waiting, start: HandshakeQueueOptions['start']): void {
  socket.removeAllListeners('data');
  socket.removeAllListeners('timeout');
  socket.pause();
  socket.unshift(Buffer.concat(chunks));
  start(socket);
}
