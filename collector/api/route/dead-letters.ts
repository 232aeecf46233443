import {
  deadLetterDetail,
  deadLetterList,
  MAX_DEAD_LETTER_IDS,
  purgedDeadLetters,
  replayedDeadLetters,
} from '../../../api/dead-letter.ts';
import type { DeadLetterInfo } from '../../../api/dead-letter.ts';
import * as s from '../../../posture/schema.ts';
import type { RenderedDeadLetter } from '../../sink/dead-letters.ts';
import type { DeadLetterSelection } from '../../store/dead-letter-store.ts';
import { numeric, text } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { Refusal, Sent } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_SINK = 64;

/** GET /v1/dead-letters */
export const listDeadLetters = jsonRoute({
  method: 'GET',
  path: '/v1/dead-letters',
  operation: 'listDeadLetters',
  summary: 'Events that sinks rejected, newest first',
  description:
    'Events that the receiver of a sink will never accept as they are. They are kept until they are replayed or purged, ' +
    'at most 10,000 of each sink.',
  refuses: ['invalidRequest'],
  query: s.object({
    sink: s.nullable(text('only those of this sink', MAX_SINK)),
    limit: s.withDefault(numeric('most dead letters', 1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: s.nullable(text('of the answer before', 64)),
  }),
  answer: deadLetterList,
  handle: async ({ query: { sink, limit, cursor } }, { deadLetters }) => {
    const page = await deadLetters.list({
      ...(sink !== null && { sink }),
      ...(cursor !== null && { cursor }),
      limit,
    });
    return answer({ deadLetters: page.deadLetters.map(present), cursor: page.cursor });
  },
});

/** GET /v1/dead-letters/{id} */
export const getDeadLetter = jsonRoute({
  method: 'GET',
  path: '/v1/dead-letters/{id}',
  operation: 'getDeadLetter',
  summary: 'An event that a sink rejected',
  description: 'The reason, and the whole event as it would be sent now.',
  refuses: ['notFound', 'invalidRequest'],
  params: s.object({ id: numeric('id of the dead letter', 1, Number.MAX_SAFE_INTEGER) }),
  answer: deadLetterDetail,
  handle: async ({ params: { id } }, { deadLetters }) => {
    const found = await deadLetters.find(id);
    if (found === undefined)
      return refuse('notFound', `there is no dead letter ${String(id)}`, 'list them: plimsoll deadletter list');
    return answer({ ...present(found), event: found.ocsf });
  },
});

const selection = s.object({
  ids: s.nullable(s.list(s.integer('', 1), 'these', MAX_DEAD_LETTER_IDS)),
  sink: s.nullable(text('those of this sink', MAX_SINK)),
  all: s.withDefault(s.boolean('those of all sinks'), false),
  beforeMs: s.nullable(s.integer('only those that were rejected before this time; milliseconds since 1970, UTC', 0)),
});

/** POST /v1/dead-letters/replay */
export const replayDeadLetters = jsonRoute({
  method: 'POST',
  path: '/v1/dead-letters/replay',
  operation: 'replayDeadLetters',
  summary: 'Sends events that sinks rejected again',
  description:
    'Events keep their `metadata.uid` and get a new place at the end of the outbox, in the order in which they happened. ' +
    'The events of a sink that is off are left where they are. Exactly one of `ids`, `sink` and `all` is given.',
  refuses: ['invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: selection,
  answer: replayedDeadLetters,
  handle: async ({ body }, { deadLetters }) => {
    const chosen = toSelection(body);
    return 'code' in chosen ? chosen : answer({ replayed: await deadLetters.replay(chosen) });
  },
});

/** POST /v1/dead-letters/purge */
export const purgeDeadLetters = jsonRoute({
  method: 'POST',
  path: '/v1/dead-letters/purge',
  operation: 'purgeDeadLetters',
  summary: 'Deletes events that sinks rejected',
  description:
    'Their sink never gets these events. Findings and history are not touched. Exactly one of `ids`, `sink` and `all` is given.',
  refuses: ['invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: selection,
  answer: purgedDeadLetters,
  handle: async ({ body }, { deadLetters }) => {
    const chosen = toSelection(body);
    return 'code' in chosen ? chosen : answer({ purged: await deadLetters.purge(chosen) });
  },
});

function toSelection({ ids, sink, all, beforeMs }: s.Infer<typeof selection>): DeadLetterSelection | Refusal {
  if ([ids !== null, sink !== null, all].filter(Boolean).length !== 1)
    return refuse('invalidRequest', 'give exactly one of ids, sink and all');
  return { ...(ids !== null && { ids }), ...(sink !== null && { sink }), ...(beforeMs !== null && { beforeMs }) };
}

function present({ event, ocsf, ...letter }: RenderedDeadLetter): Sent<DeadLetterInfo> {
  const { id, sink, isReplaying, rejectedMs, attempts, reason } = letter;
  const { uid: findingUid } = (ocsf['finding_info'] ?? {}) as { readonly uid?: unknown };
  return {
    id,
    sink,
    isReplaying,
    rejectedMs,
    attempts,
    reason,
    eventUid: event.uid,
    eventMs: event.atMs,
    type: textOf(ocsf['type_name']),
    message: textOf(ocsf['message']),
    ...(typeof findingUid === 'string' && { findingUid }),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
