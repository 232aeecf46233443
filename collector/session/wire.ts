import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeAgentMessage, FLEET_SERVICE } from '../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage } from '../../proto/fleet.ts';

/** The call of a session, seen from the collector. Messages come as bytes: they are read when their turn comes. */
export type SessionCall = ServerDuplexStream<Buffer, CollectorMessage>;

/** How a session ended: gRPC status code and what the node is told. */
export interface Ending {
  readonly code: number;
  readonly details: string;
}

/**
 * The service as grpc-js takes it. It hands bytes on: a message that is read takes several times their room, and one that
 * cannot be read must end its session with INVALID_ARGUMENT, where grpc-js would say INTERNAL.
 */
export const SESSION_SERVICE = Object.freeze({
  Session: { ...FLEET_SERVICE.Session, requestDeserialize: (bytes: Buffer) => bytes },
} as const);

/** Decodes a message; returns the reason if the bytes are no message. */
export function readMessage(bytes: Buffer): AgentMessage | string {
  try {
    return decodeAgentMessage(bytes);
  } catch (error) {
    return `not a message: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Tag of `AgentMessage.delta`: field 2, length-delimited. Encoders write the one field that a message has first. */
const DELTA_TAG = 0x12;

/** Does this message bring findings? Only a guess, so that it need not be read to be told. */
export function isDelta(bytes: Buffer): boolean {
  return bytes[0] === DELTA_TAG;
}

/**
 * Keeps a stream from reading ahead: it would hold 16 messages of up to 1 MiB for each session that waits. grpc-js has
 * no option for it, and streams have no setter; where the internals change, this does nothing.
 */
export function readOneAtATime(call: SessionCall): void {
  const { _readableState: state } = call as { _readableState?: { highWaterMark?: number } };
  if (state?.highWaterMark !== undefined) state.highWaterMark = 1;
}

/** Most bytes of a Hello. Stated in fleet.proto. */
export const MAX_HELLO_BYTES = 64 * 1024;

/**
 * Bounds the next messages of a call: grpc-js has one bound for all calls of a server, and would gather up to it before
 * anything is known of the peer. Where its internals change, this does nothing.
 */
export function boundMessages(call: SessionCall, maxBytes: number): void {
  const { decoder } = (call as { call?: { decoder?: { maxReadMessageLength?: number } } }).call ?? {};
  if (decoder?.maxReadMessageLength !== undefined) decoder.maxReadMessageLength = maxBytes;
}
