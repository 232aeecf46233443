import type { FindingEvent, FleetFinding } from '../../api/finding.ts';
import type { FleetNode, NodeDetail, NodeState } from '../../api/node.ts';
import type { ControlReference } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { QueryAnswer } from '../query/query.ts';
import { presenceOf } from '../status/freshness.ts';
import type { FreshnessTerms } from '../status/freshness.ts';
import type { CountRow, NodeRow, StatusCount, StoredFinding } from '../store/store.ts';
import type { OutboxEvent } from '../store/stored-event.ts';
import type { Sent } from './route.ts';
import type { Suppression } from '../../vulnerability/vulnerability.ts';

/** The benchmark controls that a check answers. */
export type ControlLookup = (check: string) => readonly ControlReference[];

/** A finding as the API answers it. */
export function presentFinding(stored: StoredFinding, controlsOf: ControlLookup): Sent<FleetFinding> {
  const { uid, id, nodeId, nodeName, check, title, verdict, severity, subject, reason } = stored;
  // No spread before other fields: see `toStoredFinding`.
  return {
    uid,
    id,
    nodeId,
    nodeName,
    check,
    title,
    verdict,
    severity,
    subject: { kind: subject.kind, id: subject.id, name: subject.name },
    evidence: stored.evidence.map(({ source, seen, expected }) => ({ source, seen, expected })),
    reason,
    waiver: stored.waiver,
    controls: controlsOf(check).map(({ benchmark, control }) => ({ benchmark, control })),
    firstSeenMs: stored.firstSeenMs,
    changedMs: stored.changedMs,
  };
}

/** Why a vulnerability does not count, as the API answers it. */
export function presentSuppression(suppression: Suppression | undefined) {
  if (suppression === undefined) return undefined;
  const { by, reason, source, owner, expiresAt: untilMs } = suppression;
  return { by, reason, source, owner, untilMs };
}

/** An event of a finding as the API sends it. */
export function presentEvent(event: OutboxEvent, controlsOf: ControlLookup): Sent<FindingEvent> {
  const { position, uid, action, cause, atMs, previousVerdict } = event;
  return { position, uid, action, cause, atMs, previousVerdict, finding: presentFinding(event.finding, controlsOf) };
}

/** What the presence of a node is judged by. */
export interface PresenceTerms extends Pick<FreshnessTerms, 'nowMs' | 'heartbeatMs'> {
  /** Ids of nodes whose identity two agents use. */
  readonly duplicated: ReadonlySet<string>;
}

/** A node as it is, without what is counted over it. */
export function presentNodeState(node: NodeRow, terms: PresenceTerms): Sent<NodeState> {
  return {
    id: node.id,
    name: node.name,
    agentVersion: node.agentVersion,
    operatingSystem: node.operatingSystem,
    kernelRelease: node.kernelRelease,
    architecture: node.architecture,
    cpus: node.cpus,
    memoryBytes: node.memoryBytes,
    runtime: node.runtime,
    securityModules: node.securityModules,
    containerCount: node.containers.length,
    connected: node.connected,
    presence: presenceOf(node, terms),
    duplicateIdentity: terms.duplicated.has(node.id),
    firstSeenMs: node.firstSeenMs,
    lastSeenMs: node.lastSeenMs,
    offlineSinceMs: node.offlineSinceMs,
    agentRssBytes: node.agentRssBytes,
    agentCpuMs: node.agentCpuMs,
    dropped: node.dropped,
  };
}

/** A node as the API lists it. `counts` are those of all nodes; its own are picked out. */
export function presentNode(node: NodeRow, counts: readonly CountRow[], terms: PresenceTerms): Sent<FleetNode> {
  return { ...presentNodeState(node, terms), counts: presentCounts(counts.filter((row) => row.nodeId === node.id)) };
}

/** A node with its containers. */
export function presentNodeDetail(node: NodeRow, counts: readonly CountRow[], terms: PresenceTerms): Sent<NodeDetail> {
  return {
    ...presentNode(node, counts, terms),
    containers: node.containers.map(({ id, name, image, imageId, startedAt }) => ({
      id,
      name,
      image,
      imageId,
      startedAt,
    })),
  };
}

/** Sums of counts: every verdict and every severity has an entry. Waived findings are in none of them. */
export function presentCounts(rows: readonly StatusCount[]): {
  verdicts: Record<Verdict, number>;
  failures: Record<Severity, number>;
  waived: number;
} {
  const verdicts = zeros(VERDICTS);
  const failures = zeros(SEVERITIES);
  let waivedCount = 0;
  for (const { verdict, severity, waived, count } of rows) {
    if (waived === true) {
      waivedCount += count;
      continue;
    }
    verdicts[verdict] += count;
    if (verdict === 'fail') failures[severity] += count;
  }
  return { verdicts, failures, waived: waivedCount };
}

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

/** Why a node did not answer a query, field by field: an answer contains only what the document describes. */
export function presentFailedAnswer(given: Exclude<QueryAnswer, { readonly outcome: 'ok' }>) {
  const { nodeId, nodeName } = given;
  switch (given.outcome) {
    case 'error':
      return { outcome: given.outcome, nodeId, nodeName, error: given.error };
    case 'timeout':
      return { outcome: given.outcome, nodeId, nodeName, deadlineMs: given.deadlineMs };
    case 'offline':
      return { outcome: given.outcome, nodeId, nodeName, sinceMs: given.sinceMs };
  }
}
