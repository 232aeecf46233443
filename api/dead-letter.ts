import * as s from '../posture/schema.ts';
import { count, time } from './part.ts';

/** Most ids of one request. */
export const MAX_DEAD_LETTER_IDS = 1_000;

const fields = {
  id: count('id of the dead letter'),
  sink: s.string('the sink that rejected the event'),
  isReplaying: s.boolean('it waits to be sent again'),
  rejectedMs: time('when the sink rejected it the last time'),
  attempts: count('how often the sink rejected it'),
  reason: s.string('as the receiver gave it; at most 500 characters'),
  eventUid: s.string('`metadata.uid`, the same whenever the event is sent'),
  eventMs: time('when the event happened'),
  type: s.string('`type_name` of OCSF, such as `Compliance Finding: Create`'),
  message: s.string('the event in one line'),
  findingUid: s.nullable(s.string(), '`finding_info.uid`'),
};

/** An event that a sink rejected. */
const deadLetter = s.object(fields);
/** See {@link deadLetter}. */
export type DeadLetterInfo = s.Infer<typeof deadLetter>;

/** Events that sinks rejected, the newest first. */
export const deadLetterList = s.object({
  deadLetters: s.list(deadLetter, '', 1_000),
  cursor: s.nullable(s.string(), 'there is more: the next page'),
});

/** One of them, with the whole event. */
export const deadLetterDetail = s.object({ ...fields, event: s.unknown('the OCSF event as it would be sent now') });
/** See {@link deadLetterDetail}. */
export type DeadLetterDetail = s.Infer<typeof deadLetterDetail>;

/** How many are sent again. */
export const replayedDeadLetters = s.object({ replayed: count('events that are sent again') });

/** How many were deleted. */
export const purgedDeadLetters = s.object({ purged: count('events that were deleted') });
