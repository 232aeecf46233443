import type { Clock } from '../../service/clock.ts';

/** One run of an agent, as its Hello names it, and where it comes from. */
export interface AgentRun {
  /** One life of its spool. */
  readonly epoch: string;
  /** One process; empty: an agent of a version that does not say. */
  readonly instance: string;
  readonly peer: string;
}

/** Two agents that live at the same time use the identity of one node. */
export interface IdentityConflict {
  readonly kind: 'identityConflict';
  readonly nodeId: string;
  /** Address of the one that has the session. */
  readonly connected: string;
  /** Address of the one that was refused last. */
  readonly refused: string;
  readonly attempts: number;
}

/** Of two agents with one identity, the first keeps the session as long as it lives. */
export interface IdentityGuard {
  /**
   * May `newcomer` have the session of this node, which `current` has? An agent that dials again or was started again
   * may; another one only once the first is gone, which the keepalive of its connection shows.
   */
  readonly admit: (nodeId: string, newcomer: AgentRun, current: AgentRun | undefined) => boolean;
  /** Conflicts of the last ten minutes. */
  readonly conflicts: () => readonly IdentityConflict[];
}

/** How long a conflict is reported after the last refusal: agents try at least every 30 s. */
const REPORTED_MS = 10 * 60_000;
/** Processes of one node that are remembered as replaced. */
const MAX_REPLACED = 16;

interface NodeRuns {
  /** Processes that lost the session to another one with the same spool: one that comes back was never gone. */
  readonly replaced: Set<string>;
  /** Processes that took the session from one that came back. */
  readonly late: Set<string>;
  conflict: (IdentityConflict & { readonly atMs: number }) | undefined;
}

/** A guard without known agents. */
export function createIdentityGuard(clock: Pick<Clock, 'monotonic'>): IdentityGuard {
  const nodes = new Map<string, NodeRuns>();
  const runsOf = (nodeId: string): NodeRuns => {
    const known = nodes.get(nodeId) ?? { replaced: new Set(), late: new Set(), conflict: undefined };
    nodes.set(nodeId, known);
    return known;
  };
  const note = (nodeId: string, runs: NodeRuns, connected: string, refused: string): void => {
    const attempts = (runs.conflict?.attempts ?? 0) + 1;
    runs.conflict = { kind: 'identityConflict', nodeId, connected, refused, attempts, atMs: clock.monotonic() };
  };
  return {
    admit: (nodeId, newcomer, current) => {
      if (current === undefined || isSameRun(newcomer, current)) return true;
      const runs = runsOf(nodeId);
      if (newcomer.epoch !== current.epoch || runs.late.has(newcomer.instance)) {
        note(nodeId, runs, current.peer, newcomer.peer);
        return false;
      }
      if (runs.replaced.has(newcomer.instance)) {
        // Both live, with copies of one spool: the first has its session back.
        remember(runs.late, current.instance);
        note(nodeId, runs, newcomer.peer, current.peer);
      } else if (current.instance !== '') remember(runs.replaced, current.instance);
      return true;
    },
    conflicts: () =>
      [...nodes.values()].flatMap(({ conflict }) => {
        if (conflict === undefined || clock.monotonic() - conflict.atMs > REPORTED_MS) return [];
        const { kind, nodeId, connected, refused, attempts } = conflict;
        return { kind, nodeId, connected, refused, attempts };
      }),
  };
}

function isSameRun(one: AgentRun, other: AgentRun): boolean {
  return one.epoch === other.epoch && one.instance === other.instance;
}

function remember(instances: Set<string>, instance: string): void {
  const [oldest] = instances;
  if (instances.size >= MAX_REPLACED && oldest !== undefined) instances.delete(oldest);
  instances.add(instance);
}
