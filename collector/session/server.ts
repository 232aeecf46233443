import { status } from '@grpc/grpc-js';
import { encodeCollectorMessage } from '../../proto/fleet.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import type { RefusalNote } from '../refusal-recorder.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { NodeRow, Store } from '../store/store.ts';
import type { RepairedNode } from '../store/verification.ts';
import { storeMissingNode } from './missing-node.ts';
import type { MissingNode } from './missing-node.ts';
import { createNodeLock } from './node-lock.ts';
import { createNodeRemover } from './remove-node.ts';
import type { NodeRemover } from './remove-node.ts';
import { openListener } from './listener.ts';
import type { Listener } from './listener.ts';
import type { ListenerTls } from '../tls/tls-keeper.ts';
import { nodeIdentity } from '../../service/tls/node-identity.ts';
import type { NodeIdentity } from '../../service/tls/node-identity.ts';
import { createImageRequests } from './image-requests.ts';
import { createIdentityGuard } from './identity-guard.ts';
import type { IdentityConflict } from './identity-guard.ts';
import { createNodeQuotas, DEFAULT_QUOTA } from './node-quota.ts';
import type { LimitedNode, NodeQuota, QuotaTerms } from './node-quota.ts';
import { openNodeRegistry } from './node-registry.ts';
import { createNodeStreams } from './node-streams.ts';
import { holdSession } from './session.ts';
import type { OpenSession } from './session.ts';
import type { QueryReplies, Sessions } from './sessions.ts';
import { DEFAULT_SESSION_SETTINGS } from './settings.ts';
import type { SessionSettings } from './settings.ts';
import { createMutex } from './mutex.ts';
import type { Ending, SessionCall } from './wire.ts';
import { createWriter } from './writer.ts';

/** What the port for nodes needs. */
export interface SessionServerOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly tls: Omit<ListenerTls, 'serverCa'>;
  readonly store: Store;
  readonly eventBus: EventBus;
  readonly replies: QueryReplies;
  /** A node was acknowledged more than the store holds: the store was restored from a backup. */
  readonly onNodeAhead: (nodeId: string) => Promise<void>;
  /** Is a certificate of this node revoked, whose validity starts at `validFromMs`? */
  readonly isRevoked: (nodeId: string, validFromMs: number) => boolean;
  /** A session was refused, or another agent uses the identity of a node. */
  readonly onRefused?: (refusal: RefusalNote) => void;
  /** What the store holds about images changed. Default: nobody needs to know. */
  readonly onImagesChange?: () => void;
  /** What differs from DEFAULT_SESSION_SETTINGS. */
  readonly settings?: Partial<SessionSettings>;
  /** What differs from DEFAULT_QUOTA. */
  readonly quota?: Partial<QuotaTerms>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The port for nodes. */
export interface SessionServer {
  /** `host:port` with the real port. */
  readonly address: string;
  readonly sessions: Sessions;
  /** What is known of every node, as it is now. */
  readonly nodes: () => readonly NodeRow[];
  /** Nodes whose identity two agents use, that exceed their quota, or whose data directory was restored. */
  readonly problems: () => readonly NodeProblem[];
  /** The node has more of something than it may: `problems` says so for a while. */
  readonly noteExcess: (nodeId: string, reason: string) => void;
  /** Nodes whose identity two agents use. */
  readonly identityConflicts: () => readonly IdentityConflict[];
  readonly remove: NodeRemover['remove'];
  /** Stores a node that never had a session, with its finding. Rejects with the error of the store. */
  readonly putMissing: (node: MissingNode) => Promise<void>;
  /** Ends every stream of a node whose certificate was revoked. */
  readonly disconnectRevoked: (nodeId: string) => void;
  readonly useTls: Listener['useTls'];
  /** Asks every node for all findings, and writes what is known of nodes: to be called when the store was replaced. */
  readonly resync: (reason: string) => void;
  /**
   * Asks every node to go elsewhere at a random moment within `spreadMs`, and takes no new connections. Resolves once
   * all are gone, or a little after that time.
   */
  readonly drain: (spreadMs: number) => Promise<void>;
  /** Ends every session; what was not committed the nodes send again. The store may be closed after it. */
  readonly close: () => Promise<void>;
}

type KnownIdentity = Extract<NodeIdentity, { readonly ok: true }>;

/** A node whose data directory was restored from an old copy. */
interface RestoredNode {
  readonly kind: 'restored';
  readonly nodeId: string;
}

/** A problem of a node that the collector detects. */
export type NodeProblem = IdentityConflict | LimitedNode | RepairedNode | RestoredNode;

