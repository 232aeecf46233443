import type { FindingEvent, FleetFinding, HistoryEntry } from '../../api/finding.ts';
import type { NodeState } from '../../api/node.ts';
import type { SubjectKind } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import { counted } from '../../api/format.ts';

/** Something that happened in the fleet. Its texts come from outside. */
export type Change =
  | {
      readonly type: 'finding';
      /** Unique among the changes. */
      readonly key: string;
      readonly atMs: number;
      readonly action: 'opened' | 'changed' | 'resolved';
      readonly verdict: Verdict;
      readonly severity: Severity;
      readonly check: string;
      readonly subjectKind: SubjectKind;
      readonly subjectName: string;
      readonly nodeId: string;
      readonly nodeName: string;
      readonly uid: string;
      /** Id of the finding on its node; undefined where only the history is known. */
      readonly findingId: string | undefined;
      /** What accepts it after the change; null: nothing. */
      readonly waiver: FleetFinding['waiver'];
    }
  | {
      readonly type: 'node';
      readonly key: string;
      readonly atMs: number;
      readonly connected: boolean;
      readonly nodeId: string;
      readonly nodeName: string;
    };

/** A change of a finding. */
export function changeOfEvent({ position, atMs, action, finding }: FindingEvent): Change {
  const { uid, id, verdict, severity, check, subject, nodeId, nodeName, waiver } = finding;
  return {
    type: 'finding',
    key: `finding ${String(position)}`,
    atMs,
    action,
    verdict,
    severity,
    check,
    subjectKind: subject.kind,
    subjectName: subject.name,
    nodeId,
    nodeName,
    uid,
    findingId: id,
    waiver,
  };
}

/** An entry of the history, whose position is that of the event. */
export function changeOfHistory(entry: HistoryEntry, nodeName: string): Change {
  const { position, atMs, action, verdict, severity, check, subjectKind, subjectName, nodeId, findingUid } = entry;
  const { waiver } = entry;
  return {
    type: 'finding',
    key: `finding ${String(position)}`,
    atMs,
    action,
    verdict,
    severity,
    check,
    subjectKind,
    subjectName,
    nodeId,
    nodeName,
    uid: findingUid,
    findingId: undefined,
    waiver,
  };
}

/** A node that came or went. */
export function changeOfNode({ id, name, connected, offlineSinceMs }: NodeState, nowMs: number): Change {
  const atMs = connected || offlineSinceMs === 0 ? nowMs : offlineSinceMs;
  return { type: 'node', key: `node ${id} ${String(atMs)}`, atMs, connected, nodeId: id, nodeName: name };
}

/** One sentence about several changes, for people who hear the page: what came, and the worst of it. */
export function announcement(changes: readonly Change[]): string {
  const findings = changes.filter((change) => change.type === 'finding');
  const parts = (['opened', 'changed', 'resolved'] as const)
    .map((action) => ({ action, total: findings.filter((change) => change.action === action).length }))
    .filter(({ total }) => total > 0)
    .map(({ action, total }) => `${counted(total, 'finding')} ${action}`);
  const nodes = changes
    .filter((change) => change.type === 'node')
    .slice(0, 3)
    .map(({ nodeName, connected }) => `node ${nodeName} ${connected ? 'connected' : 'went offline'}`);
  const worst = findings
    .filter(({ action, verdict }) => action !== 'resolved' && verdict === 'fail')
    .toSorted((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity))[0];
  const told =
    worst === undefined
      ? []
      : [`worst: ${worst.severity}, ${worst.check} for ${worst.subjectName} on ${worst.nodeName}`];
  return [...parts, ...told, ...nodes].join('; ');
}
