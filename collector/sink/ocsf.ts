import { controlsOf } from '../../posture/benchmark/benchmark.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { toDetectionFinding } from '../../policy/denial-record.ts';
import { isDenialEvent, isFindingEvent, isRemediationEvent, isVulnerabilityEvent } from '../store/store.ts';
import type {
  DenialEvent,
  NodeRow,
  OutboxEvent,
  RefusalEvent,
  RefusedOperation,
  StoredEvent,
  StoredFinding,
} from '../store/store.ts';
import { toRemediationActivity } from './ocsf-remediation.ts';
import { toVulnerabilityFinding } from './ocsf-vulnerability.ts';
import { ACTIVITY, AFFECTED, findingClass } from './ocsf-finding.ts';
import type { OcsfEvent } from './ocsf-finding.ts';

export type { OcsfEvent } from './ocsf-finding.ts';

/*
 * OCSF 1.8 Compliance Finding (class 2003) and API Activity (class 6003): https://schema.ocsf.io/1.8.0/classes. Numbers
 * below are those of their enumerations.
 */

/** What an event is enriched with. */
export interface OcsfContext {
  /** Version of the collector. */
  readonly version: string;
  readonly checks: ReadonlyMap<string, Check>;
  /** The node as it is known now; undefined for one that was removed. */
  readonly node: (nodeId: string) => NodeRow | undefined;
  readonly nowMs: number;
}

const CLASS = { uid: 2003, name: 'Compliance Finding' } as const;
const API_ACTIVITY = 6003;
const REFUSED = {
  enroll: 'enrolment with a join token',
  attest: 'enrolment with a service-account token',
  renew: 'renewal of a certificate',
  session: 'session',
} as const satisfies Record<RefusedOperation, string>;
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
const CONFIGURATION_MANAGEMENT = 8;
/** `integer_t` of OCSF is signed and has 32 bits. */
const MAX_INTEGER = 2 ** 31 - 1;

/**
 * One outbox event: a Compliance Finding, a Vulnerability Finding, a Detection Finding for a request that violated a
 * policy, Remediation Activity for a step of a rollout, or API Activity for a refused request. `metadata.uid` never changes for it.
 */
export function toOcsf(event: StoredEvent, context: OcsfContext): OcsfEvent {
  if (isFindingEvent(event)) return toComplianceFinding(event, context);
  if (isDenialEvent(event)) return toDenialFinding(event, context);
  if (isRemediationEvent(event)) return toRemediationActivity(event, metadataOf(event, context));
  return isVulnerabilityEvent(event)
    ? toVulnerabilityFinding(event, metadataOf(event, context))
    : toApiActivity(event, context);
}

/** Who reported a denial is beside it: a reporter can claim anything in it. */
function toDenialFinding(event: DenialEvent, { version, nowMs }: OcsfContext): OcsfEvent {
  const finding = toDetectionFinding(event.denial, { version, uid: event.uid, loggedMs: nowMs });
  const { reporter, source } = event;
  return { ...finding, unmapped: { ...(finding['unmapped'] as OcsfEvent), reporter, source } };
}

/** A refused request as OCSF API Activity (class 6003): a node tried to create a certificate or a session. */
function toApiActivity(event: RefusalEvent, { version, nowMs, node }: OcsfContext): OcsfEvent {
  const { operation, nodeId, address, reason, suppressed } = event;
  const known = nodeId === '' ? undefined : node(nodeId);
  return {
    activity_id: 1,
    activity_name: 'Create',
    category_uid: 6,
    category_name: 'Application Activity',
    class_uid: API_ACTIVITY,
    class_name: 'API Activity',
    type_uid: API_ACTIVITY * 100 + 1,
    type_name: 'API Activity: Create',
    time: event.atMs,
    severity_id: SEVERITY.medium.id,
    severity: SEVERITY.medium.name,
    status_id: 2,
    status: 'Failure',
    status_detail: reason,
    message: `${REFUSED[operation]} refused: ${reason}`,
    ...(suppressed > 0 && { count: suppressed + 1 }),
    metadata: { ...metadataOf(event, { version, nowMs }), log_name: 'plimsoll-refusals' },
    actor: { app_name: 'plimsoll-agent', ...(nodeId !== '' && { app_uid: nodeId }) },
    api: { operation, service: { name: 'plimsoll-collector' } },
    src_endpoint: { ip: address, ...(known && { name: known.name }) },
    unmapped: { suppressed },
  };
}

