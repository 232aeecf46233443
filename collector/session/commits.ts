import { status } from '@grpc/grpc-js';
import type { Clock } from '../../service/clock.ts';
import type { WholeDelta } from './delta-reassembler.ts';
import type { ReplicationState } from '../store/store.ts';
import type { NodeQuota } from './node-quota.ts';
import type { SendStream } from './send-stream.ts';
import type { Resync } from './resync.ts';
import type { WriteOutcome, Writer } from './writer.ts';

/** The deltas of one session that are being stored. */
export interface Commits {
  /** Resolves once the delta is in the writer's queue. */
  readonly add: (delta: WholeDelta) => Promise<void>;
  /** Number of deltas that are not answered yet. */
  readonly pending: () => number;
  /** Resolves once all are answered, or the session is over. */
  readonly settled: () => Promise<void>;
}

/** The session that the deltas belong to. */
export interface CommitsOf {
  readonly nodeId: string;
  readonly epoch: string;
  /** What the store knew of it at the beginning. */
  readonly state: ReplicationState | undefined;
  readonly outbound: SendStream;
  readonly resync: Resync;
}

/** Stores the deltas of one session and answers each: with an Ack after its commit, or with a Resync. */
export function openCommits(
  { nodeId, epoch, state, outbound, resync }: CommitsOf,
  { writer, quota, clock }: { readonly writer: Writer; readonly quota: NodeQuota; readonly clock: Clock },
): Commits {
  let pending = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();
  let ackDue = 0;
  /** The first transfer of a new node does not count against its quota. */
  let isFirst = state === undefined && quota.isNew();

  /** One Ack for all that one transaction has committed. */
  const ack = (sequence: number): void => {
    if (ackDue === 0)
      queueMicrotask(() => {
        outbound.send({ ack: { sequence: ackDue } });
        ackDue = 0;
      });
    ackDue = sequence;
  };
  const answer = (sequence: number, result: WriteOutcome): void => {
    switch (result.outcome) {
      case 'applied':
        if (isFirst) isFirst = false;
        else quota.countEvents(result.count);
        return ack(sequence);
      case 'duplicate':
        return ack(sequence);
      case 'gap':
        if (!resync.isPending()) resync.request(`deltas after ${String(result.committed)} are missing`);
        return;
      case 'failed':
        return outbound.end({
          code: status.UNAVAILABLE,
          details: 'the collector cannot store a delta of this node; its log has the reason',
        });
    }
  };
  const settle = (sequence: number, result: WriteOutcome): void => {
    // First, so that the answer goes out before the end that waits for it.
    answer(sequence, result);
    pending -= 1;
    if (pending === 0) idle.resolve();
  };

  return {
    add: async (delta) => {
      if (pending === 0) idle = Promise.withResolvers();
      pending += 1;
      const commit = { nodeId, epoch, ...delta, receivedAtMs: clock.now() };
      await writer.add(commit, outbound.over, (result) => settle(delta.sequence, result));
    },
    pending: () => pending,
    settled: () => {
      outbound.over.addEventListener('abort', () => idle.resolve(), { once: true });
      return outbound.over.aborted ? Promise.resolve() : idle.promise;
    },
  };
}
