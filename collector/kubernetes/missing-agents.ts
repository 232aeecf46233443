import { enrollment } from '../../posture/check/agent/enrollment.ts';
import { isoTime } from '../../posture/check/evidence-text.ts';
import type { ClusterNode, ListingFailure } from '../../posture/fact/cluster-node.ts';
import { sameContent } from '../../posture/finding.ts';
import { judgeClusterNode } from '../../posture/judge.ts';
import { jittered } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { isNodeUid } from '../../service/tls/node-identity.ts';
import { isNeverEnrolled } from '../session/missing-node.ts';
import type { SessionServer } from '../session/server.ts';
import type { Issue } from '../status/collector-status.ts';
import type { NodeRow, Store, StoredFinding } from '../store/store.ts';
import type { ListedNode, NodeListing } from './list-nodes.ts';

/** What the search for missing agents works with. */
export interface MissingAgentsOptions {
  /** See `listNodes`. */
  readonly list: () => Promise<NodeListing>;
  readonly server: Pick<SessionServer, 'nodes' | 'putMissing' | 'remove'>;
  readonly store: Pick<Store, 'findings'>;
  /** How long a node may be listed without an agent. So long a list may also fail before findings become unknown. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The search for nodes of the cluster without an agent. */
export interface MissingAgents {
  /** Why the nodes of the cluster are not known now. */
  readonly issues: () => readonly Issue[];
  /** Resolves once the search has ended. */
  readonly over: Promise<void>;
}

/** Who removes, for the log. */
const BY = 'the cluster, which has no such node any more';
/** Lists are this far apart at most, ±20 %; a fifth of the grace where that is shorter. */
const MAX_INTERVAL_MS = 60_000;
/** A name is remembered for this long after it was listed last: deleting and creating a Node object starts no new grace. */
const NAME_MEMORY_MS = 3_600_000;
const MAX_NAMES = 20_000;

/** Since when a name is listed without an agent, and when it was listed last. */
interface Waiting {
  readonly sinceMs: number;
  readonly listedMs: number;
}

/** What a round needs to know. */
interface Round extends MissingAgentsOptions {
  readonly waiting: Map<string, Waiting>;
}

/**
 * Compares the nodes of the cluster with those that have had sessions, until `signal` aborts. A node that is listed
 * longer than the grace without ever having had a session gets a finding of `agent.enrollment`. The first findings of its
 * agent replace it; a node that leaves the cluster before that is removed. While the list cannot be read nothing is
 * resolved; after the grace the findings say `unknown`, since when and why.
 */
export function watchMissingAgents(options: MissingAgentsOptions): MissingAgents {
  const { graceMs, clock, log, signal } = options;
  const round: Round = { ...options, waiting: new Map() };
  let failure: ListingFailure | undefined;
  let isComplete = true;
  const look = async (): Promise<void> => {
    const listing = await Promise.race([options.list(), aborted(signal)]);
    if (listing === undefined) return;
    if (!listing.ok) {
      if (failure === undefined) log.warn({ reason: listing.reason }, 'the nodes of the cluster cannot be listed');
      failure = { sinceMs: failure?.sinceMs ?? clock.now(), reason: listing.reason };
      if (clock.now() - failure.sinceMs >= graceMs) await reportUnknown(round, failure);
      return;
    }
    if (failure !== undefined) log.info({ sinceMs: failure.sinceMs }, 'the nodes of the cluster can be listed again');
    failure = undefined;
    isComplete = listing.isComplete;
    await reportMissing(round, listing.nodes);
    if (isComplete) await removeDeparted(round, listing.nodes);
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await look();
      } catch (error) {
        log.warn({ error }, 'nodes without an agent could not be stored; it is tried again');
      }
      await sleep(clock, jittered(Math.min(MAX_INTERVAL_MS, graceMs / 5), 0.2, Math.random), signal);
    }
  };
  return { issues: () => issuesOf(failure, isComplete), over: run() };
}

