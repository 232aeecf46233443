import * as s from '../posture/schema.ts';
import { count, time } from './part.ts';

/** Programs that report requests that violate a policy. */
export const ENFORCING_PROGRAMS = ['admission', 'authz'] as const;
/** What happened to such a request. */
export const DENIAL_OUTCOMES = ['denied', 'overridden', 'observed'] as const;

/** What people read for each outcome. */
export const DENIAL_OUTCOME_LABELS = Object.freeze({
  denied: 'denied',
  overridden: 'break-glass',
  observed: 'observed',
} satisfies Record<(typeof DENIAL_OUTCOMES)[number], string>);
/** What people read for each program. */
export const PROGRAM_LABELS = Object.freeze({
  admission: 'admission webhook',
  authz: 'Docker authorization',
} satisfies Record<(typeof ENFORCING_PROGRAMS)[number], string>);

const program = s.oneOf(ENFORCING_PROGRAMS, 'admission webhook of Kubernetes, or authorization plugin of Docker');
const outcome = s.oneOf(
  DENIAL_OUTCOMES,
  'denied; overridden: let through by break-glass; observed: let through because the policy warns or observes',
);

const fields = {
  id: s.string('unique, chosen by the program', 64),
  atMs: time('when it was decided, by the clock of the program'),
  program,
  outcome,
  kind: s.string('kind of the object; `Host` for a request to dockerd', 253),
  namespace: s.string('empty: none', 253),
  name: s.string('of the object, or host name', 256),
  operation: s.string('`CREATE`, or the route of the Docker API', 512),
  user: s.string('who made the request; empty: not known', 512),
  requestUid: s.string('of the request, as in the audit log of the API server; empty: none', 64),
  policies: s.list(s.string('', 253), 'names of the policies that decided', 16),
  reasons: s.list(
    s.object({
      code: s.string('id of a control, or code of a violation', 128),
      field: s.string('empty: the whole request', 256),
      text: s.string('for people', 512),
    }),
    '',
    20,
  ),
  omitted: count('further reasons'),
  suppressed: count('requests before it that were not reported, because there were too many'),
  breakGlass: s.string('why it was let through; empty: it was not', 512),
};

const admittedPod = s.object({
  uid: s.string('of the Pod object', 64),
  namespace: s.string('', 253),
  name: s.string('', 253),
  atMs: time('when it was admitted, by the clock of the program'),
  images: s.list(
    s.object({ reference: s.string('as the pod names it', 512), digest: s.string('empty: not known', 256) }),
    '',
    32,
  ),
  isComplete: s.boolean('`images` are all of them'),
  generation: count('version of the policy snapshot that it was judged by'),
  byBreakGlass: s.boolean('let through in spite of violations'),
});

/** What a program reports at a time. */
export const denialReport = s.object({
  reporter: s.object({
    program,
    name: s.string('name of the replica or host', 253),
    instance: s.string('unique for each start of the program', 64),
    caBundle: s.withDefault(
      s.string(
        'SHA-256, hexadecimal, of the `caBundle` that the webhook keeps in its configuration; empty: it keeps none',
        64,
      ),
      '',
    ),
  }),
  pending: count('further records that wait'),
  dropped: count('records that were lost since the start of the program, because its queue was full'),
  /** The field `nowMs` of the last answer. */
  answeredMs: s.withDefault(time('`nowMs` of the last answer; 0: none'), 0),
  ended: s.withDefault(s.boolean('this is the last report: the program ends'), false),
  denials: s.withDefault(s.list(s.object(fields), '', 200), []),
  admitted: s.withDefault(s.list(admittedPod, 'pods that the admission webhook let run', 200), []),
});
/** See {@link denialReport}. */
export type DenialReport = s.Infer<typeof denialReport>;

/** Answer to a report. */
export const denialReceipt = s.object({
  nowMs: time('now'),
  stored: count('records that were not known before'),
});

/** A request that violated a policy, as the collector keeps it. */
export const storedDenial = s.object({
  ...fields,
  receivedMs: time('when the collector received it'),
  reporter: s.string('name of the replica or host, as it says itself', 253),
  source: s.string('id of the operator token that reported it', 512),
});
/** See {@link storedDenial}. */
export type StoredDenialInfo = s.Infer<typeof storedDenial>;

/** Requests that violated a policy, newest first. */
export const denialList = s.object({
  denials: s.list(storedDenial, '', 1_000),
  cursor: s.nullable(s.string('continues the list; absent: this is the end', 64)),
});

/** What a request was about: `Pod shop/db`, or `host-1: POST /containers/create`. May hold anything a user chose. */
export function denialObject({
  program: by,
  kind,
  namespace,
  name,
  operation,
}: Pick<StoredDenialInfo, 'program' | 'kind' | 'namespace' | 'name' | 'operation'>): string {
  if (by === 'authz') return `${name}: ${operation}`;
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}
