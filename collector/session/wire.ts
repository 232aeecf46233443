import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeAgentMessage, FLEET_SERVICE } from '../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage } from '../../proto/fleet.ts';

/** A message as it came in: read, or what was wrong with its bytes. */
export type Incoming =
  | { readonly ok: true; readonly message: AgentMessage; readonly bytes: number }
  | { readonly ok: false; readonly problem: string };

/** The call of a session, seen from the collector. */
export type SessionCall = ServerDuplexStream<Incoming, CollectorMessage>;

/** How a session ended: gRPC status code and what the node is told. */
export interface Ending {
  readonly code: number;
  readonly details: string;
}

/**
 * The service as grpc-js takes it. Reading never throws: grpc-js would end the session with INTERNAL, and a node that
 * speaks garbage must be told INVALID_ARGUMENT.
 */
export const SESSION_SERVICE = Object.freeze({
  Session: { ...FLEET_SERVICE.Session, requestDeserialize: readMessage },
} as const);

function readMessage(bytes: Buffer): Incoming {
  try {
    return { ok: true, message: decodeAgentMessage(bytes), bytes: bytes.length };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}
