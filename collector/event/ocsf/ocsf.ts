import { toDetectionFinding } from '../../../policy/denial-record.ts';
import { isDenialEvent, isFindingEvent, isRemediationEvent, isVulnerabilityEvent } from '../../store/store.ts';
import type { DenialEvent, StoredEvent } from '../../store/store.ts';
import { toApiActivity } from './api-activity.ts';
import { toComplianceFinding } from './compliance-finding.ts';
import { metadataOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';
import { toRemediationActivity } from './remediation-activity.ts';
import { toVulnerabilityFinding } from './vulnerability-finding.ts';

export type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

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
