import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a person stays signed in. */
export const SESSION_MS = 12 * 60 * 60 * 1000;
/** Tells a session token from any other, and names its format. */
const PREFIX = 'pls1';
/** Makes two sessions of one millisecond differ. */
const NONCE_BYTES = 12;
/** What the key is for (RFC 5869, 3.2): it never fits another purpose. */
const KEY_PURPOSE = 'plimsoll console session 1';
const KEY_BYTES = 32;

/** What a session token is worth. `foreign`: not made here with this operator token, or tampered with. */
export type SessionVerdict =
  | { readonly outcome: 'valid'; readonly expiresMs: number }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'foreign' };

/** Makes and reads session tokens. Times are wall clock. */
export interface SessionTokens {
  readonly issue: (nowMs: number) => { readonly token: string; readonly expiresMs: number };
  readonly read: (token: string, nowMs: number) => SessionVerdict;
}

/**
 * Session tokens `pls1.<expiry>.<nonce>.<mac>` under a key that HKDF-SHA-256 derives from the operator token. Nothing
 * is kept: they survive a restart of the collector, and all of them end when the operator token is changed.
 */
export function createSessionTokens(operatorToken: string): SessionTokens {
  const key = Buffer.from(hkdfSync('sha256', operatorToken, '', KEY_PURPOSE, KEY_BYTES));
  const macOf = (claims: string): string => createHmac('sha256', key).update(claims).digest('base64url');
  return {
    issue: (nowMs) => {
      const expiresMs = nowMs + SESSION_MS;
      const claims = `${PREFIX}.${expiresMs.toString(36)}.${randomBytes(NONCE_BYTES).toString('base64url')}`;
      return { token: `${claims}.${macOf(claims)}`, expiresMs };
    },
    read: (token, nowMs) => {
      const [, claims, expiry, mac] = FORMAT.exec(token) ?? [];
      if (claims === undefined || expiry === undefined || mac === undefined) return { outcome: 'foreign' };
      // As text, which has one form only: base64url leaves two bits of the last character unused.
      if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(claims)))) return { outcome: 'foreign' };
      const expiresMs = Number.parseInt(expiry, 36);
      return nowMs < expiresMs ? { outcome: 'valid', expiresMs } : { outcome: 'expired' };
    },
  };
}

const FORMAT = /^(pls1\.([0-9a-z]{1,10})\.[\w-]{16})\.([\w-]{43})$/;
