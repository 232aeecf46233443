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

interface Slot {
  readonly node: NodeRow;
  /** What has come of the answer; undefined: the query was not sent to this node yet. */
  reassembly: Reassembly | undefined;
  answer: QueryAnswer | undefined;
}

/** A query that no node has answered yet. Answers come in the order of `nodes`, one for each. */
export function createPendingQuery(nodes: readonly NodeRow[], limits: PendingLimits): PendingQuery {
  const slots = new Map<string, Slot>(
    nodes.map((node) => [node.id, { node, reassembly: undefined, answer: undefined }]),
  );
  const { promise, resolve } = Promise.withResolvers<readonly QueryAnswer[]>();
  let missing = slots.size;
  let totalBytes = 0;
  const claim = (bytes: number): boolean => {
    totalBytes += bytes;
    return totalBytes <= limits.maxTotalBytes;
  };
  const finishIfWhole = (): void => {
    if (missing === 0) resolve([...slots.values()].flatMap(({ answer }) => answer ?? []));
  };
  const settle = (slot: Slot, outcome: Unanswered | AnsweredOk): void => {
    slot.reassembly = undefined;
    slot.answer = { ...outcome, nodeId: slot.node.id, nodeName: slot.node.name };
    missing -= 1;
    finishIfWhole();
  };
  const slotInWait = (nodeId: string): Slot | undefined => {
    const slot = slots.get(nodeId);
    return slot?.answer === undefined ? slot : undefined;
  };
  finishIfWhole();
  return {
    answers: promise,
    waiting: () =>
      [...slots.values()]
        .filter(({ answer }) => answer === undefined)
        .map(({ node, reassembly }) => ({ nodeId: node.id, isSent: reassembly !== undefined })),
    isWaiting: (nodeId) => slotInWait(nodeId) !== undefined,
    setSent: (nodeId) => {
      const slot = slotInWait(nodeId);
      if (slot !== undefined) slot.reassembly = createReassembly(limits.maxBytes, claim);
    },
    take: (nodeId, result) => {
      const slot = slots.get(nodeId);
      if (slot?.reassembly === undefined) return 'ignored';
      const reply = slot.reassembly.take(result);
      if (reply === undefined) return 'taken';
      settle(slot, answered(reply));
      return result.last === true ? 'taken' : 'refused';
    },
    settle: (nodeId, outcome) => {
      const slot = slotInWait(nodeId);
      if (slot !== undefined) settle(slot, outcome);
    },
  };
}

type AnsweredOk = Omit<Extract<QueryAnswer, { readonly outcome: 'ok' }>, 'nodeId' | 'nodeName'>;

function answered(reply: NodeReply): AnsweredOk | Unanswered {
  if (!reply.ok) return { outcome: 'error', error: reply.error };
  const { value, rows, truncated, unread } = reply;
  return { outcome: 'ok', value, rows, truncated, ...(unread.length === 0 ? {} : { unread }) };
}
