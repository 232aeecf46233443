import { isNeverEnrolled } from '../session/missing-node.ts';
import type { NodeRow } from '../store/store.ts';

/**
 * connected: heard of lately. stale: its session is open, but heartbeats are missing. offline: it has no session.
 * neverEnrolled: a node of the cluster that never had a session.
 */
export type NodePresence = 'connected' | 'stale' | 'offline' | 'neverEnrolled';

/** The state of one node's agent, as far as the collector knows. */
export interface NodeHealth {
  readonly id: string;
  readonly name: string;
  readonly presence: NodePresence;
  readonly lastSeenMs: number;
  readonly agentVersion: string;
  readonly agentRssBytes: number;
  readonly agentCpuMs: number;
  /** Deltas that the agent had to drop. */
  readonly dropped: number;
  /** The agent takes more memory or CPU than it may. */
  readonly overBudget: boolean;
}

/** What freshness is judged by. */
export interface FreshnessTerms {
  readonly nowMs: number;
  readonly heartbeatMs: number;
  /** Ids of nodes whose agent is over its budget. */
  readonly overBudget: ReadonlySet<string>;
}

/** Missed heartbeats that make a node stale. */
export const MISSED_HEARTBEATS = 3;
/** A heartbeat is sent after its interval, not within it, and its row is written a second later. */
const GRACE_MS = 5_000;

/**
 * The health of each node, worst first: offline, stale, those with something else, those that were never enrolled: whoever
 * can create Node objects must not push others out of a list. Of the same, the longest unseen come first.
 */
export function judgeNodes(nodes: readonly NodeRow[], terms: FreshnessTerms): readonly NodeHealth[] {
  return nodes
    .map((node) => ({
      id: node.id,
      // Messages need a name.
      name: node.name.trim() === '' ? node.id : node.name,
      presence: presenceOf(node, terms),
      lastSeenMs: node.lastSeenMs,
      agentVersion: node.agentVersion,
      agentRssBytes: node.agentRssBytes,
      agentCpuMs: node.agentCpuMs,
      dropped: node.dropped,
      overBudget: terms.overBudget.has(node.id),
    }))
    .sort(
      (one, other) =>
        urgency(one) - urgency(other) || one.lastSeenMs - other.lastSeenMs || (one.id < other.id ? -1 : 1),
    );
}

/** The presence of one node by the collector's clock. */
export function presenceOf(
  { connected, lastSeenMs }: Pick<NodeRow, 'connected' | 'lastSeenMs'>,
  { nowMs, heartbeatMs }: Pick<FreshnessTerms, 'nowMs' | 'heartbeatMs'>,
): NodePresence {
  if (isNeverEnrolled({ lastSeenMs })) return 'neverEnrolled';
  if (!connected) return 'offline';
  return nowMs - lastSeenMs > MISSED_HEARTBEATS * heartbeatMs + GRACE_MS ? 'stale' : 'connected';
}

function urgency({ presence, dropped, overBudget }: NodeHealth): number {
  if (presence === 'offline') return 0;
  if (presence === 'stale') return 1;
  if (presence === 'neverEnrolled') return 3;
  return dropped > 0 || overBudget ? 2 : 4;
}