function toComplianceFinding(event: OutboxEvent, context: OcsfContext): OcsfEvent {
  const { finding } = event;
  const activity = ACTIVITY[event.action];
  const severity = SEVERITY[finding.severity];
  const check = context.checks.get(finding.check);
  const node = context.node(finding.nodeId);
  const detail = statusDetailOf(event);
  return {
    ...findingClass(CLASS, activity, event.atMs),
    severity_id: severity.id,
    severity: severity.name,
    status_id: activity.statusId,
    status: activity.status,
    ...(detail === undefined ? {} : { status_detail: detail }),
    message: messageOf(event),
    metadata: metadataOf(event, context),
    finding_info: findingInfoOf(event, check),
    compliance: complianceOf(event),
    ...(finding.evidence.length > 0 && { evidences: evidencesOf(event, node) }),
    ...(check && { remediation: { desc: check.remediation, references: check.references } }),
    device: deviceOf(event, node),
    resources: [resourceOf(event)],
    // Our own words, for those who know them.
    unmapped: {
      verdict: finding.verdict,
      ...(event.previousVerdict === undefined ? {} : { previous_verdict: event.previousVerdict }),
      ...(event.cause === undefined ? {} : { cause: event.cause }),
    },
  };
}

function metadataOf(event: StoredEvent, { version, nowMs }: Pick<OcsfContext, 'version' | 'nowMs'>): OcsfEvent {
  return {
    version: '1.8.0',
    uid: event.uid,
    ...(event.position <= MAX_INTEGER && { sequence: event.position }),
    log_name: 'plimsoll-findings',
    logged_time: nowMs,
    profiles: [],
    product: { uid: 'plimsoll', name: 'Plimsoll', vendor_name: 'Plimsoll', version },
  };
}

function findingInfoOf({ atMs, finding }: OutboxEvent, check: Check | undefined): OcsfEvent {
  return {
    uid: finding.uid,
    title: finding.title,
    ...(check && { desc: check.rationale }),
    types: ['compliance'],
    first_seen_time: finding.firstSeenMs,
    last_seen_time: Math.max(atMs, finding.firstSeenMs),
    modified_time: finding.changedMs,
    data_sources: [...new Set(finding.evidence.map(({ source }) => source))],
    // The name of the rule does not depend on the verdict.
    analytic: { uid: finding.check, name: check?.title ?? finding.check, type_id: RULE, type: 'Rule' },
  };
}

/** A finding that is resolved with an open verdict went with its subject: the verdict is the last that was given. */
function statusDetailOf({ action, cause, finding }: OutboxEvent): string | undefined {
  if (action !== 'resolved') return finding.reason;
  if (cause === 'nodeRemoved') return 'the node was removed';
  const isOpen = finding.verdict === 'fail' || finding.verdict === 'unknown' || finding.verdict === 'manual';
  return isOpen ? `the ${finding.subject.kind} is gone` : 'fixed';
}

function complianceOf({ finding }: OutboxEvent): OcsfEvent {
  const status = COMPLIANCE[finding.verdict];
  const controls = controlsOf(finding.check);
  return {
    control:
      (controls.findLast(({ benchmark }) => benchmark.startsWith('cis-')) ?? controls.at(-1))?.control ?? finding.check,
    standards: controls.length > 0 ? [...new Set(controls.map(({ benchmark }) => benchmark))] : ['plimsoll'],
    requirements: controls.map(({ benchmark, control }) => `${benchmark} ${control}`),
    status_id: status.id,
    status: status.name,
    ...(finding.reason !== undefined && { status_details: [finding.reason] }),
  };
}

/** The container is next to the evidence: in the device, it would mean that the node itself is a container. */
function evidencesOf({ finding }: OutboxEvent, node: NodeRow | undefined): readonly OcsfEvent[] {
  const container = finding.subject.kind === 'container' ? containerOf(finding, node) : undefined;
  return finding.evidence.map(({ source, seen, expected }) => ({
    name: source,
    data: { source, seen, expected },
    ...(container && { container }),
  }));
}

function containerOf({ subject }: StoredFinding, node: NodeRow | undefined): OcsfEvent {
  const known = node?.containers.find(({ id }) => id === subject.id);
  const [runtime] = node?.runtime.split(' ') ?? [];
  return {
    uid: subject.id,
    ...(subject.name !== '' && { name: subject.name }),
    ...(runtime !== undefined && runtime !== '' && { runtime }),
    ...(known !== undefined && known.imageId !== '' && { image: { uid: known.imageId, name: known.image } }),
  };
}

function resourceOf({ finding: { subject } }: OutboxEvent): OcsfEvent {
  const name = subject.name === '' ? {} : { name: subject.name };
  return { uid: subject.id, ...name, type: subject.kind, ...AFFECTED };
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
    ...(node.kernelRelease !== '' && { kernel_release: node.kernelRelease }),
  };
  const agent = {
    name: 'plimsoll-agent',
    uid: finding.nodeId,
    type_id: CONFIGURATION_MANAGEMENT,
    type: 'Configuration Management',
    version: node.agentVersion,
  };
  return { ...device, os, agent_list: [agent] };
}

function messageOf({ action, finding }: OutboxEvent): string {
  const what = `${finding.check} ${finding.verdict} on ${finding.nodeName}: ${finding.subject.kind} ${finding.subject.name}`;
  return action === 'resolved' ? `resolved: ${what}` : what;
}
