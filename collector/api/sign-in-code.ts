import { randomBytes } from 'node:crypto';
import { digest } from './secret.ts';

/** How long a code can be exchanged. */
export const CODE_MS = 5 * 60_000;
/** Codes that can wait at a time; one more ends the oldest. */
export const MAX_CODES = 100;
/** 192 bits: no number of attempts within five minutes finds one. */
const CODE_BYTES = 24;

/** One-time codes. They are known to this process only, and only as digests. Times are monotonic. */
export interface SignInCodes {
  readonly issue: (nowMs: number) => string;
  /** True once for a code that was issued and is not too old. */
  readonly redeem: (code: string, nowMs: number) => boolean;
}

/** No codes yet. */
export function createSignInCodes(): SignInCodes {
  const expiries = new Map<string, number>();
  return {
    issue: (nowMs) => {
      const code = randomBytes(CODE_BYTES).toString('base64url');
      expiries.set(keyOf(code), nowMs + CODE_MS);
      const oldest = expiries.keys().next().value;
      if (expiries.size > MAX_CODES && oldest !== undefined) expiries.delete(oldest);
      return code;
    },
    redeem: (code, nowMs) => {
      const key = keyOf(code);
      const expiry = expiries.get(key);
      expiries.delete(key);
      return expiry !== undefined && nowMs < expiry;
    },
  };
}

/** Looked up by digest: how long that takes says nothing about a code that comes near. */
function keyOf(code: string): string {
  return digest(code).toString('base64url');
}
