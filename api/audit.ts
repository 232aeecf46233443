import * as s from '../posture/schema.ts';
import { role } from './access.ts';
import { count, time } from './part.ts';

/** One call of the operator API. The fields map to those of OCSF API Activity (class 6003). */
export const auditRecord = s.object({
  id: s.string('unique', 64),
  atMs: time('when the call began'),
  phase: s.openOneOf(
    ['started', 'completed'],
    'started: a call that changes something is recorded before it is carried out; no end was recorded',
  ),
  principal: s.object({
    kind: s.openOneOf(['anonymous', 'token', 'oidc']),
    id: s.string('id of the operator token, or subject at the identity provider', 512),
    name: s.string('for people', 512),
    session: s.boolean('through a session of the console'),
  }),
  role: s.nullable(role, 'absent: the caller has not authenticated'),
  address: s.string('address of the caller; `*`: several', 64),
  method: s.string('', 16),
  operation: s.string('operation id of this document; `*`: several', 64),
  parameters: s.unknown('parameters and body without secrets, long values shortened'),
  status: count('HTTP status; 0: no complete answer was sent'),
  code: s.string('code of the refusal; empty: the call succeeded', 64),
  durationMs: count(),
  calls: count('number of calls in this record: reads and denials of one caller beyond 300 a minute share a record'),
});
/** See {@link auditRecord}. */
export type AuditRecord = s.Infer<typeof auditRecord>;

/** A part of the audit log, newest first. */
export const auditPage = s.object({
  records: s.list(auditRecord, '', 1_000),
  more: s.boolean('there is more that was not looked at: ask again with `untilMs` set to `reachedMs`'),
  reachedMs: time('when the oldest record that was looked at began'),
});
/** See {@link auditPage}. */
export type AuditPage = s.Infer<typeof auditPage>;
