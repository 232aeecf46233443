import { randomBytes } from 'node:crypto';
import type { Principal } from './principal.ts';
import { digest } from './secret.ts';

/** How long a code can be exchanged. */
export const CODE_MS = 5 * 60_000;
/** Codes that can wait at a time; one more ends the oldest. */
export const MAX_CODES = 100;
/** 192 bits: no number of attempts within five minutes finds one. */
const CODE_BYTES = 24;

/** One-time codes. They are known to this process only, and only as digests. Times are monotonic. */
export interface SignInCodes {
  readonly issue: (principal: Principal, nowMs: number) => string;
  /** Whom a code signs in, once; undefined: it was not issued, was used, or is too old. */
  readonly redeem: (code: string, nowMs: number) => Principal | undefined;
}

/** No codes yet. */
export function createSignInCodes(): SignInCodes {
  const waiting = new Map<string, { readonly principal: Principal; readonly expiresMs: number }>();
  return {
    issue: (principal, nowMs) => {
      const code = randomBytes(CODE_BYTES).toString('base64url');
      waiting.set(keyOf(code), { principal, expiresMs: nowMs + CODE_MS });
      const oldest = waiting.keys().next().value;
      if (waiting.size > MAX_CODES && oldest !== undefined) waiting.delete(oldest);
      return code;
    },
    redeem: (code, nowMs) => {
      const key = keyOf(code);
      const found = waiting.get(key);
      waiting.delete(key);
      return found !== undefined && nowMs < found.expiresMs ? found.principal : undefined;
    },
  };
}

/** Looked up by digest: how long that takes says nothing about a code that comes near. */
function keyOf(code: string): string {
  return digest(code).toString('base64url');
}
