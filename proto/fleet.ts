import './plain-numbers.ts';
import { plimsoll } from './generated/fleet.js';
import { TextReader } from './text-reader.ts';

const { v1 } = plimsoll;

/** What a node says; see plimsoll/v1/fleet.proto. */
export type AgentMessage = plimsoll.v1.AgentMessage.$Properties;
/** What the collector says. */
export type CollectorMessage = plimsoll.v1.CollectorMessage.$Properties;
/** See the message of the same name in fleet.proto. */
export type FindingDelta = plimsoll.v1.FindingDelta.$Properties;
/** See the message of the same name in fleet.proto. */
export type Heartbeat = plimsoll.v1.Heartbeat.$Properties;
/** See the message of the same name in fleet.proto. */
export type Hello = plimsoll.v1.Hello.$Properties;
/** See the message of the same name in fleet.proto. */
export type Welcome = plimsoll.v1.Welcome.$Properties;
/** See the message of the same name in fleet.proto. */
export type Inventory = plimsoll.v1.Inventory.$Properties;
/** See the message of the same name in fleet.proto. */
export type ImagesInUse = plimsoll.v1.ImagesInUse.$Properties;
/** See the message of the same name in fleet.proto. */
export type ImageInventory = plimsoll.v1.ImageInventory.$Properties;
/** See the message of the same name in fleet.proto. */
export type Query = plimsoll.v1.Query.$Properties;
/** See the message of the same name in fleet.proto. */
export type QueryResult = plimsoll.v1.QueryResult.$Properties;

/** Bound of one message on the wire, in bytes. Stated in fleet.proto. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Most findings, or gone identities, in one FindingDelta message. Stated in fleet.proto. */
export const MAX_FINDINGS_PER_MESSAGE = 500;

/** The bytes of a message from a node. */
export function encodeAgentMessage(message: AgentMessage): Buffer {
  return bufferOf(v1.AgentMessage.encode(message).finish());
}

/** A message from a node; throws on bytes that are no such message. */
export function decodeAgentMessage(bytes: Uint8Array): AgentMessage {
  return v1.AgentMessage.decode(new TextReader(bufferOf(bytes)));
}

/** The bytes of a message from the collector. */
export function encodeCollectorMessage(message: CollectorMessage): Buffer {
  return bufferOf(v1.CollectorMessage.encode(message).finish());
}

/** A message from the collector; throws on bytes that are no such message. */
export function decodeCollectorMessage(bytes: Uint8Array): CollectorMessage {
  return v1.CollectorMessage.decode(new TextReader(bufferOf(bytes)));
}

/** The bytes of a delta on its own, for the spool. */
export function encodeDelta(delta: FindingDelta): Buffer {
  return bufferOf(v1.FindingDelta.encode(delta).finish());
}

/** A delta read back from the spool; throws on bytes that are none. */
export function decodeDelta(bytes: Uint8Array): FindingDelta {
  return v1.FindingDelta.decode(new TextReader(bufferOf(bytes)));
}

/** protobufjs makes its own stubs, but they do not stream: this is the definition that grpc-js takes. */
export const FLEET_SERVICE = Object.freeze({
  Session: {
    path: '/plimsoll.v1.Fleet/Session',
    requestStream: true,
    responseStream: true,
    requestSerialize: encodeAgentMessage,
    requestDeserialize: decodeAgentMessage,
    responseSerialize: encodeCollectorMessage,
    responseDeserialize: decodeCollectorMessage,
  },
} as const);

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
