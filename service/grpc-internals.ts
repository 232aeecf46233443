import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { ChannelCredentials } from '@grpc/grpc-js';

/*
 * The places where we depend on internals of grpc-js, because it has no option for what they do. The version is pinned
 * in package.json; docs/decisions/0012-grpc-internals.md says why, and what would make each superfluous.
 */

/**
 * Tracks the sockets that a client opens with `credentials`; the result destroys them. A client that is closed during a
 * handshake continues it: behind a collector that accepts connections and never answers, each attempt would leave one.
 */
export function trackSockets(credentials: ChannelCredentials): () => void {
  const sockets = new Set<Socket>();
  let isOver = false;
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      if (isOver) socket.destroy();
      return connect(socket);
    };
    return connector;
  };
  return () => {
    isOver = true;
    for (const socket of sockets) socket.destroy();
  };
}

/** Stops a server call from reading ahead: it would hold 16 messages of up to 1 MiB for each session that waits. */
export function readOneAtATime(call: Readable): void {
  const { _readableState: state } = call as Readable & { _readableState?: { highWaterMark?: number } };
  if (state?.highWaterMark !== undefined) state.highWaterMark = 1;
}

/**
 * Limits the size of the next messages of one server call. The option of grpc-js is for all calls of a server, and a
 * call buffers a message of that size before anything is known of its peer.
 */
export function limitMessages(call: object, maxBytes: number): void {
  const { decoder } = (call as { call?: { decoder?: { maxReadMessageLength?: number } } }).call ?? {};
  if (decoder?.maxReadMessageLength !== undefined) decoder.maxReadMessageLength = maxBytes;
}

interface Decoder {
  readonly readState?: number;
  readPartialMessage?: unknown[];
  readCompressFlag?: Buffer;
}

const NO_BYTES = Buffer.alloc(0);
/** Shared by all calls: the decoder begins a new list with each message. If it ever did not, it would fail here. */
const NO_PARTS = Object.freeze<unknown[]>([]) as unknown[];

/**
 * Releases the parts of the last whole message of one server call. The decoder of grpc-js holds them until the next
 * message begins: of each idle session, up to the largest message. Not to be called before the message was received.
 */
export function releaseLastMessage(call: object): void {
  const { decoder } = (call as { call?: { decoder?: Decoder } }).call ?? {};
  // State 0: between two messages.
  if (decoder?.readState !== 0) return;
  decoder.readPartialMessage = NO_PARTS;
  // One byte, cut out of the first part.
  decoder.readCompressFlag = NO_BYTES;
}
