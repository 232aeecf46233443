import { z } from 'zod';
import type { FleetSink } from '../../../api/status.ts';
import type { SinkStatus } from '../../sink/delivery-worker.ts';
import type { Answers } from '../answers.ts';
import { answer, jsonRoute } from '../route.ts';

/** How one sink is doing. */
export const sinkStatusSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['ok', 'retrying', 'paused']),
  position: z.int().min(0).describe('position of the last event that will not be sent again'),
  behind: z.int().min(0).describe('events that wait, counted up to a batch'),
  lastError: z.string().describe('empty: none since the last success'),
  delivered: z.int().min(0).describe('events since the collector started; one that is sent again does not count again'),
  rejected: z.int().min(0).describe('events that the receiver will never accept, since the collector started'),
}) satisfies Answers<FleetSink>;

/** GET /v1/sinks */
export const listSinks = jsonRoute({
  method: 'GET',
  path: '/v1/sinks',
  operation: 'listSinks',
  summary: 'Where events are shipped to',
  description: 'Every sink that is configured, how far it has come, and what holds it up.',
  refuses: [],
  answer: z.strictObject({ sinks: z.array(sinkStatusSchema) }),
  handle: (_input, { sinks }) => answer({ sinks: sinks().map(presentSink) }),
});

/** A sink as the API answers it. */
export function presentSink(sink: SinkStatus): z.input<typeof sinkStatusSchema> {
  const { name, state, position, behind, lastError, delivered, rejected } = sink;
  return { name, state, position, behind, lastError, delivered, rejected };
}
