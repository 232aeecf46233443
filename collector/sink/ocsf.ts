import { controlsOf } from '../../posture/benchmark/benchmark.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { FindingAction, NodeRow, OutboxEvent } from '../store/store.ts';

/*
 * OCSF 1.8 Compliance Finding (class 2003): https://schema.ocsf.io/1.8.0/classes/compliance_finding. Numbers below are
 * those of its enumerations.
 */

/** An event as sinks write it: plain JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

/** What an event is enriched with. */
export interface OcsfContext {
  /** Version of the collector. */
  readonly version: string;
  readonly checks: ReadonlyMap<string, Check>;
  /** The node as it is known now; undefined for one that was forgotten. */
  readonly node: (nodeId: string) => NodeRow | undefined;
  readonly nowMs: number;
}

const CLASS = 2003;
const ACTIVITY = {
  opened: { id: 1, name: 'Create', statusId: 1, status: 'New' },
  changed: { id: 2, name: 'Update', statusId: 2, status: 'In Progress' },
  resolved: { id: 3, name: 'Close', statusId: 4, status: 'Resolved' },
} as const satisfies Record<FindingAction, unknown>;
const SEVERITY = {
  critical: { id: 5, name: 'Critical' },
  high: { id: 4, name: 'High' },
  medium: { id: 3, name: 'Medium' },
  low: { id: 2, name: 'Low' },
  info: { id: 1, name: 'Informational' },
} as const satisfies Record<Severity, unknown>;
const COMPLIANCE = {
  pass: { id: 1, name: 'Pass' },
  manual: { id: 2, name: 'Warning' },
  fail: { id: 3, name: 'Fail' },
  unknown: { id: 0, name: 'Unknown' },
  notApplicable: { id: 99, name: 'Not Applicable' },
} as const satisfies Record<Verdict, unknown>;
const LINUX = 200;
const SERVER = 1;
const RULE = 1;
const AFFECTED = 3;

/** One outbox event as an OCSF Compliance Finding. `metadata.uid` and `finding_info.uid` never change for it. */
export function toOcsf(event: OutboxEvent, context: OcsfContext): OcsfEvent {
  const { finding } = event;
  const activity = ACTIVITY[event.action];
  const severity = SEVERITY[finding.severity];
  return {
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: 2,
    category_name: 'Findings',
    class_uid: CLASS,
    class_name: 'Compliance Finding',
    type_uid: CLASS * 100 + activity.id,
    type_name: `Compliance Finding: ${activity.name}`,
    time: event.atMs,
    severity_id: severity.id,
    severity: severity.name,
    status_id: activity.statusId,
    status: activity.status,
    message: messageOf(event),
    metadata: {
      version: '1.8.0',
      uid: event.uid,
      sequence: event.position,
      log_name: 'plimsoll-findings',
      logged_time: context.nowMs,
      profiles: [],
      product: { uid: 'plimsoll', name: 'Plimsoll', vendor_name: 'Plimsoll', version: context.version },
    },
    ...describe(event, context),
  };
}

function describe(event: OutboxEvent, context: OcsfContext): OcsfEvent {
  const { finding } = event;
  const check = context.checks.get(finding.check);
  const remediation = check && { remediation: { desc: check.remediation, references: check.references } };
  return {
    finding_info: {
      uid: finding.uid,
      title: finding.title,
      ...(check && { desc: check.rationale }),
      types: ['compliance'],
      first_seen_time: finding.firstSeenMs,
      last_seen_time: event.atMs,
      modified_time: finding.changedMs,
      analytic: { uid: finding.check, name: finding.title, type_id: RULE, type: 'Rule' },
    },
    compliance: complianceOf(event),
    ...(finding.evidence.length > 0 && { evidences: finding.evidence.map((data) => ({ data })) }),
    ...remediation,
    device: deviceOf(event, context.node(finding.nodeId)),
    resources: [
      {
        uid: finding.subject.id,
        name: finding.subject.name,
        type: finding.subject.kind,
        role_id: AFFECTED,
        role: 'Affected',
      },
    ],
  };
}

function complianceOf({ finding }: OutboxEvent): OcsfEvent {
  const status = COMPLIANCE[finding.verdict];
  const controls = controlsOf(finding.check);
  return {
    control: controls.at(-1)?.control ?? finding.check,
    standards: controls.length > 0 ? [...new Set(controls.map(({ benchmark }) => benchmark))] : ['plimsoll'],
    requirements: controls.map(({ benchmark, control }) => `${benchmark} ${control}`),
    status_id: status.id,
    status: status.name,
    ...(finding.reason !== undefined && { status_details: [finding.reason] }),
  };
}

function deviceOf({ finding }: OutboxEvent, node: NodeRow | undefined): OcsfEvent {
  const device = {
    type_id: SERVER,
    type: 'Server',
    uid: finding.nodeId,
    name: finding.nodeName,
    hostname: finding.nodeName,
  };
  if (node === undefined) return device;
  const os = {
    type_id: LINUX,
    type: 'Linux',
    name: node.operatingSystem || 'Linux',
    kernel_release: node.kernelRelease,
  };
  const agent = {
    name: 'plimsoll-agent',
    uid: finding.nodeId,
    type_id: 8,
    type: 'Configuration Management',
    version: node.agentVersion,
  };
  return { ...device, os, agent_list: [agent] };
}

function messageOf({ action, finding }: OutboxEvent): string {
  const what = `${finding.check} ${finding.verdict} on ${finding.nodeName}: ${finding.subject.kind} ${finding.subject.name}`;
  return action === 'resolved' ? `resolved: ${what}` : what;
}
