import { status } from '@grpc/grpc-js';
import type { CollectorMessage } from '../../proto/fleet.ts';
import type { LogFields, Logger } from '../../service/log.ts';
import { StoreError } from '../store/error.ts';
import { openConversation } from './conversation.ts';
import type { Conversation, ConversationContext } from './conversation.ts';
import { readHello } from './node-words.ts';
import type { Greeting } from './node-words.ts';
import { openOutbound } from './outbound.ts';
import type { Outbound } from './outbound.ts';
import type { Ending, Incoming, SessionCall } from './wire.ts';

/** A session that has said Hello. */
export interface OpenSession {
  readonly nodeId: string;
  /** Address of the other end, for the log. */
  readonly peer: string;
  readonly answersQueries: boolean;
  readonly send: (message: CollectorMessage) => boolean;
  readonly end: (ending: Ending) => void;
}

/** What a session needs, beside its call. */
export interface SessionContext extends ConversationContext {
  /** Cuts the connection of a call. */
  readonly disconnect: (peer: string) => void;
  /** Called once the session has said Hello, and again when it is over. */
  readonly onOpen: (session: OpenSession) => void;
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
  const outbound = openOutbound({
    call,
    maxUnsentMessages: settings.maxUnsentMessages,
    clock,
    disconnect: () => context.disconnect(peer),
    onEnd: ({ code, details }) => log.info({ code, details }, 'session over'),
  });
  const { send, end, over } = outbound;
  const cancelTimeout = clock.after(settings.helloTimeoutMs, () =>
    end({ code: status.DEADLINE_EXCEEDED, details: `no Hello within ${String(settings.helloTimeoutMs)} ms` }),
  );
  let session: OpenSession | undefined;
  let conversation: Conversation | undefined;
  try {
    // The stream must not be destroyed when we stop reading: the status has still to go out.
    for await (const incoming of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Incoming>) {
      if (over.aborted) break;
      let ending: Ending | undefined;
      if (!incoming.ok) ending = invalid(`not a message: ${incoming.problem}`);
      else if (conversation !== undefined) ending = await conversation.receive(incoming.message, incoming.bytes);
      else {
        const greeting = greetingOf(incoming);
        if (typeof greeting === 'string') ending = invalid(greeting);
        else {
          cancelTimeout();
          session = { nodeId, peer, answersQueries: greeting.answersQueries, send, end };
          context.onOpen(session);
          conversation = await welcome(nodeId, { greeting, outbound }, { ...context, log });
        }
      }
      if (ending !== undefined) end(ending);
    }
    await conversation?.settled();
    end({ code: status.OK, details: '' });
  } catch (error) {
    // Also thrown when the stream ends in any way but the node's own end.
    if (!over.aborted && !call.cancelled) end(endingOf(error, log));
  } finally {
    cancelTimeout();
    conversation?.release();
    if (session !== undefined) context.onOver(session);
  }
}

function greetingOf({ message }: Incoming & { ok: true }): Greeting | string {
  return message.hello ? readHello(message.hello) : 'a session begins with Hello';
}

async function welcome(
  nodeId: string,
  { greeting, outbound }: { readonly greeting: Greeting; readonly outbound: Outbound },
  context: SessionContext,
): Promise<Conversation> {
  const { epoch, ackedSequence, agentVersion, nodeName } = greeting;
  const state = await context.store.nodeState(nodeId);
  const committed = state?.epoch === epoch ? state.committedSequence : 0;
  // The node may know of more than the store: then the store was restored from a backup.
  const resync = state?.epoch !== epoch || ackedSequence > committed;
  const nowMs = context.clock.now();
  const name = nodeName === '' ? nodeId : nodeName;
  context.nodes.changeNow(nodeId, { name, agentVersion, connected: true, offlineSinceMs: 0, lastSeenMs: nowMs });
  context.log.info({ agentVersion, committed, resync }, 'session open');
  const { heartbeatIntervalMs } = context.settings;
  outbound.send({ welcome: { serverTimeMs: nowMs, committedSequence: committed, resync, heartbeatIntervalMs } });
  return openConversation({ nodeId, epoch, state, resync, outbound }, context);
}

function invalid(details: string): Ending {
  return { code: status.INVALID_ARGUMENT, details };
}

function endingOf(error: unknown, log: Logger): Ending {
  if (error instanceof StoreError) {
    log.error({ error }, 'the store does not answer');
    return { code: status.UNAVAILABLE, details: 'the collector cannot read its store' };
  }
  log.error({ error }, 'a session failed');
  return { code: status.INTERNAL, details: 'the collector has a defect' };
}

function withFields(log: Logger, always: LogFields): Logger {
  return {
    debug: (fields, message) => log.debug({ ...always, ...fields }, message),
    info: (fields, message) => log.info({ ...always, ...fields }, message),
    warn: (fields, message) => log.warn({ ...always, ...fields }, message),
    error: (fields, message) => log.error({ ...always, ...fields }, message),
  };
}
