import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';

/** Limits how often something happens. */
export interface TokenBucket {
  /** Resolves at once while there are tokens, otherwise when the next one is there. */
  readonly take: (signal: AbortSignal) => Promise<void>;
}

/** A full bucket: `burst` at once, then `perSecond`. */
export function createTokenBucket(burst: number, perSecond: number, clock: Clock): TokenBucket {
  let tokens = burst;
  let filledMs = clock.monotonic();
  return {
    take: async (signal) => {
      const nowMs = clock.monotonic();
      tokens = Math.min(burst, tokens + ((nowMs - filledMs) * perSecond) / 1000);
      filledMs = nowMs;
      tokens -= 1;
      if (tokens < 0) await sleep(clock, (-tokens * 1000) / perSecond, signal);
    },
  };
}
