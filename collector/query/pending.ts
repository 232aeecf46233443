import type { QueryResult } from '../../proto/fleet.ts';
import type { NodeRow } from '../store/store.ts';
import type { QueryAnswer } from './query.ts';
import { createReassembly } from './reassembly.ts';
import type { NodeReply, Reassembly } from './reassembly.ts';

/** A query that is not answered by all nodes yet. */
export interface PendingQuery {
  /** Resolves once every node has its answer. */
  readonly answers: Promise<readonly QueryAnswer[]>;
  /** Nodes whose answer is still to come, and whether the query was sent to them. */
  readonly waiting: () => readonly { readonly nodeId: string; readonly isSent: boolean }[];
  readonly isWaiting: (nodeId: string) => boolean;
  /** The query was sent to this node. */
  readonly setSent: (nodeId: string) => void;
  /**
   * Takes a message of a node. `ignored`: nothing is expected of it (yet, or any more); `refused`: it said too much, and has an
   * error as its answer although it was not done.
   */
  readonly take: (nodeId: string, result: QueryResult) => 'taken' | 'refused' | 'ignored';
  /** Settles one node that will not answer; nothing happens if it has its answer. */
  readonly settle: (nodeId: string, outcome: Unanswered) => void;
}

/** Why there is no answer of a node. */
export type Unanswered =
  | { readonly outcome: 'error'; readonly error: string }
  | { readonly outcome: 'timeout'; readonly deadlineMs: number }
  | { readonly outcome: 'offline'; readonly sinceMs: number };

/** What the answers may take. */
export interface PendingLimits {
  /** Of one node. */
  readonly maxBytes: number;
  /** Of all nodes together. */
  readonly maxTotalBytes: number;
}

/** A query to `nodes`, none of which has answered. Answers come in the order of `nodes`. */
export function createPendingQuery(nodes: readonly NodeRow[], limits: PendingLimits): PendingQuery {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  /** Of each node whose answer is still to come what has come of it; undefined: the query was not sent to it yet. */
  const parts = new Map<string, Reassembly | undefined>(nodes.map((node) => [node.id, undefined]));
  const settled = new Map<string, QueryAnswer>();
  const { promise, resolve } = Promise.withResolvers<readonly QueryAnswer[]>();
  let totalBytes = 0;
  const claim = (bytes: number): boolean => {
    totalBytes += bytes;
    return totalBytes <= limits.maxTotalBytes;
  };
  const finishIfWhole = (): void => {
    if (parts.size > 0) return;
    resolve(nodes.flatMap((node) => settled.get(node.id) ?? []));
  };
  const settle = (nodeId: string, outcome: Unanswered | AnsweredOk): void => {
    const node = byId.get(nodeId);
    if (node === undefined || !parts.delete(nodeId)) return;
    settled.set(nodeId, { ...outcome, nodeId, nodeName: node.name });
    finishIfWhole();
  };
  finishIfWhole();
  return {
    answers: promise,
    waiting: () => [...parts].map(([nodeId, reassembly]) => ({ nodeId, isSent: reassembly !== undefined })),
    isWaiting: (nodeId) => parts.has(nodeId),
    setSent: (nodeId) => {
      if (parts.has(nodeId)) parts.set(nodeId, createReassembly(limits.maxBytes, claim));
    },
    take: (nodeId, result) => {
      const reassembly = parts.get(nodeId);
      if (reassembly === undefined) return 'ignored';
      const reply = reassembly.take(result);
      if (reply === undefined) return 'taken';
      settle(nodeId, answered(reply));
      return result.last === true ? 'taken' : 'refused';
    },
    settle,
  };
}

type AnsweredOk = Omit<Extract<QueryAnswer, { readonly outcome: 'ok' }>, 'nodeId' | 'nodeName'>;

function answered(reply: NodeReply): AnsweredOk | Unanswered {
  if (!reply.ok) return { outcome: 'error', error: reply.error };
  const { value, rows, truncated, unread } = reply;
  return { outcome: 'ok', value, rows, truncated, ...(unread.length === 0 ? {} : { unread }) };
}
