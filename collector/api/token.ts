import { createHash, timingSafeEqual } from 'node:crypto';

/** Wrong tokens that one address may present within {@link FAILURE_WINDOW_MS}; beyond it the answer is 429. */
export const MAX_FAILURES = 20;
/** The window of the failure count, in milliseconds. */
export const FAILURE_WINDOW_MS = 60_000;
/** Addresses whose failures are counted at a time; the oldest goes. */
const MAX_ADDRESSES = 1024;

/** What the guard says of one request. */
export type GuardAnswer =
  | { readonly outcome: 'welcome' }
  | { readonly outcome: 'refused'; readonly wrongToken: boolean }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** Decides who may speak to the API. */
export interface TokenGuard {
  /** `authorization` is the header as it came; `address` that of the peer. */
  readonly admit: (authorization: string | undefined, address: string, nowMs: number) => GuardAnswer;
}

/**
 * A guard for one bearer token. The comparison takes the same time whatever was sent: two SHA-256 digests are compared
 * in constant time. The right token is always welcome, so that nobody can lock the operator out with wrong ones; the
 * limit spares the log and the processor, the token's 256 bits are what protects it.
 */
export function createTokenGuard(token: string): TokenGuard {
  const expected = digest(token);
  const failures = new Map<string, { since: number; count: number }>();
  return {
    admit: (authorization, address, nowMs) => {
      const presented = bearerToken(authorization);
      if (presented !== undefined && timingSafeEqual(digest(presented), expected)) return { outcome: 'welcome' };
      // A request without a token guesses nothing: a browser's first visit is no attack.
      if (presented === undefined) return { outcome: 'refused', wrongToken: false };
      return countFailure(failures, address, nowMs);
    },
  };
}

function countFailure(
  failures: Map<string, { since: number; count: number }>,
  address: string,
  nowMs: number,
): GuardAnswer {
  const known = failures.get(address);
  // A clock that was set back must not lengthen the window.
  const current = known !== undefined && Math.abs(nowMs - known.since) < FAILURE_WINDOW_MS ? known : undefined;
  const entry = current ?? { since: nowMs, count: 0 };
  entry.count += 1;
  if (current === undefined) {
    failures.delete(address);
    failures.set(address, entry);
    const oldest = failures.keys().next().value;
    if (failures.size > MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
  }
  if (entry.count <= MAX_FAILURES) return { outcome: 'refused', wrongToken: true };
  return { outcome: 'limited', retryAfterMs: Math.max(1, FAILURE_WINDOW_MS - (nowMs - entry.since)) };
}

/** RFC 6750: `Bearer` and one token of these characters. The scheme's case does not matter (RFC 9110, 11.1). */
function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*)$/i.exec(authorization ?? '')?.[1];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
