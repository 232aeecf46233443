import { sinkList } from '../../../api/status.ts';
import type { FleetSink } from '../../../api/status.ts';
import { reportSinks } from '../../sink/sink-report.ts';
import type { SinkReport } from '../../sink/sink-report.ts';
import { answer, jsonRoute } from '../route.ts';
import type { Sent } from '../route.ts';

/** GET /v1/sinks */
export const listSinks = jsonRoute({
  method: 'GET',
  path: '/v1/sinks',
  operation: 'listSinks',
  summary: 'Where events are shipped to',
  description: 'Every sink that is configured, how far it has come, and what holds it up.',
  refuses: [],
  answer: sinkList,
  handle: async (_input, { sinks, store }) => answer({ sinks: (await reportSinks(sinks(), store)).map(presentSink) }),
});

/** A sink as the API answers it. */
export function presentSink(sink: SinkReport): Sent<FleetSink> {
  const { ratePerSecond, ...rest } = sink;
  return { ...rest, ratePerSecond: Math.round(ratePerSecond * 10) / 10 };
}
