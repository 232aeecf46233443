import { sinkList } from '../../../api/status.ts';
import type { FleetSink } from '../../../api/status.ts';
import { reportSinks } from '../../sink/dead-letters.ts';
import type { SinkReport } from '../../sink/dead-letters.ts';
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
  handle: async (_input, { sinks, deadLetters }) =>
    answer({ sinks: reportSinks(sinks(), await deadLetters.counts()).map(presentSink) }),
});

/** A sink as the API answers it. */
export function presentSink(sink: SinkReport): FleetSink {
  const { name, state, position, behind, lastError, delivered, rejected, deadLetters, discarded } = sink;
  return { name, state, position, behind, lastError, delivered, rejected, deadLetters, discarded };
}
