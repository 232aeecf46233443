import { sinkList } from '../../../api/status.ts';
import type { FleetSink } from '../../../api/status.ts';
import type { SinkStatus } from '../../sink/delivery-worker.ts';
import { answer, jsonRoute } from '../route.ts';

/** GET /v1/sinks */
export const listSinks = jsonRoute({
  method: 'GET',
  path: '/v1/sinks',
  operation: 'listSinks',
  summary: 'Where events are shipped to',
  description: 'Every sink that is configured, how far it has come, and what holds it up.',
  refuses: [],
  answer: sinkList,
  handle: (_input, { sinks }) => answer({ sinks: sinks().map(presentSink) }),
});

/** A sink as the API answers it. */
export function presentSink(sink: SinkStatus): FleetSink {
  const { name, state, position, behind, lastError, delivered, rejected } = sink;
  return { name, state, position, behind, lastError, delivered, rejected };
}
