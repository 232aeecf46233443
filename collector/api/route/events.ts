import { findingEvent } from '../../../api/finding.ts';
import { goneNode, nodeState } from '../../../api/node.ts';
import { count } from '../../../api/part.ts';
import * as s from '../../../posture/schema.ts';
import { numeric } from '../parameter.ts';
import type { StreamRoute } from '../route.ts';
import { NO_FIELDS } from '../route.ts';

/** Position in the outbox, as `after` or as Last-Event-ID. */
export const positionSchema = numeric('position of the last event that was read', 0);

/** GET /v1/events */
export const watchEvents = Object.freeze<StreamRoute>({
  kind: 'stream',
  method: 'GET',
  path: '/v1/events',
  operation: 'watchEvents',
  summary: 'Stream of changes of findings and nodes',
  description:
    'Server-sent events. `finding`: something happened to a finding; the id of the event is its position, and a ' +
    'connection with `Last-Event-ID` (or `after`) first gets what came since then, as far as the collector still ' +
    'has it, without a gap or a double. `node`: a node came, went or changed. `nodeRemoved`: there is no such node ' +
    'any more. `gap`: what came between two positions is not there any more; read the findings anew. `overflow`: this reader is dropped, ' +
    'and why. A comment every 15 s says that the stream is alive.',
  refuses: ['invalidRequest', 'unavailable'],
  params: NO_FIELDS,
  query: s.object({ after: s.nullable(positionSchema) }),
  body: undefined,
  events: {
    finding: findingEvent,
    node: nodeState,
    nodeRemoved: goneNode,
    gap: s.object({ after: count(), next: count() }),
    overflow: s.object({ reason: s.string() }),
  },
});
