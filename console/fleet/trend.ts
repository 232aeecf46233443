import type { Trend } from '../../api/trend.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { count, counted, dateTime } from '../../api/format.ts';

/** A time range that can be chosen. */
export interface TrendRange {
  readonly id: string;
  readonly label: string;
  readonly durationMs: number;
  /** End of a range that was zoomed to; undefined: now. */
  readonly toMs?: number;
}

const HOUR_MS = 3_600_000;

const DAY: TrendRange = { id: '24h', label: '24 h', durationMs: 24 * HOUR_MS };
/** The ranges, shortest first. */
export const TREND_RANGES: readonly TrendRange[] = Object.freeze([
  { id: '1h', label: '1 h', durationMs: HOUR_MS },
  DAY,
  { id: '7d', label: '7 d', durationMs: 7 * 24 * HOUR_MS },
  { id: '30d', label: '30 d', durationMs: 30 * 24 * HOUR_MS },
]);

/** Bounds of a range that is zoomed to: the store counts by the minute, and keeps no more than some years. */
const SHORTEST_MS = 120_000;
const LONGEST_MS = 4000 * 24 * HOUR_MS;

/** The range that the query part of a hash names: `range=7d`, or `from` and `to` in milliseconds; otherwise a day. */
export function readTrendRange(params: URLSearchParams): TrendRange {
  const [fromMs, toMs] = [Number(params.get('from') ?? 'none'), Number(params.get('to') ?? 'none')];
  if (Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && fromMs >= 0) {
    const durationMs = toMs - fromMs;
    if (durationMs >= SHORTEST_MS && durationMs <= LONGEST_MS) return zoomRange(fromMs, toMs);
  }
  return TREND_RANGES.find(({ id }) => id === params.get('range')) ?? DAY;
}

/** The range between two times, at least two minutes. */
export function zoomRange(fromMs: number, toMs: number): TrendRange {
  const from = Math.max(0, Math.round(Math.min(fromMs, toMs - SHORTEST_MS)));
  const to = Math.round(toMs);
  return {
    id: `${String(from)}-${String(to)}`,
    label: `${dateTime(from)} to ${dateTime(to)}`,
    durationMs: to - from,
    toMs: to,
  };
}

/** The query part for a range, without `?`; empty for a day. */
export function writeTrendRange({ id, durationMs, toMs }: TrendRange): string {
  if (toMs !== undefined) return `from=${String(toMs - durationMs)}&to=${String(toMs)}`;
  return id === DAY.id ? '' : `range=${id}`;
}

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
  if (first === undefined || last === undefined) return 'No history for this period.';
  const [before, now] = [totalOf(first.failures), totalOf(last.failures)];
  if (before === now) return `${counted(now, 'open failure')}, as many as at the start of ${spanText(range)}.`;
  const word = now > before ? 'more' : 'fewer';
  const difference = Math.abs(now - before);
  return `${counted(now, 'open failure')}, ${count(difference)} ${word} than at the start of ${spanText(range)}.`;
}

function totalOf(failures: Readonly<Record<Severity, number>>): number {
  return PLOTTED.reduce((sum, severity) => sum + failures[severity], 0);
}

/** `the last 24 h`, or `2026-11-25 14:03:09 to 2026-11-25 15:00:00`. */
export function spanText({ label, toMs }: TrendRange): string {
  return toMs === undefined ? `the last ${label}` : label;
}
