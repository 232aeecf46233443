import { z } from 'zod';
import type { QueryAnswer } from '../../query/query.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

/** Bounds of a live query over the API, and what is asked for where nothing is said. */
const MAX_EXPRESSION = 4096;
const DEFAULT_DEADLINE_MS = 5_000;
const MAX_DEADLINE_MS = 5 * 60_000;
const DEFAULT_ROWS = 1_000;
const MAX_ROWS = 100_000;
const DEFAULT_BYTES = 1024 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;

const bounded = (most: number, preset: number, meaning: string): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(most).default(preset).describe(meaning);

const queryRequestSchema = z.strictObject({
  expression: z.string().min(1).max(MAX_EXPRESSION).describe('CEL over the facts of a node: `kernel.lockdown`'),
  nodes: z.array(z.string().min(1).max(256)).max(1000).default([]).describe('ids or names; empty: all nodes'),
  deadlineMs: bounded(MAX_DEADLINE_MS, DEFAULT_DEADLINE_MS, 'how long to wait for a node; the collector may cap it'),
  maxRows: bounded(MAX_ROWS, DEFAULT_ROWS, 'most rows from one node; the collector may cap it'),
  maxBytes: bounded(MAX_BYTES, DEFAULT_BYTES, 'most bytes from one node; the collector may cap it'),
});

const node = { nodeId: z.string(), nodeName: z.string() };

/** One node's answer; every node that was asked has exactly one. */
export const queryAnswerSchema = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('ok'),
    ...node,
    value: z.unknown().describe('what the expression gave: any JSON value'),
    rows: z.int().min(0),
    truncated: z.boolean().describe('rows or bytes were left out because of a cap'),
    unread: z.array(z.string()).optional().describe('what the answer would have needed and the node could not read'),
  }),
  z.strictObject({ outcome: z.literal('error'), ...node, error: z.string() }),
  z.strictObject({ outcome: z.literal('timeout'), ...node, deadlineMs: z.int().min(0) }),
  z.strictObject({
    outcome: z.literal('offline'),
    ...node,
    sinceMs: z.int().min(0).describe('when the node was lost; milliseconds since 1970, UTC'),
  }),
]);

/** POST /v1/query */
export const askNodes = jsonRoute({
  method: 'POST',
  path: '/v1/query',
  operation: 'askNodes',
  summary: 'A live question to nodes',
  description:
    'Sends a CEL expression to all or chosen nodes, which evaluate it over their facts as they are now. ' +
    'An expression that does not compile is refused before anything is sent.',
  refuses: ['invalidRequest', 'invalidExpression', 'unknownNode', 'tooLarge', 'unsupportedMediaType'],
  body: queryRequestSchema,
  answer: z.strictObject({ answers: z.array(queryAnswerSchema) }),
  handle: async ({ body, signal }, { queries }) => {
    const response = await queries.ask(body, signal);
    switch (response.outcome) {
      case 'invalid':
        return refuse('invalidExpression', response.error);
      case 'unknownNode':
        return refuse('unknownNode', response.error, 'GET /v1/nodes lists them');
      case 'answered':
        return answer({ answers: response.answers.map(presentAnswer) });
    }
  },
});

/** Every field by name: an answer of a node never brings one that the document does not know. */
function presentAnswer(given: QueryAnswer): z.input<typeof queryAnswerSchema> {
  const { nodeId, nodeName } = given;
  switch (given.outcome) {
    case 'ok': {
      const { outcome, value, rows, truncated, unread } = given;
      const whole = { outcome, nodeId, nodeName, value, rows, truncated };
      return unread === undefined ? whole : { ...whole, unread: [...unread] };
    }
    case 'error':
      return { outcome: given.outcome, nodeId, nodeName, error: given.error };
    case 'timeout':
      return { outcome: given.outcome, nodeId, nodeName, deadlineMs: given.deadlineMs };
    case 'offline':
      return { outcome: given.outcome, nodeId, nodeName, sinceMs: given.sinceMs };
  }
}
