import { status } from '@grpc/grpc-js';
import type { AgentMessage, FindingDelta, Heartbeat } from '../../proto/fleet.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { PackedFinding, ReplicationState, Store } from '../store/store.ts';
import { createDeltaReassembler } from './delta-reassembler.ts';
import type { PartialBudget, WholeDelta } from './delta-reassembler.ts';
import { openCommits } from './commits.ts';
import type { Commits } from './commits.ts';
import type { NodeQuota } from './node-quota.ts';
import type { NodeRegistry } from './node-registry.ts';
import type { ImageRequests } from './image-requests.ts';
import { createImageIntake } from './image-intake.ts';
import { parseHeartbeat, parseInventory } from './message-parsing.ts';
import type { SendStream } from './send-stream.ts';
import type { Handled } from './receive-stream.ts';
import { createResync } from './resync.ts';
import type { Resync } from './resync.ts';
import type { QueryReplies } from './sessions.ts';
import type { SessionSettings } from './settings.ts';
import type { Ending } from './wire.ts';
import type { Writer } from './writer.ts';

/** Handles the messages of a node after its Hello. */
export interface MessageHandler {
  /** Handles the next message, of `bytes` on the wire. A promise resolves before the next may be passed. */
  readonly receive: (message: AgentMessage, bytes: number) => Handled;
  /** Resolves once every delta that was received is answered, or the session is over. */
  readonly settled: () => Promise<void>;
  /** Asks for all findings. */
  readonly resync: (reason: string) => void;
  /** Discards an unfinished delta. */
  readonly release: () => void;
}

