import { controlsOf } from '../../../posture/benchmark/benchmark.ts';
import type { Verdict } from '../../../posture/verdict.ts';
import { waiverText } from '../../../policy/waiver.ts';
import type { NodeContainer, NodeRow, StoredFinding } from '../../store/store.ts';
import type { OutboxEvent } from '../../store/stored-event.ts';
import { deviceOf } from './device.ts';
import type { KnownDevice } from './device.ts';
import { ACTIVITY, AFFECTED, findingClass, metadataOf, SEVERITY, SUPPRESSED } from './ocsf-event.ts';
import type { CheckTexts, OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 2003, name: 'Compliance Finding' } as const;
const COMPLIANCE = {
  pass: { id: 1, name: 'Pass' },
  manual: { id: 2, name: 'Warning' },
  fail: { id: 3, name: 'Fail' },
  unknown: { id: 0, name: 'Unknown' },
  notApplicable: { id: 99, name: 'Not Applicable' },
} as const satisfies Record<Verdict, unknown>;
const RULE = 1;

/** What a finding is enriched with. */
export interface FindingContext extends Omit<OcsfContext, 'node'> {
  readonly node: (nodeId: string) => KnownNode | undefined;
}

type KnownNode = KnownDevice &
  Pick<NodeRow, 'runtime'> & { readonly containers: readonly Pick<NodeContainer, 'id' | 'image' | 'imageId'>[] };

/** A change of a finding as an OCSF 1.8 Compliance Finding: https://schema.ocsf.io/1.8.0/classes/compliance_finding */
export function toComplianceFinding(event: OutboxEvent, context: FindingContext): OcsfEvent {
  const { finding } = event;
  const activity = ACTIVITY[event.action];
  const { waiver } = finding;
  const state = waiver === undefined || event.action === 'resolved' ? activity : SUPPRESSED;
  const severity = SEVERITY[finding.severity];
  const check = context.checks.get(finding.check);
  const node = context.node(finding.nodeId);
  const detail = statusDetailOf(event);
  return {
    ...findingClass(CLASS, activity, event.atMs),
    severity_id: severity.id,
    severity: severity.name,
    status_id: state.statusId,
    status: state.status,
    ...(detail === undefined ? {} : { status_detail: detail }),
    message: messageOf(event),
    metadata: metadataOf(event, context),
    finding_info: findingInfoOf(event, check),
    compliance: complianceOf(event),
    ...(finding.evidence.length > 0 && { evidences: evidencesOf(event, node) }),
    ...(check && { remediation: { desc: check.remediation, references: check.references } }),
    device: deviceOf(finding, node),
    resources: [resourceOf(event)],
    // Our own words, for those who know them.
    unmapped: {
      verdict: finding.verdict,
      ...(event.previousVerdict === undefined ? {} : { previous_verdict: event.previousVerdict }),
      ...(event.cause === undefined ? {} : { cause: event.cause }),
      ...(waiver !== undefined && {
        waiver: waiver.name,
        waiver_owner: waiver.owner,
        waiver_reason: waiver.reason,
        waiver_expires: waiver.expires,
      }),
    },
  };
}

function findingInfoOf({ atMs, finding }: OutboxEvent, check: CheckTexts | undefined): OcsfEvent {
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
  const { waiver } = finding;
  if (action !== 'resolved') return waiver === undefined ? finding.reason : waiverText(waiver);
  if (cause === 'nodeRemoved') return 'the node was removed';
  if (cause === 'checkRemoved') return 'the check was removed from the node, so it is not known whether this is fixed';
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
function evidencesOf({ finding }: OutboxEvent, node: KnownNode | undefined): readonly OcsfEvent[] {
  const container = finding.subject.kind === 'container' ? containerOf(finding, node) : undefined;
  return finding.evidence.map(({ source, seen, expected }) => ({
    name: source,
    data: { source, seen, expected },
    ...(container && { container }),
  }));
}

function containerOf({ subject }: StoredFinding, node: KnownNode | undefined): OcsfEvent {
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

function messageOf({ action, finding }: OutboxEvent): string {
  const what = `${finding.check} ${finding.verdict} on ${finding.nodeName}: ${finding.subject.kind} ${finding.subject.name}`;
  if (action === 'resolved') return `resolved: ${what}`;
  return finding.waiver === undefined ? what : `waived: ${what}`;
}