const OTHER_AGENT: Ending = Object.freeze({
  code: status.ALREADY_EXISTS,
  details:
    'another agent uses the identity of this node and is connected: was its machine-id or data directory copied?',
});

const REVOKED: Ending = Object.freeze({
  code: status.UNAUTHENTICATED,
  details: 'the certificate of this node was revoked; enrol the node again with a new join token',
});

const EXPIRED: Ending = Object.freeze({
  code: status.UNAUTHENTICATED,
  details: 'the certificate of this session has expired; connect again with a renewed one',
});

/** Longest wait until the expiry of a certificate is checked again: timers hold 24 days at most. */
const EXPIRY_CHECK_MS = 6 * 3_600_000;

/** What nodes get beyond the time that they were given, before a drain counts as done. */
const DRAIN_GRACE_MS = 2000;
/** What statuses get to go out, before connections are cut. */
const CLOSE_GRACE_MS = 1000;

/** Opens the port for nodes. Rejects if the port cannot be opened or the store cannot be read. */
export async function startSessionServer(options: SessionServerOptions): Promise<SessionServer> {
  const { store, eventBus, replies, clock, log } = options;
  const settings: SessionSettings = { ...DEFAULT_SESSION_SETTINGS, ...options.settings };
  const nodes = await openNodeRegistry({ store, eventBus, clock, log, writeMs: settings.nodeWriteMs });
  const writer = createWriter({ ...settings, store, eventBus, clock, log });
  const budget = { bytes: 0 };
  const intake = createMutex();
  const open = new Map<string, OpenSession>();
  const identities = createIdentityGuard(clock);
  const quotas = createNodeQuotas({ ...DEFAULT_QUOTA, ...options.quota }, clock);
  const streams = createNodeStreams();
  const calls = new Set<Promise<void>>();
  /** Since the start of the collector. */
  const restored = new Map<string, RestoredNode>();
  let closing = false;

  const noteRefusal = (nodeId: string, peer: string, reason: string): void => {
    const address = peer.slice(0, peer.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
    options.onRefused?.({ operation: 'session', nodeId, address, reason });
  };
  const onOpen = (session: OpenSession): Ending | undefined => {
    const { nodeId, peer, run } = session;
    const old = open.get(nodeId);
    if (!identities.admit(nodeId, run, old?.run)) {
      noteRefusal(nodeId, peer, OTHER_AGENT.details);
      return OTHER_AGENT;
    }
    open.set(nodeId, session);
    if (old === undefined) return undefined;
    log.warn({ nodeId, peer, replaced: old.peer }, 'a second session of a node replaces the first');
    old.end({ code: status.ABORTED, details: 'replaced by a newer session of this node' });
    replies.onDisconnect(nodeId);
    return undefined;
  };
  const onOver = (session: OpenSession): void => {
    const { nodeId } = session;
    if (open.get(nodeId) !== session) return;
    open.delete(nodeId);
    const nowMs = clock.now();
    nodes.changeNow(nodeId, { connected: false, offlineSinceMs: nowMs, lastSeenMs: nowMs });
    replies.onDisconnect(nodeId);
  };
  const lock = createNodeLock();
  const hasSession = (nodeId: string): boolean => open.has(nodeId);
  const outsideOfSessions = { store, nodes, lock, eventBus, hasSession, clock };
  const { remove } = createNodeRemover({ ...outsideOfSessions, writer, isClosing: () => closing, log });
  const imageRequests = createImageRequests(clock);
  const { onImagesChange = () => undefined } = options;
  const parts = {
    store,
    writer,
    nodes,
    replies,
    budget,
    intake,
    imageRequests,
    onImagesChange,
    settings,
    clock,
    log,
  };
  const onNodeRestored = (nodeId: string): void => {
    if (!restored.has(nodeId)) log.warn({ nodeId }, 'the data directory of this agent is an old copy');
    restored.set(nodeId, { kind: 'restored', nodeId });
  };
  const context = { ...parts, onOver, holdsUp: lock.holdsUp, onNodeAhead: options.onNodeAhead, onNodeRestored };
  const refusal = (nodeId: string): Ending | undefined => {
    if (closing) return { code: status.UNAVAILABLE, details: 'the collector is going down' };
    // A node that connects again takes the place of its own session, which may still be ending.
    if (streams.has(nodeId) || streams.nodes() < settings.maxSessions) return undefined;
    return { code: status.RESOURCE_EXHAUSTED, details: 'the collector has as many sessions as it can hold' };
  };
  const revocation = ({ nodeId, validFromMs }: KnownIdentity): Ending | undefined =>
    options.isRevoked(nodeId, validFromMs) ? REVOKED : undefined;
  const onSession = (call: SessionCall): void => {
    const identity = nodeIdentity(call.getAuthContext().sslPeerCertificate?.raw);
    const ending = identity.ok
      ? (refusal(identity.nodeId) ?? revocation(identity) ?? excessOf(quotas.of(identity.nodeId)))
      : { code: status.UNAUTHENTICATED, details: identity.problem };
    if (!identity.ok || ending !== undefined) {
      log.warn({ peer: call.getPeer(), ...ending }, 'a session was refused');
      // Others are refused for lack of room, which says nothing about them.
      if (ending?.code === status.UNAUTHENTICATED)
        noteRefusal(identity.ok ? identity.nodeId : '', call.getPeer(), ending.details);
      call.emit('error', Object.assign(new Error(ending?.details), ending));
      return;
    }
    const { nodeId, nodeName, validToMs } = identity;
    const stream = streams.add(nodeId);
    let cancelExpiry = (): void => undefined;
    const held = holdSession(call, nodeId, {
      ...context,
      quota: quotas.of(nodeId),
      verifiedName: nodeName,
      disconnect: listener.disconnect,
      onStart: (end) => {
        stream.onStart(end);
        cancelExpiry = atTime(validToMs, clock, () => end(EXPIRED));
      },
      onOpen: (session) => onOpen(session) ?? stream.onOpen(),
    });
    calls.add(held);
    void held.finally(() => {
      calls.delete(held);
      stream.remove();
      cancelExpiry();
    });
  };
  const listener = await openListener({
    listen: options.listen,
    tls: options.tls,
    settings,
    clock,
    log,
    onSession,
    sessionPeer: (nodeId) => open.get(nodeId)?.peer,
  });

  return {
    address: listener.address,
    sessions: {
      connected: () => [...open.values()].filter(({ answersQueries }) => answersQueries).map(({ nodeId }) => nodeId),
      send: (nodeId, message) => open.get(nodeId)?.send(message) ?? false,
      sendAll: (nodeIds, message) => {
        const bytes = encodeCollectorMessage(message);
        return new Set([...nodeIds].filter((nodeId) => open.get(nodeId)?.send(bytes) ?? false));
      },
    },
    nodes: nodes.rows,
    problems: () => [...identities.conflicts(), ...quotas.limited(), ...restored.values()],
    noteExcess: (nodeId, reason) => quotas.of(nodeId).noteExcess(reason),
    identityConflicts: identities.conflicts,
    remove: async (nodeId, by) => {
      const removal = await remove(nodeId, by);
      if (removal.outcome === 'removed') restored.delete(nodeId);
      return removal;
    },
    putMissing: async (node) => {
      if (!closing) await storeMissingNode(node, outsideOfSessions);
    },
    useTls: listener.useTls,
    disconnectRevoked: (nodeId) => streams.endAll(nodeId, REVOKED),
    resync: (reason) => {
      nodes.writeAll();
      for (const session of open.values()) session.resync(reason);
    },
    drain: async (spreadMs) => {
      closing = true;
      listener.stop();
      const reason = 'the collector is going down';
      for (const session of open.values()) session.send({ drain: { spreadMs, reason } });
      await within(Promise.all(calls), spreadMs + DRAIN_GRACE_MS, clock);
    },
    close: async () => {
      closing = true;
      listener.stop();
      for (const { end } of open.values()) end({ code: status.UNAVAILABLE, details: 'the collector is going down' });
      await within(Promise.all(calls), CLOSE_GRACE_MS, clock);
      await listener.close();
      await writer.close();
      await Promise.all(calls);
      await nodes.close();
    },
  };
}

function excessOf(quota: NodeQuota): Ending | undefined {
  const details = quota.openSession();
  return details === undefined ? undefined : { code: status.RESOURCE_EXHAUSTED, details };
}

/** Calls `act` once the wall clock has reached `atMs`; the result cancels it. */
function atTime(atMs: number, clock: Clock, act: () => void): () => void {
  let cancel = (): void => undefined;
  const wait = (): void => {
    const leftMs = atMs - clock.now();
    if (leftMs <= 0) act();
    else cancel = clock.after(Math.min(leftMs, EXPIRY_CHECK_MS), wait);
  };
  wait();
  return () => cancel();
}

async function within(done: Promise<unknown>, limitMs: number, clock: Clock): Promise<void> {
  const stop = new AbortController();
  await Promise.race([done, sleep(clock, limitMs, stop.signal)]);
  stop.abort();
}
