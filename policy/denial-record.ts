/** What was decided: refused; let through by break-glass; or let through because the policy only warns or observes. */
export type DenialOutcome = 'denied' | 'overridden' | 'observed';

/** Which program decided: the admission webhook of Kubernetes, or the authorization plugin of Docker. */
export type EnforcingProgram = 'admission' | 'authz';

/** One reason against a request. Texts are for people. */
export interface DenialReason {
  /** Machine-readable: the id of a control, or the code of a violation. */
  readonly code: string;
  /** The field that it is about; empty: the request. */
  readonly field: string;
  readonly text: string;
}

/** A request that violates a policy, with all that is reported about it. Every text is bounded by its producer. */
export interface DenialRecord {
  /** Unique; the same in every copy of the record. */
  readonly id: string;
  readonly atMs: number;
  readonly program: EnforcingProgram;
  readonly outcome: DenialOutcome;
  /** Kind of the object: `Pod`, `Deployment`; of the authorization plugin: `Host`. */
  readonly kind: string;
  /** Empty: none. */
  readonly namespace: string;
  /** Name of the object; of the authorization plugin the host name. */
  readonly name: string;
  /** `CREATE`; of the authorization plugin the route. */
  readonly operation: string;
  /** Who asked; empty: not known. */
  readonly user: string;
  /** Identifies the request in the audit log of the API server; empty: none. */
  readonly requestUid: string;
  /** Names of the policies that decided. */
  readonly policies: readonly string[];
  /** At most {@link MAX_DENIAL_REASONS}. */
  readonly reasons: readonly DenialReason[];
  /** Further reasons. */
  readonly omitted: number;
  /** Requests before it that have no record, since there were too many. */
  readonly suppressed: number;
  /** Why break-glass was used; empty: it was not. */
  readonly breakGlass: string;
}

/** Reasons that a record holds. */
export const MAX_DENIAL_REASONS = 20;
/** Length of the text of a reason, and of every other text of a record. */
export const MAX_DENIAL_TEXT = 512;

/*
 * OCSF 1.8 Detection Finding (class 2004) with the profile security_control:
 * https://schema.ocsf.io/1.8.0/classes/detection_finding. Numbers are those of its enumerations.
 */
const CLASS = 2004;
const CREATE = 1;
/** `integer_t` is signed and has 32 bits. */
const MAX_INTEGER = 2 ** 31 - 1;
const ACTIONS = {
  denied: {
    severity_id: 3,
    severity: 'Medium',
    action_id: 2,
    action: 'Denied',
    disposition_id: 2,
    disposition: 'Blocked',
  },
  overridden: {
    severity_id: 4,
    severity: 'High',
    action_id: 1,
    action: 'Allowed',
    disposition_id: 1,
    disposition: 'Allowed',
  },
  observed: {
    severity_id: 1,
    severity: 'Informational',
    action_id: 3,
    action: 'Observed',
    disposition_id: 17,
    disposition: 'Logged',
  },
} as const satisfies Record<DenialOutcome, unknown>;
const RESULT = {
  denied: 'is denied',
  overridden: 'is allowed by break-glass',
  observed: 'is allowed with violations',
} as const satisfies Record<DenialOutcome, string>;

/** What an event says besides the record. */
export interface DenialEventContext {
  /** Version of the program that writes the event. */
  readonly version: string;
  /** Identifies the event. */
  readonly uid: string;
  readonly loggedMs: number;
}

/**
 * The record as an OCSF Detection Finding. `finding_info.uid` is the same for the same violations of the same object, so
 * that retries of a controller are one finding; `metadata.correlation_uid` is the id of the record, in every copy.
 */
export function toDetectionFinding(
  record: DenialRecord,
  { version, uid, loggedMs }: DenialEventContext,
): Readonly<Record<string, unknown>> {
  const { outcome, program, namespace, name, kind, reasons, suppressed, breakGlass } = record;
  const title = denialTitle(record);
  const codes = codesOf(record);
  return {
    activity_id: CREATE,
    activity_name: 'Create',
    category_uid: 2,
    category_name: 'Findings',
    class_uid: CLASS,
    class_name: 'Detection Finding',
    type_uid: CLASS * 100 + CREATE,
    type_name: 'Detection Finding: Create',
    time: record.atMs,
    status_id: 1,
    status: 'New',
    ...ACTIONS[outcome],
    is_alert: outcome !== 'observed',
    message: `${title}: ${codes.join(', ')}`.slice(0, MAX_DENIAL_TEXT),
    ...(suppressed > 0 && { count: Math.min(suppressed + 1, MAX_INTEGER) }),
    metadata: {
      version: '1.8.0',
      uid,
      correlation_uid: record.id,
      log_name: `plimsoll-${program}`,
      logged_time: loggedMs,
      profiles: ['security_control'],
      product: { uid: 'plimsoll', name: 'Plimsoll', vendor_name: 'Plimsoll', version },
    },
    finding_info: {
      uid: denialUid(record).slice(0, 1024),
      title,
      desc: reasons.map(({ text }) => text).join(' '),
      types: codes,
      created_time: record.atMs,
    },
    policy: { name: record.policies.join(',').slice(0, MAX_DENIAL_TEXT) || 'none', is_applied: outcome === 'denied' },
    evidences: [
      {
        ...(record.user !== '' && { actor: { user: { name: record.user } } }),
        api: {
          operation: record.operation,
          service: { name: program === 'admission' ? 'kube-apiserver' : 'dockerd' },
          ...(record.requestUid !== '' && { request: { uid: record.requestUid } }),
        },
      },
    ],
    resources: [{ type: kind, name, ...(namespace !== '' && { namespace }) }],
    unmapped: {
      suppressed,
      reasons_total: reasons.length + record.omitted,
      ...(breakGlass !== '' && { break_glass: breakGlass }),
    },
  };
}

/** The same for the same violations of the same object. */
export function denialUid(record: DenialRecord): string {
  const { program, outcome, kind, namespace, name, operation, reasons } = record;
  const fields = program === 'authz' ? reasons.map(({ field }) => field).toSorted() : [];
  return [program, kind, namespace, name, operation, outcome, ...codesOf(record), ...fields].join('/');
}

function codesOf({ reasons }: DenialRecord): readonly string[] {
  return [...new Set(reasons.map(({ code }) => code))].filter((code) => code !== '').toSorted();
}

/** One line about a record: `Pod prod/db is denied`. */
export function denialTitle({ program, outcome, kind, namespace, name, operation }: DenialRecord): string {
  const what =
    program === 'authz'
      ? `Docker request ${operation} on ${name}`
      : `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  return `${what} ${RESULT[outcome]}`.slice(0, MAX_DENIAL_TEXT);
}
