import { status } from '@grpc/grpc-js';
import type { AgentMessage } from '../../proto/fleet.ts';
import type { LogFields, Logger } from '../../service/log.ts';
import { MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import { sleep } from '../../service/clock.ts';
import { limitMessages } from '../../service/grpc-internals.ts';
import { StoreError } from '../store/error.ts';
import { COLLECTOR_EPOCH } from './missing-node.ts';
import { createMessageHandler } from './message-handler.ts';
import type { MessageHandler, MessageHandlerContext } from './message-handler.ts';
import type { AgentRun } from './identity-guard.ts';
import type { NodeQuota } from './node-quota.ts';
import { parseHello } from './message-parsing.ts';
import type { ParsedHello } from './message-parsing.ts';
import { receiveMessages } from './receive-stream.ts';
import type { Handled } from './receive-stream.ts';
import { openSendStream } from './send-stream.ts';
import type { SendStream } from './send-stream.ts';
import type { Mutex } from './mutex.ts';
import { isDelta, MAX_HELLO_BYTES, readMessage } from './wire.ts';
import type { Ending, Outgoing, SessionCall } from './wire.ts';

/** A session that has said Hello. */
export interface OpenSession {
  readonly nodeId: string;
  /** Address of the other end, for the log. */
  readonly peer: string;
  readonly answersQueries: boolean;
  /** Which run of which agent it is. */
  readonly run: AgentRun;
  readonly send: (message: Outgoing) => boolean;
  /** Asks for all findings. */
  readonly resync: (reason: string) => void;
  readonly end: (ending: Ending) => void;
}

/** What a session needs, beside its call. */
export interface SessionContext extends MessageHandlerContext {
  /** Sessions hand their findings over one after the other. */
  readonly intake: Mutex;
  /** Cuts the connection of a call. */
  readonly disconnect: (peer: string) => void;
  /** The node was acknowledged more than the store holds. Resolves before anything of it may be committed. */
  readonly onNodeAhead: (nodeId: string) => Promise<void>;
  /** The data directory of the node was restored: it has sent less than the store holds. */
  readonly onNodeRestored: (nodeId: string) => void;
  /** What a session of this node has to wait for before it begins; undefined: nothing. */
  readonly holdsUp: (nodeId: string) => Promise<void> | undefined;
  readonly quota: NodeQuota;
  /** Name of the node in its certificate; empty: the node names itself. */
  readonly verifiedName: string;
  /** Called at once, with what ends the session. */
  readonly onStart: (end: (ending: Ending) => void) => void;
  /** Called once the session has said Hello; the answer is why it must end. `onOver` is called when it is over. */
  readonly onOpen: (session: OpenSession) => Ending | undefined;
  readonly onOver: (session: OpenSession) => void;
}

/**
 * Holds one session from Hello to its end; resolves when it is over, and never rejects. Beside the rules of fleet.proto:
 * whatever breaks the contract ends the session with INVALID_ARGUMENT and says what it was, a delta beyond the bounds
 * with RESOURCE_EXHAUSTED, a store that fails for good with UNAVAILABLE. A single finding that cannot be read breaks
 * the contract: with the rest of its delta stored, both sides would differ for ever.
 */
export async function holdSession(call: SessionCall, nodeId: string, context: SessionContext): Promise<void> {
  const { clock, settings } = context;
  const peer = call.getPeer();
  const log = withFields(context.log, { nodeId, peer });
  const held: { session?: OpenSession; handler?: MessageHandler } = {};
  const outbound = openSendStream({
    call,
    maxUnsentMessages: settings.maxUnsentMessages,
    clock,
    disconnect: () => context.disconnect(peer),
    onEnd: ({ code, details }) => {
      log.info({ code, details }, 'session over');
      if (held.session !== undefined) context.onOver(held.session);
    },
  });
  const { send, end, over } = outbound;
  const cancelTimeout = clock.after(settings.helloTimeoutMs, () =>
    end({ code: status.DEADLINE_EXCEEDED, details: `no Hello within ${String(settings.helloTimeoutMs)} ms` }),
  );
  const begin = async ({ hello }: AgentMessage): Promise<Ending | undefined> => {
    const greeting = hello ? parseHello(hello) : 'a session begins with Hello';
    if (typeof greeting === 'string') return invalid(greeting);
    cancelTimeout();
    for (let wait = context.holdsUp(nodeId); wait !== undefined; wait = context.holdsUp(nodeId)) await wait;
    if (over.aborted) return undefined;
    // Before it is welcome there is nothing to ask: the Welcome does, if the store says so.
    const resync = (reason: string): void => held.handler?.resync(reason);
    const { answersQueries, epoch, instance } = greeting;
    const session = { nodeId, peer, answersQueries, run: { epoch, instance, peer }, send, resync, end };
    const refusal = context.onOpen(session);
    if (refusal !== undefined) return refusal;
    held.session = session;
    limitMessages(call, MAX_MESSAGE_BYTES);
    held.handler = await welcome(nodeId, { greeting, outbound }, { ...context, log });
    return undefined;
  };
  const take = (bytes: Buffer): Handled => {
    const message = readMessage(bytes);
    if (typeof message === 'string') return invalid(message);
    // It would pass the quota of changes.
    if (message.delta && !isDelta(bytes)) return invalid('a delta comes after something else in its message');
    return held.handler === undefined ? begin(message) : held.handler.receive(message, bytes.length);
  };
  const takeDelta = async (bytes: Buffer): Promise<Ending | undefined> => {
    const next = context.quota.nextDelta();
    if ('excess' in next) return { code: status.RESOURCE_EXHAUSTED, details: next.excess };
    if (next.waitMs > 0) await sleep(clock, next.waitMs, over);
    // Only one session at a time has findings in memory that are not in the writer's queue.
    const leave = await context.intake.acquire();
    try {
      return over.aborted ? undefined : await take(bytes);
    } finally {
      leave();
    }
  };
  const receive = (bytes: Buffer): Handled => (isDelta(bytes) ? takeDelta(bytes) : take(bytes));
  limitMessages(call, MAX_HELLO_BYTES);
  context.onStart(end);
  try {
    const ending = await receiveMessages(call, receive);
    if (ending === undefined) await held.handler?.settled();
    end(ending ?? { code: status.OK, details: '' });
  } catch (error) {
    // Also thrown when the stream ends in any way but the node's own end.
    if (!call.cancelled && !over.aborted) end(endingOf(error, log));
  } finally {
    cancelTimeout();
    held.handler?.release();
    end({ code: status.CANCELLED, details: 'the node is gone' });
  }
  await outbound.closed;
}

async function welcome(
  nodeId: string,
  { greeting, outbound }: { readonly greeting: ParsedHello; readonly outbound: SendStream },
  context: SessionContext,
): Promise<MessageHandler> {
  const { epoch, ackedSequence, sentSequence, agentVersion, nodeName } = greeting;
  const nowMs = context.clock.now();
  const name = context.verifiedName || nodeName || nodeId;
  // Before anything is awaited: the end of the session may come in between, and must have the last word.
  context.nodes.changeNow(nodeId, { name, agentVersion, connected: true, offlineSinceMs: 0, lastSeenMs: nowMs });
  const stored = await context.store.replicationState(nodeId);
  // A node that the collector has only listed as missing: nothing of it comes from an agent.
  const isListedOnly = stored?.epoch === COLLECTOR_EPOCH;
  const state = isListedOnly ? undefined : stored;
  const committed = state?.epoch === epoch ? state.committedSequence : 0;
  // The node may know of more than the store: then the store was restored from a backup.
  const isAhead = state?.epoch === epoch && ackedSequence > committed;
  if (isAhead) await context.onNodeAhead(nodeId);
  if (sentSequence !== undefined && sentSequence < committed) context.onNodeRestored(nodeId);
  // A node that was never seen sends what waits first, so that what ended before its first contact has a history.
  const isNew = state === undefined && ackedSequence === 0;
  const resync = isListedOnly || (!isNew && (state?.epoch !== epoch || isAhead));
  context.log.info({ agentVersion, committed, resync }, 'session open');
  const { heartbeatIntervalMs } = context.settings;
  outbound.send({
    welcome: { serverTimeMs: nowMs, committedSequence: committed, resync, heartbeatIntervalMs, images: true },
  });
  return createMessageHandler({ nodeId, epoch, state, resync, outbound }, context);
}

function invalid(details: string): Ending {
  return { code: status.INVALID_ARGUMENT, details };
}

function endingOf(error: unknown, log: Logger): Ending {
  if (error instanceof StoreError) {
    log.error({ error }, 'the store cannot be read');
    return { code: status.UNAVAILABLE, details: 'the collector cannot read its store' };
  }
  log.error({ error }, 'a session failed');
  return { code: status.INTERNAL, details: 'internal error of the collector; its log has the details' };
}

function withFields(log: Logger, always: LogFields): Logger {
  return {
    debug: (fields, message) => log.debug({ ...always, ...fields }, message),
    info: (fields, message) => log.info({ ...always, ...fields }, message),
    warn: (fields, message) => log.warn({ ...always, ...fields }, message),
    error: (fields, message) => log.error({ ...always, ...fields }, message),
  };
}
