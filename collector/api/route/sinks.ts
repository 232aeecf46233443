import { z } from 'zod';
import { answer, jsonRoute } from '../route.ts';

/** GET /v1/sinks */
export const listSinks = jsonRoute({
  method: 'GET',
  path: '/v1/sinks',
  operation: 'listSinks',
  summary: 'Where events are shipped to',
  description: 'Every sink that is configured, how far it has come, and what holds it up.',
  refuses: [],
  answer: z.strictObject({
    sinks: z.array(
      z.strictObject({
        name: z.string(),
        state: z.enum(['ok', 'retrying', 'paused']),
        position: z.int().min(0).describe('position of the last event that was delivered'),
        behind: z.int().min(0).describe('events that wait, counted up to a batch'),
        lastError: z.string().describe('empty: none since the last success'),
        delivered: z.int().min(0).describe('events since the collector started'),
        rejected: z.int().min(0).describe('events that the receiver will never accept, since the collector started'),
      }),
    ),
  }),
  handle: (_input, { sinks }) =>
    answer({
      sinks: sinks().map(({ name, state, position, behind, lastError, delivered, rejected }) => ({
        name,
        state,
        position,
        behind,
        lastError,
        delivered,
        rejected,
      })),
    }),
});
