/** Periods that a list can be limited to, in milliseconds. */
export const PERIODS = Object.freeze({ '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 });
/** See {@link PERIODS}. */
export type Period = keyof typeof PERIODS;
/** The names of {@link PERIODS}, the shortest first. */
export const PERIOD_NAMES = Object.freeze(['1h', '24h', '7d'] as const satisfies readonly Period[]);

/** The period that `since` of a hash names; empty: none, or one that does not exist. */
export function readPeriod(params: URLSearchParams): Period | '' {
  return PERIOD_NAMES.find((period) => period === params.get('since')) ?? '';
}

/** The time at which a period begins, for a request; undefined: all times. */
export function sinceMsOf(period: Period | ''): number | undefined {
  return period === '' ? undefined : Date.now() - PERIODS[period];
}
