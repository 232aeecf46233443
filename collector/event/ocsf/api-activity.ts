import type { RefusalEvent, RefusedOperation } from '../../store/store.ts';
import { metadataOf, SEVERITY } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const API_ACTIVITY = 6003;
const REFUSED = {
  enroll: 'enrolment with a join token',
  attest: 'enrolment with a service-account token',
  renew: 'renewal of a certificate',
  session: 'session',
} as const satisfies Record<RefusedOperation, string>;

/**
 * A refused request as OCSF 1.8 API Activity (class 6003): a node tried to create a certificate or a session.
 * https://schema.ocsf.io/1.8.0/classes/api_activity
 */
export function toApiActivity(event: RefusalEvent, { version, nowMs, node }: OcsfContext): OcsfEvent {
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
