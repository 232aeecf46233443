import { queryAnswers } from '../../../api/query.ts';
import type { QueryAnswer as ApiAnswer } from '../../../api/query.ts';
import * as s from '../../../posture/schema.ts';
import type { QueryAnswer } from '../../query/query.ts';
import { text } from '../parameter.ts';
import { presentFailedAnswer } from '../present.ts';
import { describePrincipal, principalKey } from '../principal.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { Sent } from '../route.ts';

/** Bounds of a live query over the API, and what is asked for where nothing is said. */
const MAX_EXPRESSION = 4096;
const DEFAULT_DEADLINE_MS = 5_000;
const MAX_DEADLINE_MS = 5 * 60_000;
const DEFAULT_ROWS = 1_000;
const MAX_ROWS = 100_000;
const DEFAULT_BYTES = 1024 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;

const bounded = (most: number, preset: number, meaning: string): s.Schema<number> =>
  s.withDefault(s.integer(meaning, 1, most), preset);

const queryRequest = s.object({
  expression: text('CEL over the facts of a node: `kernel.lockdown`', MAX_EXPRESSION),
  nodes: s.withDefault(s.list(text('', 256), 'ids or names; empty: all nodes', 1000), []),
  deadlineMs: bounded(MAX_DEADLINE_MS, DEFAULT_DEADLINE_MS, 'how long to wait for a node; the collector may cap it'),
  maxRows: bounded(MAX_ROWS, DEFAULT_ROWS, 'most rows from one node; the collector may cap it'),
  maxBytes: bounded(MAX_BYTES, DEFAULT_BYTES, 'most bytes from one node; the collector may cap it'),
});

/** POST /v1/query */
export const askNodes = jsonRoute({
  method: 'POST',
  path: '/v1/query',
  operation: 'askNodes',
  summary: 'Runs a live query on nodes',
  description:
    'Sends a CEL expression to all or chosen nodes, which evaluate it over their facts as they are now. ' +
    'An expression that does not compile is refused before anything is sent.',
  refuses: ['invalidRequest', 'invalidExpression', 'unknownNode', 'tooLarge', 'unsupportedMediaType'],
  body: queryRequest,
  answer: queryAnswers,
  handle: async ({ body, principal, signal }, { queries, activities }) => {
    const response = await queries.ask(body, signal, principalKey(principal));
    switch (response.outcome) {
      case 'invalid':
        return refuse('invalidExpression', response.error);
      case 'unknownNode':
        return refuse('unknownNode', response.error, 'list the nodes: plimsoll nodes, GET /v1/nodes');
      case 'answered':
        activities.noteAnswers({ expression: body.expression, by: describePrincipal(principal) }, response.answers);
        return answer({ answers: response.answers.map(presentAnswer) });
    }
  },
});

/** Every field by name: an answer of a node never brings one that the document does not know. */
function presentAnswer(given: QueryAnswer): Sent<ApiAnswer> {
  if (given.outcome !== 'ok') return presentFailedAnswer(given);
  const { outcome, nodeId, nodeName, value, rows, truncated, unread = [] } = given;
  return { outcome, nodeId, nodeName, value, rows, truncated, unread };
}
