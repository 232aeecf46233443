import { sinkTest } from '../../../api/sink-test.ts';
import { sinkList } from '../../../api/status.ts';
import type { FleetSink } from '../../../api/status.ts';
import * as s from '../../../posture/schema.ts';
import { text } from '../parameter.ts';
import { reportSinks } from '../../sink/sink-report.ts';
import type { SinkReport } from '../../sink/sink-report.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { Sent } from '../route.ts';

/** GET /v1/sinks */
export const listSinks = jsonRoute({
  method: 'GET',
  path: '/v1/sinks',
  operation: 'listSinks',
  summary: 'Sinks and their delivery status',
  description: 'Every sink that is configured, how far it has come, and what holds it up.',
  refuses: [],
  answer: sinkList,
  handle: async (_input, { sinks, store }) => answer({ sinks: (await reportSinks(sinks(), store)).map(presentSink) }),
});

/** POST /v1/sinks/{name}/test */
export const testSink = jsonRoute({
  method: 'POST',
  path: '/v1/sinks/{name}/test',
  operation: 'testSink',
  summary: 'Sends a test event to the receiver of a sink',
  description:
    'Resolves the name, connects, does the TLS handshake, and sends one event whose texts say that it is a test, by a ' +
    'connection of its own: events that wait are not touched. It takes up to a minute. One test runs at a time.',
  refuses: ['notFound', 'invalidRequest', 'tooManyRequests', 'tooLarge', 'unsupportedMediaType'],
  params: s.object({ name: text('name of the sink', 64) }),
  body: s.object({}),
  answer: sinkTest,
  handle: async ({ params: { name } }, { testSink: test }) => {
    const found = await test(name);
    if (found === undefined)
      return refuse('notFound', `no sink ${JSON.stringify(name)} is on`, 'list the sinks: plimsoll sink status');
    if (found === 'busy')
      return { ...refuse('tooManyRequests', 'another test of a sink is running'), retryAfterMs: 5_000 };
    return answer({ sink: name, ok: found.steps.every(({ ok }) => ok), ...found });
  },
});

/** A sink as the API answers it. */
export function presentSink(sink: SinkReport): Sent<FleetSink> {
  const { ratePerSecond, ...rest } = sink;
  return { ...rest, ratePerSecond: Math.round(ratePerSecond * 10) / 10 };
}
