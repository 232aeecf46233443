import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeAgentMessage, encodeCollectorMessage, FLEET_SERVICE } from '../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage } from '../../proto/fleet.ts';

/** A message to a node, also one that is encoded already because many nodes get it. */
export type Outgoing = CollectorMessage | Buffer;

/** The call of a session, seen from the collector. Messages are bytes, decoded when their turn comes. */
export type SessionCall = ServerDuplexStream<Buffer, Outgoing>;

/** How a session ended: gRPC status code and details for the node. */
export interface Ending {
  readonly code: number;
  readonly details: string;
}

/**
 * The service for grpc-js. It passes bytes on: a decoded message takes several times their memory, and one that cannot
 * be decoded must end its session with INVALID_ARGUMENT, where grpc-js answers INTERNAL.
 */
export const SESSION_SERVICE = Object.freeze({
  Session: {
    ...FLEET_SERVICE.Session,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (message: Outgoing) => (Buffer.isBuffer(message) ? message : encodeCollectorMessage(message)),
  },
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

/** Whether the message contains findings, judged by its first byte: it is not decoded yet. */
export function isDelta(bytes: Buffer): boolean {
  return bytes[0] === DELTA_TAG;
}

/** Largest Hello in bytes, as fleet.proto states. */
export const MAX_HELLO_BYTES = 64 * 1024;
