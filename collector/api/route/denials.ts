import { DENIAL_OUTCOMES, denialList, denialReceipt, denialReport, ENFORCING_PROGRAMS } from '../../../api/denial.ts';
import * as s from '../../../posture/schema.ts';
import type { DenialEvent } from '../../store/stored-event.ts';
import { numeric, repeated, text } from '../parameter.ts';
import { describePrincipal } from '../principal.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_SOURCE = 512;

/** GET /v1/denials */
export const listDenials = jsonRoute({
  method: 'GET',
  path: '/v1/denials',
  operation: 'listDenials',
  summary: 'Requests that violated a policy, newest first',
  description:
    'What the admission webhook and the authorization plugins of Docker denied, or let through by break-glass or because ' +
    'the policy warns or observes. Everything but `receivedMs` and `source` is what the program reported.',
  refuses: ['invalidRequest'],
  query: s.object({
    id: repeated(text('id of a denial', 64), '', 100),
    program: repeated(s.oneOf(ENFORCING_PROGRAMS), '', ENFORCING_PROGRAMS.length),
    outcome: repeated(s.oneOf(DENIAL_OUTCOMES), '', DENIAL_OUTCOMES.length),
    namespace: s.nullable(text('of the object', 253)),
    sinceMs: s.nullable(numeric('received at this time or later; milliseconds since 1970, UTC', 0)),
    limit: s.withDefault(numeric('most denials', 1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: s.nullable(text('of the answer before', 64)),
  }),
  answer: denialList,
  handle: async ({ query }, { store }) => {
    const { id, program, outcome, namespace, sinceMs, limit, cursor } = query;
    const page = await store.denials({
      ...(id !== null && { ids: id }),
      ...(program !== null && { programs: program }),
      ...(outcome !== null && { outcomes: outcome }),
      ...(namespace !== null && { namespace }),
      ...(sinceMs !== null && { sinceMs }),
      ...(cursor !== null && { cursor }),
      limit,
    });
    return answer({ denials: page.denials.map(presentDenial), cursor: page.cursor });
  },
});

/** POST /v1/denials */
export const reportDenials = jsonRoute({
  method: 'POST',
  path: '/v1/denials',
  operation: 'reportDenials',
  summary: 'Reports requests that violated a policy',
  description:
    'For programs that enforce policies. A denial with an id that the same token has reported before is skipped, so a ' +
    'report can be sent again. Successful calls are not in the audit log: each denial says which token reported it.',
  refuses: ['invalidRequest', 'tooLarge', 'unsupportedMediaType', 'tooManyRequests'],
  body: denialReport,
  answer: denialReceipt,
  handle: async ({ body, principal }, { denials, clock }) => {
    const taken = await denials.take(body, describePrincipal(principal).slice(0, MAX_SOURCE));
    if (taken.outcome === 'limited')
      return { ...refuse('tooManyRequests', 'too many denials for now'), retryAfterMs: taken.retryAfterMs };
    return answer({ nowMs: clock.now(), stored: taken.stored });
  },
});

function presentDenial({ atMs, reporter, source, denial }: DenialEvent) {
  return { ...denial, receivedMs: atMs, reporter, source };
}
