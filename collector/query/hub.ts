import { randomUUID } from 'node:crypto';
import { compileExpression } from '../../posture/expression.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { QueryReplies, Sessions } from '../session/sessions.ts';
import type { NodeRow, Store } from '../store/store.ts';
import { createPendingQuery } from './pending.ts';
import type { PendingQuery } from './pending.ts';
import type { QueryRequest, QueryResponse, QueryService } from './query.ts';
import { resolveNodes } from './resolve.ts';
import type { Resolved } from './resolve.ts';

/** Bounds of what is asked of nodes. A request for more gets this much. */
export interface QueryLimits {
  readonly maxDeadlineMs: number;
  readonly maxRows: number;
  /** Of one node's answer. */
  readonly maxBytes: number;
  /** Of the answers of all nodes to one query. */
  readonly maxTotalBytes: number;
  /** Queries at once. One more is answered with errors. */
  readonly maxConcurrent: number;
}

/** Bounds that fit a collector with some hundred nodes: at most 8 × 64 MiB of answers in memory. */
export const DEFAULT_QUERY_LIMITS: QueryLimits = Object.freeze({
  maxDeadlineMs: 60_000,
  maxRows: 100_000,
  maxBytes: 8 * 1024 * 1024,
  maxTotalBytes: 64 * 1024 * 1024,
  maxConcurrent: 8,
});

/** What the hub works with. `sessions` is asked each time: sessions need the hub, and the hub needs them. */
export interface QueryHubOptions {
  readonly sessions: () => Sessions;
  readonly store: Pick<Store, 'nodes'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: QueryLimits;
}

/** Asks nodes, and hears from sessions what they answer. */
export interface QueryHub extends QueryService {
  readonly replies: QueryReplies;
  /** Messages that belonged to no query, or came from a node that was not asked or had answered. */
  readonly ignoredResults: () => number;
}

/** A node answers by its deadline, if only with an error; this long its answer may travel. */
const GRACE_MS = 2_000;
/**
 * Nodes that get a query in one turn of the event loop. While it is sent to the next, these answer, and sessions and the
 * API are served: written to 10,000 nodes in one turn, nothing is read for a third of a second.
 */
const NODES_PER_TURN = 250;

/** The hub of all live queries of this collector. */
export function createQueryHub(options: QueryHubOptions): QueryHub {
  const { store, clock, log, limits } = options;
  const pending = new Map<string, PendingQuery>();
  /** Also those that are still finding out whom to ask. */
  let running = 0;
  const runningOf = new Map<string, number>();
  let ignored = 0;

  const askNodes = async (request: QueryRequest, nodes: readonly NodeRow[], signal: AbortSignal) => {
    const id = randomUUID();
    const query = createPendingQuery(nodes, limits);
    pending.set(id, query);
    const endAll = (outcome: Parameters<PendingQuery['settle']>[1]): void => {
      for (const { nodeId, isSent } of query.waiting()) {
        if (isSent) options.sessions().send(nodeId, { cancel: { queryId: id } });
        query.settle(nodeId, outcome);
      }
    };
    const { deadlineMs } = request;
    const cancelTimer = clock.after(deadlineMs + GRACE_MS, () => endAll({ outcome: 'timeout', deadlineMs }));
    const abandoned = (): void => endAll({ outcome: 'error', error: 'nobody waits for the answer any more' });
    signal.addEventListener('abort', abandoned, { once: true });
    try {
      if (signal.aborted) abandoned();
      await sendQuery(options.sessions(), query, { id, request, nodes });
      return await query.answers;
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', abandoned);
      pending.delete(id);
    }
  };

  const ask: QueryService['ask'] = async (request, signal, caller): Promise<QueryResponse> => {
    const compiled = compileExpression(request.expression);
    if (!compiled.ok) return { outcome: 'invalid', error: compiled.problem };
    const own = caller === undefined ? 0 : (runningOf.get(caller) ?? 0);
    if (running >= limits.maxConcurrent || own >= Math.ceil(limits.maxConcurrent / 2))
      return refuseAll(resolveNodes(request.nodes, await store.nodes()));
    running += 1;
    if (caller !== undefined) runningOf.set(caller, own + 1);
    try {
      const resolved = resolveNodes(request.nodes, await store.nodes());
      if (!resolved.ok) return { outcome: 'unknownNode', error: resolved.error };
      return { outcome: 'answered', answers: await askNodes(bounded(request, limits), resolved.nodes, signal) };
    } finally {
      running -= 1;
      if (caller !== undefined) release(runningOf, caller);
    }
  };

  return {
    ask,
    ignoredResults: () => ignored,
    replies: {
      onResult: (nodeId, result) => {
        const queryId = result.queryId ?? '';
        const taken = pending.get(queryId)?.take(nodeId, result) ?? 'ignored';
        // We had to break off: the node need not send the rest.
        if (taken === 'refused') options.sessions().send(nodeId, { cancel: { queryId } });
        if (taken !== 'ignored') return true;
        ignored += 1;
        log.debug({ nodeId, queryId: queryId.slice(0, 64), ignored }, 'query result that nobody waits for');
        return false;
      },
      onDisconnect: (nodeId) => {
        const sinceMs = clock.now();
        for (const query of pending.values()) query.settle(nodeId, { outcome: 'offline', sinceMs });
      },
    },
  };
}