/** Stores a finding for each node that is listed for too long without an agent. */
async function reportMissing(round: Round, listed: readonly ListedNode[]): Promise<void> {
  const { server, waiting, graceMs, clock } = round;
  const rows = new Map(server.nodes().map((row) => [row.id, row]));
  const stored = await storedFindings(round);
  const nowMs = clock.now();
  for (const { id, name, operatingSystem } of listed) {
    const row = rows.get(id);
    if (row !== undefined && !isNeverEnrolled(row)) {
      waiting.delete(name);
      continue;
    }
    const sinceMs = row?.firstSeenMs ?? waiting.get(name)?.sinceMs ?? nowMs;
    remember(waiting, name, { sinceMs, listedMs: nowMs });
    if (row === undefined && nowMs - sinceMs < graceMs) continue;
    await report(round, { id, name, operatingSystem, missingSinceMs: sinceMs }, stored.get(id));
  }
  for (const [name, { listedMs }] of waiting) if (nowMs - listedMs > NAME_MEMORY_MS) waiting.delete(name);
}

/** Says of each node without an agent that nothing is known of it now. Which failure it was is said once. */
async function reportUnknown(round: Round, failure: ListingFailure): Promise<void> {
  const stored = await storedFindings(round);
  for (const { id, name, firstSeenMs } of missingRows(round)) {
    const before = stored.get(id);
    if (before?.verdict === 'unknown') continue;
    await report(round, { id, name, operatingSystem: '', missingSinceMs: firstSeenMs, failure }, before);
  }
}

/** Removes nodes that left the cluster without ever having had an agent. */
async function removeDeparted(round: Round, listed: readonly ListedNode[]): Promise<void> {
  const ids = new Set(listed.map(({ id }) => id));
  for (const { id } of missingRows(round)) {
    if (ids.has(id)) continue;
    if (round.signal.aborted) return;
    await round.server.remove(id, BY);
    await new Promise(setImmediate);
  }
}

async function report(round: Round, node: ClusterNode, before: StoredFinding | undefined): Promise<void> {
  const { server, log, signal } = round;
  const finding = judgeClusterNode(enrollment, node);
  if (signal.aborted || (before !== undefined && sameContent(before, finding))) return;
  const { id, name, missingSinceMs: sinceMs } = node;
  await server.putMissing({ id, name, sinceMs, finding });
  if (before === undefined) log.warn({ nodeId: id, name }, 'a node of the cluster has no agent');
  // Sessions get their turn in between: a whole cluster may be without agents.
  await new Promise(setImmediate);
}

async function storedFindings({ store }: Round): Promise<ReadonlyMap<string, StoredFinding>> {
  const { findings } = await store.findings({ checks: [enrollment.id], limit: 10_000 });
  return new Map(findings.map((finding) => [finding.nodeId, finding]));
}

/** Nodes of the cluster that never had a session. */
function missingRows({ server }: Round): readonly NodeRow[] {
  return server.nodes().filter((row) => isNeverEnrolled(row) && isNodeUid(row.id));
}

function remember(waiting: Map<string, Waiting>, name: string, since: Waiting): void {
  const [oldest] = waiting.keys();
  // In the order in which they were listed last.
  waiting.delete(name);
  if (waiting.size >= MAX_NAMES && oldest !== undefined) waiting.delete(oldest);
  waiting.set(name, since);
}

function issuesOf(failure: ListingFailure | undefined, isComplete: boolean): readonly Issue[] {
  if (failure !== undefined)
    return [
      {
        code: 'clusterUnreadable',
        subject: 'Kubernetes',
        text: `the nodes of the cluster cannot be listed since ${isoTime(failure.sinceMs)}: ${failure.reason}`,
        advice:
          'nodes without an agent are not found meanwhile; where it is forbidden, apply the manifests of this version: ' +
          'the collector needs the right to list nodes',
      },
    ];
  if (isComplete) return [];
  return [
    {
      code: 'clusterUnreadable',
      subject: 'Kubernetes',
      text: 'the cluster has more nodes than the collector reads: not all without an agent are found',
      advice: 'find out who created so many Node objects: kubectl get nodes --sort-by=.metadata.creationTimestamp',
    },
  ];
}

/** Resolves to undefined once the signal aborts. */
function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
