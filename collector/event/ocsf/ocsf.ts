import { hash } from 'node:crypto';
import { safeJson } from '../../../api/safe.ts';
import { denialUid, toDetectionFinding as toDenial } from '../../../policy/denial-record.ts';
import {
  isActivityEvent,
  isDenialEvent,
  isDetectionEvent,
  isFindingEvent,
  isRemediationEvent,
  isVulnerabilityEvent,
} from '../../store/stored-event.ts';
import type { DenialEvent, StoredEvent } from '../../store/stored-event.ts';
import type { ActivityEvent } from '../activity.ts';
import { toApiActivity, toAuditActivity } from './api-activity.ts';
import { toComplianceFinding } from './compliance-finding.ts';
import { toConfigurationChange } from './configuration-change.ts';
import { toDetectionFinding } from './detection-finding.ts';
import { toDeviceInventory, toSoftwareInventory } from './inventory.ts';
import { toDropError } from './drop-error.ts';
import { toLifecycle } from './lifecycle.ts';
import { toLiveEvidence } from './live-evidence.ts';
import { metadataOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';
import { toRemediationActivity } from './remediation-activity.ts';
import { toScanActivity } from './scan-activity.ts';
import { toVulnerabilityFinding } from './vulnerability-finding.ts';

export type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

/**
 * One outbox event: a Compliance Finding, a Vulnerability Finding, a Detection Finding for a request that violated a
 * policy, Remediation Activity for a step of a rollout, or API Activity for a refused request. `metadata.uid` never changes for it.
 */
export function toOcsf(event: StoredEvent, context: OcsfContext): OcsfEvent {
  if (isFindingEvent(event)) return toComplianceFinding(event, context);
  if (isDenialEvent(event)) return toDenialFinding(event, context);
  if (isDetectionEvent(event)) return toDetectionFinding(event, context);
  if (isActivityEvent(event)) return toActivity(event, context);
  if (isRemediationEvent(event)) return toRemediationActivity(event, metadataOf(event, context));
  return isVulnerabilityEvent(event)
    ? toVulnerabilityFinding(event, metadataOf(event, context))
    : toApiActivity(event, context);
}

function toActivity(event: ActivityEvent, context: OcsfContext): OcsfEvent {
  const { activity, atMs } = event;
  const terms = { atMs, metadata: metadataOf(event, context), node: context.node };
  switch (activity.kind) {
    case 'audit':
      return toAuditActivity(activity, terms);
    case 'lifecycle':
      return toLifecycle(activity, terms);
    case 'drop':
      return toDropError(activity, terms);
    case 'device':
      return toDeviceInventory(activity, terms);
    case 'software':
      return toSoftwareInventory(activity, terms);
    case 'configuration':
      return toConfigurationChange(activity, terms);
    case 'scan':
      return toScanActivity(activity, terms);
    case 'evidence':
      return toLiveEvidence(activity, terms);
  }
}

/** A report waits in the queue of its program while the collector is away, and clocks differ. */
const MAX_DENIAL_AGE_MS = 30 * 86_400_000;
const MAX_DENIAL_LEAD_MS = 86_400_000;
/** A longer uid of a denial is hashed: a shorter version of an event must not cut it, and a cut one is that of others too. */
const MAX_UID = 128;

/**
 * Who reported a denial is beside it: a reporter can claim anything in it. A time that is far from the receipt is
 * replaced by that: receivers refuse it, or file the event where nobody looks.
 */
function toDenialFinding(event: DenialEvent, { version, nowMs }: OcsfContext): OcsfEvent {
  const { reporter, source, denial } = event;
  const ageMs = event.atMs - denial.atMs;
  const atMs = ageMs <= MAX_DENIAL_AGE_MS && ageMs >= -MAX_DENIAL_LEAD_MS ? denial.atMs : event.atMs;
  const finding = toDenial({ ...denial, atMs }, { version, uid: event.uid, loggedMs: nowMs });
  const uid = denialUid(denial);
  return {
    ...finding,
    ...(safeJson(uid).length > MAX_UID && {
      finding_info: { ...(finding['finding_info'] as OcsfEvent), uid: hash('sha256', uid, 'hex').slice(0, 32) },
    }),
    unmapped: { ...(finding['unmapped'] as OcsfEvent), reporter, source },
  };
}
