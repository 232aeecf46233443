import { auditPage } from '../../../api/audit.ts';
import type { AuditPage, AuditRecord } from '../../../api/audit.ts';
import * as s from '../../../posture/schema.ts';
import { flag, numeric, text } from '../parameter.ts';
import { answer, jsonRoute } from '../route.ts';
import type { Sent } from '../route.ts';

const DEFAULT_LIMIT = 200;
const MAX_LIMIT = 1_000;

/** GET /v1/audit */
export const listAudit = jsonRoute({
  method: 'GET',
  path: '/v1/audit',
  operation: 'listAudit',
  summary: 'Calls of this API, newest first',
  description:
    'Who called what, from where, with which result. A call that changes something is recorded before it is carried ' +
    'out; an event stream has one record, when it is opened. `/healthz` is not recorded.',
  refuses: ['invalidRequest'],
  query: s.object({
    sinceMs: s.withDefault(numeric('calls that began at this time or later; milliseconds since 1970, UTC', 0), 0),
    untilMs: s.nullable(numeric('calls that began at this time or earlier; milliseconds since 1970, UTC', 0)),
    principal: s.nullable(text('id or name of the caller', 512)),
    operation: s.nullable(text('operation id', 64)),
    refused: s.withDefault(flag('only calls that were refused'), false),
    limit: s.withDefault(numeric('most records', 1, MAX_LIMIT), DEFAULT_LIMIT),
  }),
  answer: auditPage,
  handle: async ({ query }, { readAudit }) => {
    const { sinceMs, untilMs, principal, operation, refused, limit } = query;
    const page = await readAudit({
      sinceMs,
      untilMs: untilMs ?? Number.MAX_SAFE_INTEGER,
      principal: principal ?? undefined,
      operation: operation ?? undefined,
      refused,
      limit,
    });
    const { records, more, reachedMs } = page;
    return answer<Sent<AuditPage>>({
      records: records.map(presentRecord),
      more,
      reachedMs,
    });
  },
});

function presentRecord({ role, ...record }: AuditRecord): Sent<AuditRecord> {
  return role === null ? record : { ...record, role };
}
