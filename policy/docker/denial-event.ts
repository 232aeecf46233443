import type { Authorization } from './authorize.ts';
import { escapeText } from './violation.ts';
import type { Violation } from './violation.ts';

/** A refused request, as an event. */
export interface Denial {
  /** The same in each copy of the event. */
  readonly uid: string;
  readonly atMs: number;
  /** Common name of the client certificate; undefined where there is none. */
  readonly client: string | undefined;
  readonly hostname: string;
  readonly version: string;
  readonly authorization: Authorization;
  /** Denials before it that were not written, since there were too many. */
  readonly suppressed: number;
}

/** Clients choose what a request holds and how often they send it. */
const MAX_VIOLATIONS = 10;
const MAX_MESSAGE = 1500;
const MAX_CLIENT = 256;

/**
 * A denial as OCSF 1.8 Detection Finding (class 2004): https://schema.ocsf.io/1.8.0/classes/detection_finding. A request
 * that was let through, since its policy does not enforce, is one as well, with the action `Allowed`.
 */
export function toDetectionFinding(denial: Denial): Readonly<Record<string, unknown>> {
  const { authorization, client, suppressed } = denial;
  const { operation, policy, isAllowed, mode } = authorization;
  const user = client === undefined ? {} : { actor: { user: { name: printable(client) } } };
  return {
    activity_id: 1,
    activity_name: 'Create',
    category_uid: 2,
    category_name: 'Findings',
    class_uid: 2004,
    class_name: 'Detection Finding',
    type_uid: 200_401,
    type_name: 'Detection Finding: Create',
    time: denial.atMs,
    severity_id: 3,
    severity: 'Medium',
    status_id: 1,
    status: 'New',
    is_alert: !isAllowed,
    action_id: isAllowed ? 1 : 2,
    action: isAllowed ? 'Allowed' : 'Denied',
    disposition_id: isAllowed ? 1 : 2,
    disposition: isAllowed ? 'Allowed' : 'Blocked',
    message: denialMessage(authorization),
    ...(suppressed > 0 && { count: suppressed + 1 }),
    metadata: {
      version: '1.8.0',
      uid: denial.uid,
      log_name: 'plimsoll-authz',
      logged_time: denial.atMs,
      profiles: ['security_control'],
      product: { uid: 'plimsoll', name: 'Plimsoll', vendor_name: 'Plimsoll', version: denial.version },
    },
    finding_info: {
      uid: denial.uid,
      title: `Docker request ${isAllowed ? 'violates the policy' : 'refused'}: ${operation}`,
      types: ['docker-authorization'],
      created_time: denial.atMs,
    },
    ...(policy !== '' && { policy: { name: policy, is_applied: true } }),
    evidences: [{ ...user, api: { operation, service: { name: 'dockerd' } } }],
    resources: [{ name: denial.hostname, type: 'node', hostname: denial.hostname }],
    remediation: { desc: clip(authorization.violations[0]?.action ?? '', MAX_MESSAGE) },
    unmapped: {
      mode,
      suppressed,
      violations: authorization.violations
        .slice(0, MAX_VIOLATIONS)
        .map(({ field, actual, action }) => ({ field, actual: clip(actual, 500), action: clip(action, 500) })),
    },
  };
}

/** What the client of dockerd reads: every reason and what to do, in one line of bounded length. */
export function denialMessage({ violations, policy }: Authorization): string {
  const shown = violations.slice(0, MAX_VIOLATIONS).map(sentence);
  const rest = violations.length - shown.length;
  const by = policy === '' ? 'plimsoll' : `plimsoll (ContainerPolicy ${policy})`;
  return clip(`${by}: ${shown.join(' ')}${rest > 0 ? ` And ${String(rest)} more.` : ''}`, MAX_MESSAGE);
}

function sentence({ field, actual, action }: Violation): string {
  return `${field === '' ? '' : `${field}: `}${actual} is not allowed. ${action}`;
}

function printable(client: string): string {
  return escapeText(client.slice(0, MAX_CLIENT));
}

function clip(text: string, length: number): string {
  const escaped = escapeText(text);
  return escaped.length > length ? `${escaped.slice(0, length - 1)}…` : escaped;
}