/** What a handler needs. */
export interface MessageHandlerContext {
  readonly store: Pick<Store, 'replicationState' | 'findingBytes' | 'images'>;
  readonly imageRequests: ImageRequests;
  /** What the store holds about images changed. */
  readonly onImagesChange: () => void;
  readonly writer: Writer;
  readonly nodes: NodeRegistry;
  readonly replies: QueryReplies;
  readonly budget: PartialBudget;
  readonly quota: NodeQuota;
  readonly settings: SessionSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** State of the session when the handler is created. */
export interface SessionStart {
  readonly nodeId: string;
  readonly epoch: string;
  readonly state: ReplicationState | undefined;
  /** The Welcome asks for all findings. */
  readonly resync: boolean;
  readonly outbound: SendStream;
}

/** A message handler for a node that has received its Welcome. */
export function createMessageHandler(beginning: SessionStart, context: MessageHandlerContext): MessageHandler {
  const { nodeId, outbound } = beginning;
  const { nodes, clock, log } = context;
  const resync = createResync(beginning.resync, (reason) => {
    log.info({ reason }, 'asking for all findings');
    outbound.send({ resync: { reason } });
  });
  const commits = openCommits({ ...beginning, resync }, context);
  const receiveDelta = deltaReceiver({ ...beginning, resync, commits }, context);

  const images = createImageIntake({
    ...context,
    nodeId,
    images: context.store.images,
    send: outbound.send,
    onChange: context.onImagesChange,
  });
  let hasInventory = false;
  /** A whole delta has come. */
  let hasDelta = false;
  const onHeartbeat = async (heartbeat: Heartbeat): Promise<void> => {
    nodes.change(nodeId, { ...parseHeartbeat(heartbeat), lastSeenMs: clock.now() });
    resync.heartbeat();
    if (resync.isPending() || commits.pending() > 0) return;
    const state = await context.store.replicationState(nodeId);
    // A node that was never seen may still be sending its first delta.
    if (state === undefined && beginning.state === undefined && !hasDelta) return;
    const reason = state?.epoch === beginning.epoch ? divergence(heartbeat, state) : LOST;
    if (reason !== undefined) resync.request(reason);
  };

  const onReport = async (message: AgentMessage): Promise<Ending | undefined> => {
    const { inventory, heartbeat, imagesInUse, imageInventory } = message;
    if (heartbeat) {
      await onHeartbeat(heartbeat);
      await images.retry();
    }
    const problem = imagesInUse ? await images.onImages(imagesInUse) : undefined;
    if (problem !== undefined) return { code: status.INVALID_ARGUMENT, details: problem };
    if (imageInventory) await images.onInventory(imageInventory);
    if (inventory) {
      const changes = parseInventory(inventory);
      if (typeof changes === 'string') return { code: status.INVALID_ARGUMENT, details: changes };
      // At once only the first: a node that says it all the time is written no more often than others.
      const change = hasInventory ? nodes.change : nodes.changeNow;
      hasInventory = true;
      change(nodeId, { ...changes, lastSeenMs: clock.now() });
      const omitted = inventory.containersOmitted ?? 0;
      if (omitted > 0) context.quota.noteExcess(`${String(omitted)} running containers do not fit into its list`);
    }
    // Anything else is from a later version and is ignored.
    return undefined;
  };

  const onUnasked = async (message: AgentMessage, bytes: number): Promise<Ending | undefined> => {
    const waitMs = context.quota.countMessage(bytes);
    const ending = await onReport(message);
    if (waitMs > 0 && ending === undefined) await sleep(clock, waitMs, outbound.over);
    return ending;
  };

  return {
    receive: (message, bytes) => {
      const { hello, delta, queryResult } = message;
      if (hello) return { code: status.INVALID_ARGUMENT, details: 'a second Hello' };
      if (delta) {
        hasDelta ||= delta.last === true;
        return receiveDelta.take(delta, bytes);
      }
      if (queryResult && context.replies.onResult(nodeId, queryResult)) return undefined;
      return onUnasked(message, bytes);
    },
    settled: commits.settled,
    resync: resync.request,
    release: () => {
      receiveDelta.release();
      images.release();
    },
  };
}

/** To count the bytes of all findings of a node costs as much as some events. */
const COUNT_COST = 500;

function findingBytes({ subject, name, detail }: PackedFinding): number {
  return Buffer.byteLength(subject) + Buffer.byteLength(name) + Buffer.byteLength(detail);
}

/** What was committed in this session is not there any more: the store was replaced. */
const LOST = 'the collector has lost the findings of this node';

type Parts = Omit<SessionStart, 'resync'> & { readonly resync: Resync; readonly commits: Commits };

/** Takes deltas part by part and hands them on when they are whole. */
function deltaReceiver(
  { nodeId, state, outbound, resync, commits }: Parts,
  { store, budget, quota, settings, clock }: MessageHandlerContext,
): {
  readonly take: (part: FindingDelta, bytes: number) => Promise<Ending | undefined>;
  readonly release: () => void;
} {
  const reassembler = createDeltaReassembler(settings, budget);
  /** At least as many findings as the node has. */
  let findings = state?.findings ?? 0;
  /** Runs while a delta is unfinished. */
  let cancelTimeout: (() => void) | undefined;
  const stopTimeout = (): void => {
    cancelTimeout?.();
    cancelTimeout = undefined;
  };
  const onTimeout = (): void => {
    const details = `a delta is unfinished after ${String(settings.deltaTimeoutMs)} ms`;
    outbound.end({ code: status.DEADLINE_EXCEEDED, details });
  };
  const tooMany = async ({ put, snapshot }: WholeDelta): Promise<Ending | undefined> => {
    if (!snapshot && findings + put.length > settings.maxNodeFindings)
      findings = (await store.replicationState(nodeId))?.findings ?? 0;
    findings = put.length + (snapshot ? 0 : findings);
    if (findings > settings.maxNodeFindings) return excess(`more than ${String(settings.maxNodeFindings)} findings`);
    const bytes = put.reduce((sum, one) => sum + findingBytes(one), 0);
    if (snapshot) quota.setFindingBytes(0);
    if (quota.countFindingBytes(bytes)) return undefined;
    if (!snapshot) {
      quota.countEvents(COUNT_COST);
      quota.setFindingBytes(await store.findingBytes(nodeId));
      if (quota.countFindingBytes(bytes)) return undefined;
    }
    return excess('findings that are too long together');
  };
  const excess = (what: string): Ending => {
    const details = `this node would have ${what}`;
    quota.noteExcess(details);
    return { code: status.RESOURCE_EXHAUSTED, details };
  };
  return {
    take: async (part, bytes) => {
      quota.countPart(bytes);
      const assembled = reassembler.add(part, bytes);
      if (assembled.state === 'refused') return assembled.ending;
      if (assembled.state === 'partial') {
        cancelTimeout ??= clock.after(settings.deltaTimeoutMs, onTimeout);
        return undefined;
      }
      stopTimeout();
      const { delta } = assembled;
      if (resync.isPending() && !delta.snapshot) return undefined;
      const excess = await tooMany(delta);
      if (excess !== undefined) return excess;
      if (!quota.countChecks(delta.put)) return { code: status.RESOURCE_EXHAUSTED, details: 'too many checks' };
      if (delta.snapshot) resync.received();
      await commits.add(delta);
      return undefined;
    },
    release: () => {
      stopTimeout();
      reassembler.release();
    },
  };
}

/** Why the findings of both sides cannot be the same; undefined if they are, or if deltas are still on their way. */
function divergence({ sequence, digest, findings }: Heartbeat, state: ReplicationState): string | undefined {
  const produced = sequence ?? 0;
  if (produced > state.committedSequence) return undefined;
  if (produced < state.committedSequence)
    return `this node is at delta ${String(produced)}, the collector at ${String(state.committedSequence)}`;
  if ((digest ?? 0) === state.digest && (findings ?? 0) === state.findings) return undefined;
  return `the digests of ${String(findings ?? 0)} and ${String(state.findings)} findings differ`;
}
