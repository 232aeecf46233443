import { z } from 'zod';
import { answer, jsonRoute, refuse } from '../route.ts';
import { trendSchema } from '../schema.ts';

/** The store keeps changes by the minute. */
const MINUTE_MS = 60_000;
const DEFAULT_SPAN_MS = 24 * 60 * MINUTE_MS;
const DEFAULT_POINTS = 96;
const MAX_POINTS = 500;

const moment = z.coerce.number().int().min(0).optional();

/** GET /v1/trend */
export const getTrend = jsonRoute({
  method: 'GET',
  path: '/v1/trend',
  operation: 'getTrend',
  summary: 'Open findings over time',
  description:
    'How many findings failed, by severity, and how many were unknown, at the end of each step. The steps are multiples ' +
    'of a minute and begin at the same times whenever they are asked for; the last point is the end of the span.',
  refuses: ['invalidRequest'],
  query: z.strictObject({
    fromMs: moment.describe('begin of the span; a day before its end where nothing is said'),
    toMs: moment.describe('end of the span; now where nothing is said, or where it lies in the future'),
    points: z.coerce.number().int().min(2).max(MAX_POINTS).default(DEFAULT_POINTS).describe('most points'),
  }),
  answer: trendSchema,
  handle: async ({ query }, { store, clock }) => {
    const nowMs = clock.now();
    const asked = query.toMs ?? nowMs;
    const toMs = asked < nowMs ? asked - (asked % MINUTE_MS) : nowMs;
    const fromMs = query.fromMs ?? Math.max(0, toMs - DEFAULT_SPAN_MS);
    if (fromMs >= toMs) return refuse('invalidRequest', 'query.fromMs: must be at least a minute before the end');
    const stepMs = stepOf(toMs - fromMs, query.points);
    const { knownFromMs, points } = await store.trend(momentsOf(fromMs, toMs, stepMs));
    return answer({
      fromMs,
      toMs,
      stepMs,
      knownFromMs,
      points: points
        .filter(({ atMs }) => atMs >= knownFromMs)
        .map(({ atMs, failures, unknown }) => ({ atMs, failures: { ...failures }, unknown })),
    });
  },
});

/** The smallest step of whole minutes that gives at most this many points. */
function stepOf(spanMs: number, points: number): number {
  return Math.max(1, Math.ceil(spanMs / (points - 1) / MINUTE_MS)) * MINUTE_MS;
}

/** The multiples of the step within the span, then its end. */
function momentsOf(fromMs: number, toMs: number, stepMs: number): readonly number[] {
  const moments: number[] = [];
  for (let atMs = (Math.floor(fromMs / stepMs) + 1) * stepMs; atMs < toMs; atMs += stepMs) moments.push(atMs);
  return [...moments, toMs];
}
