import * as s from '../posture/schema.ts';
import { count, time } from './part.ts';

const node = { nodeId: s.string(), nodeName: s.string() };

/** Why a node did not answer. */
export const unanswered = [
  s.object({ outcome: s.oneOf(['error']), ...node, error: s.string() }),
  s.object({ outcome: s.oneOf(['timeout']), ...node, deadlineMs: count('how long the collector waited') }),
  s.object({ outcome: s.oneOf(['offline']), ...node, sinceMs: time('when the connection was lost') }),
] as const;

/** One node's answer to a query, by outcome. */
export const queryAnswer = s.union([
  s.object({
    outcome: s.oneOf(['ok']),
    ...node,
    value: s.unknown('value of the expression: any JSON value'),
    rows: count(),
    truncated: s.boolean('rows or bytes beyond a limit were left out'),
    unread: s.list(s.string(), 'what the expression needed and the node could not read', 1000),
  }),
  ...unanswered,
]);
/** See {@link queryAnswer}. */
export type QueryAnswer = s.Infer<typeof queryAnswer>;

/** The answer of a node whose outcome is `O`. */
export type AnswerOf<O extends QueryAnswer['outcome']> = Extract<QueryAnswer, { outcome: O }>;

/** The answers of all nodes that were asked, one each. */
export const queryAnswers = s.object({ answers: s.list(queryAnswer, '', 100_000) });
