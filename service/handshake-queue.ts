import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { networkOf, peerOf } from './connection-limit.ts';

/**
 * Starts TLS handshakes one after the other. A connection waits until its peer has sent a whole ClientHello, and then for
 * its turn: first come, first served among the connections of one network, and networks take turns. A handshake costs
 * some thousand times what a waiting connection costs, so none is begun for a peer that says nothing, that says it
 * slowly, or that has given up. Handshakes that fail are limited to {@link MAX_RUNNING} a second.
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
  /** A connection whose peer has not sent its ClientHello by then is closed. */
  readonly helloTimeoutMs: number;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
}

/** Handshakes in progress: a round trip of 200 ms still leaves room for 640 a second. */
const MAX_RUNNING = 128;
/** Of one network, so that one that completes none leaves room for the others. */
const MAX_RUNNING_OF_NETWORK = MAX_RUNNING / 2;
/**
 * A handshake that takes longer no longer keeps others waiting: its peer is slow, or does not answer on purpose. One that
 * fails earlier counts until then: a peer that repeats a recorded ClientHello pays nothing for it, and we a signature.
 */
const TURN_MS = 1000;
/** Most bytes of a peer that waits: the largest record of TLS. A ClientHello has some hundred. */
const MAX_FIRST_BYTES = 16 * 1024 + 5;

interface Waiting {
  readonly socket: Socket;
  readonly peer: string;
  /** What the peer has sent so far. */
  bytes: Buffer;
  /** Takes it out of the queue. */
  readonly onClose: () => void;
}

interface Running {
  readonly network: string;
  /** On the monotonic clock. */
  readonly startedMs: number;
}

const NO_BYTES = Buffer.alloc(0);
/** The event `close` follows. Outside of the queue: a listener holds what is around it. */
const ignoreError = (): void => undefined;

/** A queue without connections. */
export function createHandshakeQueue({ start, helloTimeoutMs, clock }: HandshakeQueueOptions): HandshakeQueue {
  /** By network. The first network is the next one. */
  const waiting = new Map<string, Set<Waiting>>();
  /** Handshakes that count, by peer; the oldest first. */
  const running = new Map<string, Running>();
  const runningOf = new Map<string, number>();
  let isScheduled = false;
  let cancelTimer: (() => void) | undefined;

  const count = (network: string, difference: number): void => {
    const own = (runningOf.get(network) ?? 0) + difference;
    if (own > 0) runningOf.set(network, own);
    else runningOf.delete(network);
  };
  const release = (peer: string): void => {
    const handshake = running.get(peer);
    if (handshake === undefined) return;
    running.delete(peer);
    count(handshake.network, -1);
  };
  /** Starts the handshake of the next connection; false: none may be started. */
  const startNext = (nowMs: number): boolean => {
    for (const [network, own] of waiting) {
      if ((runningOf.get(network) ?? 0) >= MAX_RUNNING_OF_NETWORK) continue;
      const [connection] = own;
      waiting.delete(network);
      if (connection === undefined || !own.delete(connection)) continue;
      if (own.size > 0) waiting.set(network, own);
      running.set(connection.peer, { network, startedMs: nowMs });
      count(network, 1);
      begin(connection, start);
      return true;
    }
    return false;
  };
  const startSome = (): void => {
    isScheduled = false;
    const nowMs = clock.monotonic();
    for (const [peer, { startedMs }] of running) {
      if (nowMs - startedMs < TURN_MS) break;
      release(peer);
    }
    while (running.size < MAX_RUNNING && startNext(nowMs));
    if (waiting.size === 0) return;
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
  return {
    complete: (socket) => {
      release(peerOf(socket));
      if (waiting.size > 0) schedule();
    },
    add: (socket) => {
      const network = networkOf(socket.remoteAddress ?? '');
      // From the start, not since the last byte: a ClientHello may come in many pieces, but not for ever.
      const cancelTimeout = clock.after(helloTimeoutMs, () => socket.destroy());
      const onClose = (): void => {
        cancelTimeout();
        const own = waiting.get(network);
        if (own?.delete(connection) === true && own.size === 0) waiting.delete(network);
      };
      const connection: Waiting = { socket, peer: peerOf(socket), bytes: NO_BYTES, onClose };
      let isWhole = false;
      socket.on('error', ignoreError);
      socket.on('data', (chunk: Buffer) => {
        const { bytes } = connection;
        if (bytes.length + chunk.length > MAX_FIRST_BYTES) return void socket.destroy();
        connection.bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
        if (isWhole || !isWholeRecord(connection.bytes)) return;
        isWhole = true;
        cancelTimeout();
        waiting.set(network, (waiting.get(network) ?? new Set()).add(connection));
        schedule();
      });
      socket.once('close', onClose);
    },
  };
}

/** Type of a record with a message of the handshake, RFC 8446, section 5.1: type (1), version (2), length (2). */
const HANDSHAKE_RECORD = 22;
const RECORD_HEADER_BYTES = 5;

/** Whether the first record is there; true for what is no ClientHello, which TLS refuses with the reason. */
function isWholeRecord(bytes: Buffer): boolean {
  if (bytes[0] !== HANDSHAKE_RECORD) return true;
  return bytes.length >= RECORD_HEADER_BYTES && bytes.length >= RECORD_HEADER_BYTES + bytes.readUInt16BE(3);
}

function begin({ socket, bytes, onClose }: Waiting, start: HandshakeQueueOptions['start']): void {
  // What listens to the socket lives as long as it, and would hold its ClientHello: 1.6 KiB for each node.
  socket.off('close', onClose);
  socket.removeAllListeners('data');
  socket.pause();
  socket.unshift(bytes);
  start(socket);
}
