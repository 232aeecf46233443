import { MAX_DENIAL_REASONS, MAX_DENIAL_TEXT } from '../denial-record.ts';
import type { DenialRecord } from '../denial-record.ts';
import type { Authorization } from './authorize.ts';
import { escapeText } from './violation.ts';
import type { Violation } from './violation.ts';

/** A request that violates a policy, and what is known besides. */
export interface Denial {
  /** The same in each copy of the record. */
  readonly id: string;
  readonly atMs: number;
  /** Common name of the client certificate; undefined without one. */
  readonly client: string | undefined;
  readonly hostname: string;
  readonly authorization: Authorization;
  /** Denials before it that were not written, since there were too many. */
  readonly suppressed: number;
}

/** Clients choose what a request holds and how often they send it. */
const MAX_VIOLATIONS = 10;
const MAX_MESSAGE = 1500;
const MAX_CLIENT = 256;

/** A denial as a record; a request that is let through, since its policy does not enforce, is `observed`. */
export function toDenialRecord({ authorization, client, ...denial }: Denial): DenialRecord {
  const { operation, policy, isAllowed, violations } = authorization;
  return {
    id: denial.id,
    atMs: denial.atMs,
    program: 'authz',
    outcome: isAllowed ? 'observed' : 'denied',
    kind: 'Host',
    namespace: '',
    name: clip(denial.hostname, 253),
    operation: clip(operation, MAX_DENIAL_TEXT),
    user: client === undefined ? '' : clip(client.slice(0, MAX_CLIENT), MAX_CLIENT),
    requestUid: '',
    policies: policy === '' ? [] : [clip(policy, 253)],
    reasons: violations.slice(0, MAX_DENIAL_REASONS).map((violation) => ({
      code: 'container-policy',
      field: clip(violation.field, 256),
      text: clip(sentence(violation), MAX_DENIAL_TEXT),
    })),
    omitted: Math.max(0, violations.length - MAX_DENIAL_REASONS),
    suppressed: denial.suppressed,
    breakGlass: '',
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

function clip(text: string, length: number): string {
  const escaped = escapeText(text);
  return escaped.length > length ? `${escaped.slice(0, length - 1)}…` : escaped;
}
