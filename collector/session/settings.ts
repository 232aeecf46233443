/** Bounds and times of sessions. */
export interface SessionSettings {
  /** How often nodes are asked to send a Heartbeat. */
  readonly heartbeatIntervalMs: number;
  /** A connection whose TLS handshake is not finished by then is cut. */
  readonly handshakeTimeoutMs: number;
  /** A connection that has no session for this long is closed. */
  readonly idleConnectionMs: number;
  /** A session whose Hello is not there by then is ended. */
  readonly helloTimeoutMs: number;
  /** Nodes with a session at a time; one more is refused. */
  readonly maxSessions: number;
  /** Findings and gone identities in one delta, over all its parts. */
  readonly maxDeltaFindings: number;
  /** Bytes of one delta, over all its parts. */
  readonly maxDeltaBytes: number;
  /** A delta whose last part is not there by then ends its session. */
  readonly deltaTimeoutMs: number;
  /** Bytes of unfinished deltas of all sessions together; a session that needs more is refused for now. */
  readonly maxPartialBytes: number;
  /** Findings that one node may have. */
  readonly maxNodeFindings: number;
  /** Findings that wait for the store; when there are more, sessions are not read until it has caught up. */
  readonly maxQueuedFindings: number;
  /** Findings in one transaction. */
  readonly maxBatchFindings: number;
  /** Messages that wait for a node that does not read; with one more its session is ended. */
  readonly maxUnsentMessages: number;
  /** What is known of a node is written at most this often while it is connected. */
  readonly nodeWriteMs: number;
  /** Silence after which a peer is pinged, and how long its answer may take. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** What holds where nothing else is set. */
export const DEFAULT_SESSION_SETTINGS: SessionSettings = Object.freeze({
  heartbeatIntervalMs: 30_000,
  handshakeTimeoutMs: 10_000,
  idleConnectionMs: 60_000,
  helloTimeoutMs: 10_000,
  maxSessions: 10_000,
  maxDeltaFindings: 200_000,
  maxDeltaBytes: 64 * 1024 * 1024,
  deltaTimeoutMs: 120_000,
  maxPartialBytes: 128 * 1024 * 1024,
  maxNodeFindings: 200_000,
  maxQueuedFindings: 20_000,
  maxBatchFindings: 10_000,
  maxUnsentMessages: 256,
  nodeWriteMs: 1000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
});
