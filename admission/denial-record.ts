import { safe } from '../api/safe.ts';
import { MAX_DENIAL_REASONS, MAX_DENIAL_TEXT } from '../policy/denial-record.ts';
import type { DenialRecord } from '../policy/denial-record.ts';
import type { PodReason } from '../policy/pod/decide-pod.ts';
import type { RequestJudgement } from './judge-request.ts';
import type { AdmissionRequest } from './review.ts';

/** What a record says besides the request. */
export interface RecordContext {
  readonly nowMs: number;
  /** Unique for each record. */
  readonly id: string;
  /** Requests before it that have no record. */
  readonly suppressed: number;
}

/** The record of a judgement with reasons, warnings or observed violations. */
export function toDenialRecord(
  request: AdmissionRequest,
  { allowed, decision, breakGlass }: RequestJudgement,
  { nowMs, id, suppressed }: RecordContext,
): DenialRecord {
  const reasons = [...decision.reasons, ...decision.warnings, ...decision.observed];
  const { kind, namespace, userInfo, operation, uid } = request;
  return {
    id,
    atMs: nowMs,
    program: 'admission',
    outcome: allowed ? (breakGlass === undefined ? 'observed' : 'overridden') : 'denied',
    kind: bounded(kind.kind, 253),
    namespace: bounded(namespace, 253),
    name: bounded(nameOf(request), 256),
    operation,
    user: bounded(userInfo.username),
    requestUid: bounded(uid, 64),
    policies: decision.policies.slice(0, MAX_POLICIES).map((name) => bounded(name, 253)),
    reasons: reasons.slice(0, MAX_DENIAL_REASONS).map((reason) => ({
      code: bounded(reason.control ?? reason.code, 128),
      field: bounded(reason.path, 256),
      text: bounded(sentence(reason)),
    })),
    omitted: Math.max(0, reasons.length - MAX_DENIAL_REASONS),
    suppressed,
    breakGlass: bounded(breakGlass ?? ''),
  };
}

const MAX_POLICIES = 16;

function sentence({ path, image, control, code, actual, expected, action }: PodReason): string {
  const about = image === undefined ? '' : ` (${image})`;
  return `${path}${about}: ${control ?? code}: ${actual}; expected ${expected}. ${action}`;
}

function bounded(text: string, most = MAX_DENIAL_TEXT): string {
  return safe(text.slice(0, most)).slice(0, most);
}

/** The name of an object that is created from `generateName` is not known yet. */
function nameOf({ name, object }: AdmissionRequest): string {
  if (name !== '') return name;
  const { metadata } = (object ?? {}) as { readonly metadata?: unknown };
  const { name: own, generateName } = (metadata ?? {}) as { readonly name?: unknown; readonly generateName?: unknown };
  if (typeof own === 'string' && own !== '') return own.slice(0, 253);
  return typeof generateName === 'string' ? `${generateName.slice(0, 250)}*` : '';
}
