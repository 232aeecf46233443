import * as s from '../posture/schema.ts';

/** What a test of a sink found, step by step; it ends with the first that fails. */
export const sinkTest = s.object({
  sink: s.string(),
  ok: s.boolean('the receiver accepted the event'),
  eventUid: s.string('`metadata.uid` of the event'),
  steps: s.list(
    s.object({
      step: s.openOneOf(['resolve', 'connect', 'tls', 'authenticate', 'send']),
      ok: s.boolean(),
      detail: s.string('what was seen; it can contain text of the receiver'),
      advice: s.string('what to do about it; empty: nothing'),
    }),
    '',
    100,
  ),
});
/** See {@link sinkTest}. */
export type SinkTestResult = s.Infer<typeof sinkTest>;
