import { createHash } from 'node:crypto';
import { safe } from '../api/safe.ts';
import type { PodReason } from '../policy/pod/decide-pod.ts';
import type { RequestJudgement } from './judge-request.ts';
import type { AdmissionRequest } from './review.ts';

/*
 * OCSF 1.8 Detection Finding (class 2004) with the profile security_control:
 * https://schema.ocsf.io/1.8.0/classes/detection_finding. Numbers are those of its enumerations.
 */
const CLASS = 2004;
const CREATE = 1;
const NEW = 1;
const ACTIONS = {
  denied: {
    action: 'Denied',
    action_id: 2,
    disposition: 'Blocked',
    disposition_id: 2,
    severity: 'Medium',
    severity_id: 3,
  },
  overridden: {
    action: 'Allowed',
    action_id: 1,
    disposition: 'Allowed',
    disposition_id: 1,
    severity: 'High',
    severity_id: 4,
  },
  observed: {
    action: 'Observed',
    action_id: 3,
    disposition: 'Logged',
    disposition_id: 17,
    severity: 'Informational',
    severity_id: 1,
  },
} as const;
const MAX_REASONS = 20;
const MAX_TEXT = 512;

/** What an event says besides the request. */
export interface EventContext {
  readonly version: string;
  readonly nowMs: number;
  /** Unique for each event. */
  readonly eventId: string;
  /** Events that the rate limit dropped before this one. */
  readonly suppressed: number;
}

/**
 * The event of a judgement with reasons, warnings or observed violations. `finding_info.uid` is the same for the same
 * violations of the same workload, so that retries of a controller are one finding.
 */
export function detectionEvent(
  request: AdmissionRequest,
  { allowed, decision, breakGlass }: RequestJudgement,
  { version, nowMs, eventId, suppressed }: EventContext,
): Readonly<Record<string, unknown>> {
  const reasons = [...decision.reasons, ...decision.warnings, ...decision.observed];
  const { severity, severity_id, ...action } =
    ACTIONS[allowed ? (breakGlass === undefined ? 'observed' : 'overridden') : 'denied'];
  const { kind, namespace, userInfo, operation, uid } = request;
  const name = safe(nameOf(request));
  const what = `${kind.kind} ${namespace}/${name}`;
  const title = allowed
    ? breakGlass === undefined
      ? `${what} is allowed with violations`
      : `${what} is allowed by break-glass`
    : `${what} is denied`;
  const codes = [...new Set(reasons.map(({ control, code }) => control ?? code))].toSorted();
  const findingUid = createHash('sha256')
    .update(JSON.stringify([kind.kind, namespace, name, action.action_id, codes]))
    .digest('hex');
  return {
    activity_id: CREATE,
    activity_name: 'Create',
    category_uid: 2,
    category_name: 'Findings',
    class_uid: CLASS,
    class_name: 'Detection Finding',
    type_uid: CLASS * 100 + CREATE,
    type_name: 'Detection Finding: Create',
    time: nowMs,
    severity_id,
    severity,
    status_id: NEW,
    status: 'New',
    ...action,
    is_alert: !allowed || breakGlass !== undefined,
    message: `${title}: ${codes.join(', ')}`.slice(0, MAX_TEXT),
    finding_info: {
      uid: findingUid,
      title: title.slice(0, MAX_TEXT),
      desc: reasons.slice(0, MAX_REASONS).map(sentence).join(' '),
      types: codes.slice(0, MAX_REASONS),
    },
    evidences: [
      {
        actor: { user: { name: safe(userInfo.username) } },
        api: { operation, request: { uid: safe(uid) } },
      },
    ],
    resources: [{ type: kind.kind, name, namespace: safe(namespace) }],
    policy: { name: decision.policies.join(',').slice(0, MAX_TEXT) || 'none', is_applied: !allowed },
    metadata: {
      version: '1.8.0',
      product: { name: 'Plimsoll', vendor_name: 'Plimsoll', version },
      profiles: ['security_control'],
      log_name: 'plimsoll-admission',
      uid: eventId,
    },
    unmapped: {
      suppressed,
      reasons_total: reasons.length,
      ...(breakGlass === undefined ? {} : { break_glass: safe(breakGlass) }),
    },
  };
}

function sentence({ path, image, control, code, actual, expected }: PodReason): string {
  const about = image === undefined ? '' : ` (${image})`;
  return safe(`${path}${about}: ${control ?? code}: ${actual}; expected ${expected}.`.slice(0, MAX_TEXT));
}

/** The name of an object that is created from `generateName` is not known yet. */
function nameOf({ name, object }: AdmissionRequest): string {
  if (name !== '') return name;
  const { metadata } = (object ?? {}) as { readonly metadata?: unknown };
  const { name: own, generateName } = (metadata ?? {}) as { readonly name?: unknown; readonly generateName?: unknown };
  if (typeof own === 'string' && own !== '') return own.slice(0, 253);
  return typeof generateName === 'string' ? `${generateName.slice(0, 253)}*` : '';
}
