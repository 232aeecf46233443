import { hash } from 'node:crypto';
import type { DetectionEvent } from '../../detection/detection.ts';
import { ATTACK_VERSION, DETECTION_RULES } from '../../detection/rules.ts';
import { deviceOf } from './device.ts';
import { ACTIVITY, AFFECTED, findingClass, integerOf, metadataOf, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 2004, name: 'Detection Finding' } as const;
const RULE = { type_id: 1, type: 'Rule' } as const;

/**
 * A detection as an OCSF 1.8 Detection Finding: https://schema.ocsf.io/1.8.0/classes/detection_finding.
 * `finding_info.uid` is the same for the same rule and subject, `metadata.correlation_uid` is the finding that shows
 * it.
 */
export function toDetectionFinding(event: DetectionEvent, context: OcsfContext): OcsfEvent {
  const { atMs, detection } = event;
  const { rule: ruleId, severity, nodeId, nodeName, subject, evidence, reason, findingUid, suppressed } = detection;
  const rule = DETECTION_RULES.find(({ id }) => id === ruleId);
  const title = rule?.title ?? ruleId;
  const node = context.node(nodeId);
  const known = node?.containers.find(({ id }) => id === subject.id);
  const container =
    subject.kind !== 'container'
      ? undefined
      : {
          uid: subject.id,
          ...(subject.name !== '' && { name: subject.name }),
          ...(known !== undefined && known.imageId !== '' && { image: { uid: known.imageId, name: known.image } }),
        };
  return {
    ...findingClass(CLASS, ACTIVITY.opened, atMs),
    ...severityOf(severity),
    status_id: 1,
    status: 'New',
    is_alert: true,
    status_detail: reason,
    message: `${title} on ${nodeName}: ${subject.kind} ${subject.name}`,
    ...(suppressed > 0 && { count: integerOf(suppressed + 1) }),
    metadata: {
      ...metadataOf(event, context),
      log_name: 'plimsoll-detections',
      ...(findingUid !== '' && { correlation_uid: findingUid }),
    },
    finding_info: {
      uid: hash('sha256', `${nodeId}\n${ruleId}\n${subject.kind}/${subject.id}`, 'hex').slice(0, 32),
      title,
      desc: reason,
      types: [ruleId],
      created_time: atMs,
      analytic: { uid: ruleId, name: title, ...RULE },
      ...(rule && { attacks: [attackOf(rule.attack)] }),
    },
    ...(evidence.length > 0 && {
      evidences: evidence.map((piece) => ({
        name: piece.source,
        data: { source: piece.source, seen: piece.seen, expected: piece.expected },
        // Absent where the subject is no container: JSON leaves it out.
        container,
      })),
    }),
    device: deviceOf(detection, node),
    resources: [
      { uid: subject.id, ...(subject.name !== '' && { name: subject.name }), type: subject.kind, ...AFFECTED },
    ],
    unmapped: { suppressed },
  };
}

/** A sub-technique has the id of its technique before the dot. */
function attackOf({ id, name, tactic }: (typeof DETECTION_RULES)[number]['attack']): OcsfEvent {
  const [techniqueId = id] = id.split('.');
  const [techniqueName = name, subName] = name.split(': ');
  const technique = { uid: techniqueId, name: techniqueName };
  return {
    tactic: { uid: tactic.id, name: tactic.name },
    technique,
    version: ATTACK_VERSION,
    ...(subName !== undefined && { sub_technique: { uid: id, name: subName } }),
  };
}
