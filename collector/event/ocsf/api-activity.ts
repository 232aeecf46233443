import { isIP } from 'node:net';
import type { RefusalEvent, RefusedOperation } from '../../store/stored-event.ts';
import type { ApiCall } from '../activity.ts';
import { classOf, integerOf, metadataOf, SEVERITY, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 6003, name: 'API Activity', category: 'Application Activity' } as const;
const CREATE = { id: 1, name: 'Create' } as const;
/** What a method of HTTP does; a POST can do anything. */
const ACTIVITY: Readonly<Record<string, { readonly id: number; readonly name: string }>> = {
  GET: { id: 2, name: 'Read' },
  POST: CREATE,
  PUT: { id: 3, name: 'Update' },
  PATCH: { id: 3, name: 'Update' },
  DELETE: { id: 4, name: 'Delete' },
};
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
    ...classOf(CLASS, CREATE, event.atMs),
    severity_id: SEVERITY.medium.id,
    severity: SEVERITY.medium.name,
    status_id: 2,
    status: 'Failure',
    status_detail: reason,
    message: `${REFUSED[operation]} refused: ${reason}`,
    ...(suppressed > 0 && { count: integerOf(suppressed + 1) }),
    metadata: { ...metadataOf(event, { version, nowMs }), log_name: 'plimsoll-refusals' },
    actor: { app_name: 'plimsoll-agent', ...(nodeId !== '' && { app_uid: nodeId }) },
    api: { operation, service: { name: 'plimsoll-collector' } },
    src_endpoint: { ...endpointOf(address), ...(known && { name: known.name }) },
    unmapped: { suppressed },
  };
}

/** A call of the operator API that changed something or was refused, as OCSF 1.8 API Activity (class 6003). */
export function toAuditActivity(
  { record, suppressed }: ApiCall,
  { atMs, metadata }: { readonly atMs: number; readonly metadata: OcsfEvent },
): OcsfEvent {
  const { id, principal, role, address, method, operation, parameters, status, code, durationMs, calls } = record;
  const isRefused = code !== '';
  const who = principal.kind === 'anonymous' ? 'anonymous' : principal.name || principal.id;
  return {
    ...classOf(CLASS, ACTIVITY[method] ?? { id: 99, name: method }, atMs),
    ...severityOf(isRefused ? 'low' : 'info'),
    status_id: isRefused ? 2 : 1,
    status: isRefused ? 'Failure' : 'Success',
    ...(isRefused && { status_code: code }),
    message: `${who}: ${operation}${isRefused ? ` refused: ${code}` : ''}`,
    ...(calls + suppressed > 1 && { count: integerOf(calls + suppressed) }),
    duration: durationMs,
    metadata: { ...metadata, log_name: 'plimsoll-audit', correlation_uid: id },
    actor:
      principal.kind === 'anonymous'
        ? { app_name: 'anonymous' }
        : { user: { uid: principal.id, ...(principal.name !== '' && { name: principal.name }) } },
    api: {
      operation,
      service: { name: 'plimsoll-collector' },
      request: { uid: id, data: parameters },
      response: { code: status },
    },
    src_endpoint: endpointOf(address),
    unmapped: { role, session: principal.session, suppressed },
  };
}

function endpointOf(address: string): OcsfEvent {
  return isIP(address) === 0 ? { name: address || 'unknown' } : { ip: address };
}
