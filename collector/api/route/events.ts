import { z } from 'zod';
import type { GoneNode } from '../../../api/node.ts';
import type { Answers } from '../answers.ts';
import type { StreamRoute } from '../route.ts';
import { NO_FIELDS } from '../route.ts';
import { findingEventSchema, nodeStateSchema } from '../schema.ts';

/** Position in the outbox, as `after` or as Last-Event-ID. */
export const positionSchema = z.coerce.number().int().min(0);

/** GET /v1/events */
export const watchEvents = Object.freeze<StreamRoute>({
  kind: 'stream',
  method: 'GET',
  path: '/v1/events',
  operation: 'watchEvents',
  summary: 'Changes as they happen',
  description:
    'Server-sent events. `finding`: something happened to a finding; the id of the event is its position, and a ' +
    'connection with `Last-Event-ID` (or `after`) first gets what came since then, as far as the collector still ' +
    'has it, without a gap or a double. `node`: a node came, went or changed. `nodeRemoved`: there is no such node ' +
    'any more. `gap`: what came between two positions is not there any more; read the findings anew. `overflow`: this reader is dropped, ' +
    'and why. A comment every 15 s says that the stream is alive.',
  access: 'signedIn',
  refuses: ['invalidRequest', 'unavailable'],
  params: NO_FIELDS,
  query: z.strictObject({ after: positionSchema.optional().describe('position of the last event that was seen') }),
  body: undefined,
  events: {
    finding: findingEventSchema,
    node: nodeStateSchema,
    nodeRemoved: z.strictObject({ nodeId: z.string() }) satisfies Answers<GoneNode>,
    gap: z.strictObject({ after: positionSchema, next: positionSchema }),
    overflow: z.strictObject({ reason: z.string() }),
  },
});
