import { networkOf } from '../../service/connection-limit.ts';

/** Wrong secrets that one address may present within {@link FAILURE_WINDOW_MS}; beyond it the answer is 429. */
export const MAX_FAILURES = 20;
/** The window of the failure count, in milliseconds. */
export const FAILURE_WINDOW_MS = 60_000;
/** Addresses whose failures are counted at a time; the oldest goes. */
const MAX_ADDRESSES = 1024;

/** What follows from one more failure. */
export type FailureAnswer =
  { readonly outcome: 'refused' } | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** Counts wrong tokens and wrong codes by address. One limit for all ways to present them. */
export interface FailureLimit {
  /** Counts one failure of `address`; `nowMs` is monotonic. */
  readonly note: (address: string, nowMs: number) => FailureAnswer;
}

interface Entry {
  readonly since: number;
  count: number;
}

/** A limit that nothing was counted in yet. */
export function createFailureLimit(): FailureLimit {
  const failures = new Map<string, Entry>();
  return {
    note: (address, nowMs) => {
      // One host has as many IPv6 addresses as it likes.
      const entry = entryOf(failures, networkOf(address), nowMs);
      entry.count += 1;
      if (entry.count <= MAX_FAILURES) return { outcome: 'refused' };
      return { outcome: 'limited', retryAfterMs: Math.max(1, FAILURE_WINDOW_MS - (nowMs - entry.since)) };
    },
  };
}

function entryOf(failures: Map<string, Entry>, address: string, nowMs: number): Entry {
  const known = failures.get(address);
  if (known !== undefined && nowMs - known.since < FAILURE_WINDOW_MS) return known;
  const entry = { since: nowMs, count: 0 };
  failures.delete(address);
  failures.set(address, entry);
  const oldest = failures.keys().next().value;
  if (failures.size > MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
  return entry;
}
