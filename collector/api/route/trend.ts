import { trend } from '../../../api/trend.ts';
import * as s from '../../../posture/schema.ts';
import { numeric } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

/** The store keeps changes by the minute. */
const MINUTE_MS = 60_000;
const DEFAULT_SPAN_MS = 24 * 60 * MINUTE_MS;
const DEFAULT_POINTS = 96;
const MAX_POINTS = 500;

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
  query: s.object({
    fromMs: s.nullable(numeric('', 0), 'begin of the span; default: a day before its end'),
    toMs: s.nullable(numeric('', 0), 'end of the span; default, and where it is in the future: now'),
    points: s.withDefault(numeric('largest number of points', 2, MAX_POINTS), DEFAULT_POINTS),
  }),
  answer: trend,
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