interface Sending {
  readonly id: string;
  readonly request: QueryRequest;
  readonly nodes: readonly NodeRow[];
}

/** Sends the query to the nodes that are connected; the others have their answer at once. */
async function sendQuery(sessions: Sessions, query: PendingQuery, { id, request, nodes }: Sending): Promise<void> {
  const { expression, deadlineMs, maxRows, maxBytes } = request;
  const message = { query: { id, expression, deadlineMs, maxRows, maxBytes } };
  const connected = new Set(sessions.connected());
  const refuse = ({ id: nodeId, connected: isConnected, offlineSinceMs, lastSeenMs }: NodeRow): void =>
    query.settle(
      nodeId,
      isConnected
        ? { outcome: 'error', error: 'the node is connected but takes no queries now' }
        : { outcome: 'offline', sinceMs: offlineSinceMs || lastSeenMs },
    );
  for (const node of nodes) if (!connected.has(node.id)) refuse(node);
  const reachable = nodes.filter((node) => connected.has(node.id));
  for (let start = 0; start < reachable.length; start += NODES_PER_TURN) {
    if (start > 0) await new Promise(setImmediate);
    // Some may have been lost in the meantime, and after a timeout or when nobody waits any more, none is left.
    const next = reachable.slice(start, start + NODES_PER_TURN).filter((node) => query.isWaiting(node.id));
    // Before it is sent, so that no answer comes too early.
    for (const node of next) query.setSent(node.id);
    const sent = sessions.sendAll(
      next.map((node) => node.id),
      message,
    );
    for (const node of next) if (!sent.has(node.id)) refuse(node);
  }
}

function bounded(request: QueryRequest, limits: QueryLimits): QueryRequest {
  const within = (asked: number, most: number): number => Math.max(1, Math.min(Math.trunc(asked), most));
  return {
    ...request,
    deadlineMs: within(request.deadlineMs, limits.maxDeadlineMs),
    maxRows: within(request.maxRows, limits.maxRows),
    maxBytes: within(request.maxBytes, limits.maxBytes),
  };
}

/** One less. */
function release(counts: Map<string, number>, name: string): void {
  const left = (counts.get(name) ?? 1) - 1;
  if (left > 0) counts.set(name, left);
  else counts.delete(name);
}

function refuseAll(resolved: Resolved): QueryResponse {
  if (!resolved.ok) return { outcome: 'unknownNode', error: resolved.error };
  const error = 'the collector has too many queries under way: try again';
  const answers = resolved.nodes.map(
    ({ id, name }) => ({ outcome: 'error', nodeId: id, nodeName: name, error }) as const,
  );
  return { outcome: 'answered', answers };
}
