import { status } from '@grpc/grpc-js';
import type { AgentMessage, FindingDelta, Heartbeat } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { NodeState, Store } from '../store/store.ts';
import { createAssembler } from './assembly.ts';
import type { PartialBudget, WholeDelta } from './assembly.ts';
import type { NodeRegistry } from './node-registry.ts';
import { readHeartbeat, readInventory } from './node-words.ts';
import type { Outbound } from './outbound.ts';
import type { QueryReplies } from './sessions.ts';
import type { SessionSettings } from './settings.ts';
import type { Ending } from './wire.ts';
import type { WriteOutcome, Writer } from './writer.ts';

/** What a node says after its Hello, and what comes of it. */
export interface Conversation {
  /** Takes the next message, `bytes` long on the wire; it must have resolved before the next. */
  readonly receive: (message: AgentMessage, bytes: number) => Promise<Ending | undefined>;
  /** Resolves once every delta that was received is answered, or the session is over. */
  readonly settled: () => Promise<void>;
  /** Lets go of an unfinished delta. */
  readonly release: () => void;
}

/** What a conversation needs. */
export interface ConversationContext {
  readonly store: Pick<Store, 'nodeState'>;
  readonly writer: Writer;
  readonly nodes: NodeRegistry;
  readonly replies: QueryReplies;
  readonly budget: PartialBudget;
  readonly settings: SessionSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a conversation begins. */
export interface Beginning {
  readonly nodeId: string;
  readonly epoch: string;
  readonly state: NodeState | undefined;
  /** The Welcome asks for all findings. */
  readonly resync: boolean;
  readonly outbound: Outbound;
}

/** Heartbeats without a snapshot after which a node that was asked for one is asked again. */
const RESYNC_PATIENCE = 3;

/** A conversation with a node that has been welcomed. */
export function openConversation(beginning: Beginning, context: ConversationContext): Conversation {
  const { nodeId, epoch, outbound } = beginning;
  const { store, writer, nodes, settings, clock, log } = context;
  const assembler = createAssembler(settings, context.budget);
  /** All findings were asked for: what comes before them has no place. */
  let resyncing = beginning.resync;
  let heartbeatsResyncing = 0;
  /** Deltas in the writer. */
  let pending = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();
  /** At least as many findings as the node has. */
  let findings = beginning.state?.findings ?? 0;
  let ackDue = 0;
  /** Runs while a delta is unfinished. */
  let cancelTimeout: (() => void) | undefined;

  const askResync = (reason: string): void => {
    resyncing = true;
    heartbeatsResyncing = 0;
    log.info({ reason }, 'asking for all findings');
    outbound.send({ resync: { reason } });
  };

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
      case 'duplicate':
        return ack(sequence);
      case 'gap':
        if (!resyncing) askResync(`deltas after ${String(result.committed)} are missing`);
        return;
      case 'failed':
        return outbound.end({ code: status.UNAVAILABLE, details: 'the collector cannot store what this node says' });
    }
  };

  const settle = (sequence: number, result: WriteOutcome): void => {
    // First, so that the answer goes out before the end that waits for it.
    answer(sequence, result);
    pending -= 1;
    if (pending === 0) idle.resolve();
  };

  const tooMany = async (delta: WholeDelta): Promise<Ending | undefined> => {
    const added = delta.put.length;
    if (!delta.snapshot && findings + added > settings.maxNodeFindings)
      findings = (await store.nodeState(nodeId))?.findings ?? 0;
    findings = added + (delta.snapshot ? 0 : findings);
    if (findings <= settings.maxNodeFindings) return undefined;
    const details = `this node would have more than ${String(settings.maxNodeFindings)} findings`;
    return { code: status.RESOURCE_EXHAUSTED, details };
  };

  const onDelta = async (part: FindingDelta, bytes: number): Promise<Ending | undefined> => {
    const assembled = assembler.add(part, bytes);
    if (assembled.state === 'refused') return assembled.ending;
    if (assembled.state === 'partial') {
      cancelTimeout ??= clock.after(settings.deltaTimeoutMs, () => {
        const details = `a delta is unfinished after ${String(settings.deltaTimeoutMs)} ms`;
        outbound.end({ code: status.DEADLINE_EXCEEDED, details });
      });
      return undefined;
    }
    cancelTimeout?.();
    cancelTimeout = undefined;
    const { delta } = assembled;
    if (resyncing && !delta.snapshot) return undefined;
    const excess = await tooMany(delta);
    if (excess !== undefined) return excess;
    if (delta.snapshot) resyncing = false;
    if (pending === 0) idle = Promise.withResolvers();
    pending += 1;
    const commit = { nodeId, epoch, ...delta, receivedAtMs: clock.now() };
    await writer.add(commit, outbound.over, (result) => settle(delta.sequence, result));
    return undefined;
  };

  const onHeartbeat = async (heartbeat: Heartbeat): Promise<void> => {
    nodes.change(nodeId, { ...readHeartbeat(heartbeat), lastSeenMs: clock.now() });
    if (resyncing) {
      heartbeatsResyncing += 1;
      if (heartbeatsResyncing >= RESYNC_PATIENCE) askResync('all findings were asked for and did not come');
      return;
    }
    if (pending > 0) return;
    const state = await store.nodeState(nodeId);
    const reason = state?.epoch === epoch ? divergence(heartbeat, state) : undefined;
    if (reason !== undefined) askResync(reason);
  };

  return {
    receive: async ({ hello, delta, inventory, heartbeat, queryResult }, bytes) => {
      if (hello) return { code: status.INVALID_ARGUMENT, details: 'a second Hello' };
      if (delta) return onDelta(delta, bytes);
      if (heartbeat) await onHeartbeat(heartbeat);
      if (queryResult) context.replies.onResult(nodeId, queryResult);
      if (inventory) {
        const changes = readInventory(inventory);
        if (typeof changes === 'string') return { code: status.INVALID_ARGUMENT, details: changes };
        nodes.changeNow(nodeId, { ...changes, lastSeenMs: clock.now() });
      }
      // What is none of these comes from a later version, and is ignored.
      return undefined;
    },
    settled: () => {
      outbound.over.addEventListener('abort', () => idle.resolve(), { once: true });
      return outbound.over.aborted ? Promise.resolve() : idle.promise;
    },
    release: () => {
      cancelTimeout?.();
      assembler.release();
    },
  };
}

/** Why the findings of both sides cannot be the same; undefined if they are, or if deltas are still on their way. */
function divergence({ sequence, digest, findings }: Heartbeat, state: NodeState): string | undefined {
  const produced = sequence ?? 0;
  if (produced > state.committedSequence) return undefined;
  if (produced < state.committedSequence)
    return `this node is at delta ${String(produced)}, the collector at ${String(state.committedSequence)}`;
  if ((digest ?? 0) === state.digest && (findings ?? 0) === state.findings) return undefined;
  return `the digests of ${String(findings ?? 0)} and ${String(state.findings)} findings differ`;
}
