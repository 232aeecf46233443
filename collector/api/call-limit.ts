/** Calls a second that one caller can make for long, and how many it can make at once. */
export const CALLS_PER_SECOND = 50;
export const CALL_BURST = 500;
/** Callers that are counted at a time; the one that called longest ago is dropped. */
const MAX_CALLERS = 4096;

/** Limits calls by caller: a principal, or an address that has not authenticated. */
export interface CallLimit {
  /** Counts one call. Answers 0 if it may proceed, otherwise after how many milliseconds; `nowMs` is monotonic. */
  readonly take: (caller: string, nowMs: number) => number;
}

interface Bucket {
  tokens: number;
  updatedMs: number;
}

/** A token bucket for each caller. */
export function createCallLimit(): CallLimit {
  const buckets = new Map<string, Bucket>();
  return {
    take: (caller, nowMs) => {
      const bucket = buckets.get(caller) ?? { tokens: CALL_BURST, updatedMs: nowMs };
      // The map keeps the order of the last call.
      buckets.delete(caller);
      buckets.set(caller, bucket);
      const oldest = buckets.keys().next().value;
      if (buckets.size > MAX_CALLERS && oldest !== undefined) buckets.delete(oldest);
      bucket.tokens = Math.min(CALL_BURST, bucket.tokens + ((nowMs - bucket.updatedMs) * CALLS_PER_SECOND) / 1000);
      bucket.updatedMs = nowMs;
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 1000) / CALLS_PER_SECOND);
      bucket.tokens -= 1;
      return 0;
    },
  };
}
