import type { Trend } from '../../api/trend.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { count, counted } from '../../api/format.ts';

/** A time range that can be chosen. */
export interface TrendRange {
  readonly id: string;
  readonly label: string;
  readonly durationMs: number;
}

const HOUR_MS = 3_600_000;

/** The ranges, shortest first. */
export const TREND_RANGES: readonly TrendRange[] = Object.freeze([
  { id: '1h', label: '1 h', durationMs: HOUR_MS },
  { id: '24h', label: '24 h', durationMs: 24 * HOUR_MS },
  { id: '7d', label: '7 d', durationMs: 7 * 24 * HOUR_MS },
  { id: '30d', label: '30 d', durationMs: 30 * 24 * HOUR_MS },
]);

/** Severities that the plot draws, worst first. What is only for information is no load. */
export const PLOTTED: readonly Severity[] = SEVERITIES.filter((severity) => severity !== 'info');

/** Columns for the plot: times in seconds, then one column a severity of {@link PLOTTED}. */
export function trendColumns({ points }: Trend): readonly (readonly number[])[] {
  return [
    points.map(({ atMs }) => atMs / 1000),
    ...PLOTTED.map((severity) => points.map(({ failures }) => failures[severity])),
  ];
}

/** At most `rows` points, evenly spread, the last one among them: for a table that people read. */
export function trendRows({ points }: Trend, rows: number): readonly Trend['points'][number][] {
  if (points.length <= rows) return points.toReversed();
  const step = (points.length - 1) / (rows - 1);
  return Array.from({ length: rows }, (_, index) => points[Math.round((rows - 1 - index) * step)]).filter(
    (point) => point !== undefined,
  );
}

/** One sentence: how the open failures went over the range. */
export function trendSentence(trend: Trend, range: TrendRange): string {
  const [first, last] = [trend.points.at(0), trend.points.at(-1)];
  if (first === undefined || last === undefined) return 'Nothing is known of this time.';
  const [before, now] = [totalOf(first.failures), totalOf(last.failures)];
  if (before === now) return `${counted(now, 'open failure')}, as many as at the start of the last ${range.label}.`;
  const word = now > before ? 'more' : 'fewer';
  const difference = Math.abs(now - before);
  return `${counted(now, 'open failure')}, ${count(difference)} ${word} than at the start of the last ${range.label}.`;
}

function totalOf(failures: Readonly<Record<Severity, number>>): number {
  return PLOTTED.reduce((sum, severity) => sum + failures[severity], 0);
}
