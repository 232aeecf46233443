/** Bounds of a backoff, in milliseconds. */
export interface BackoffBounds {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * How long to wait before attempt number `attempt` (the first retry is 0): a random time between 0 and
 * `baseMs * 2^attempt`, at most `capMs` ("full jitter"), so that nodes that failed together do not return together.
 * `random` answers 0 ≤ x < 1.
 */
export function fullJitter(attempt: number, { baseMs, capMs }: BackoffBounds, random: () => number): number {
  // 2^31 is beyond any cap; a larger exponent would only lose precision.
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 31));
  return Math.floor(random() * ceiling);
}

/** `intervalMs` moved by up to `share` (0.2: ±20 %) in either direction. `random` answers 0 ≤ x < 1. */
export function jittered(intervalMs: number, share: number, random: () => number): number {
  return Math.round(intervalMs * (1 - share + 2 * share * random()));
}
