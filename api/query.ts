import * as s from '../posture/schema.ts';

/** One node's answer to a query. Which fields are there depends on `outcome`. */
export const queryAnswer = s.object({
  outcome: s.oneOf(['ok', 'error', 'timeout', 'offline']),
  nodeId: s.string(),
  nodeName: s.string(),
  value: s.unknown(),
  rows: s.withDefault(s.integer(), 0),
  truncated: s.withDefault(s.boolean(), false),
  unread: s.withDefault(s.list(s.string(), '', 1000), []),
  error: s.withDefault(s.string(), ''),
  deadlineMs: s.withDefault(s.integer(), 0),
  sinceMs: s.withDefault(s.integer(), 0),
});
/** See {@link queryAnswer}. */
export type QueryAnswer = s.Infer<typeof queryAnswer>;

/** The answers of all nodes that were asked. */
export const queryAnswers = s.object({ answers: s.list(queryAnswer, '', 100_000) });
