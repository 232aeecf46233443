import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { role } from '../../api/access.ts';
import * as s from '../../posture/schema.ts';

/** How long a person stays signed in at most. */
export const SESSION_MS = 12 * 60 * 60 * 1000;
/** Makes two sessions of one millisecond differ. */
const NONCE_BYTES = 12;
/** What the key is for (RFC 5869, 3.2): it never fits another purpose. */
const KEY_PURPOSE = 'plimsoll console session 2';
const KEY_BYTES = 32;

/**
 * Whose session it is: of an operator token, whose rights are looked up at each request, or of a subject at the identity
 * provider, with the rights at sign-in.
 */
const owner = s.union([
  s.object({ kind: s.oneOf(['token']), id: s.string('', 64) }),
  s.object({ kind: s.oneOf(['oidc']), id: s.string('', 256), name: s.string('', 256), role }),
]);
/** See {@link owner}. */
export type SessionOwner = s.Infer<typeof owner>;

const claimsSchema = s.object({ expiresMs: s.integer(), nonce: s.string('', 32), owner });

/** The verdict on a session token. `foreign`: not issued with this key, or tampered with. */
export type SessionVerdict =
  | { readonly outcome: 'valid'; readonly expiresMs: number; readonly owner: SessionOwner }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'foreign' };

/** Issues and verifies session tokens. Times are wall clock. */
export interface SessionTokens {
  /** A session until `expiresMs`. */
  readonly issue: (owner: SessionOwner, expiresMs: number) => { readonly token: string; readonly expiresMs: number };
  readonly read: (token: string, nowMs: number) => SessionVerdict;
}

/**
 * Session tokens `pls2.<claims>.<mac>` under a key that HKDF-SHA-256 derives from the token in the token file. Nothing is
 * stored: they survive a restart of the collector, and all of them end when the token file is replaced.
 */
export function createSessionTokens(fileToken: string): SessionTokens {
  const key = Buffer.from(hkdfSync('sha256', fileToken, '', KEY_PURPOSE, KEY_BYTES));
  const macOf = (signed: string): string => createHmac('sha256', key).update(signed).digest('base64url');
  return {
    issue: (owner, expiresMs) => {
      const claims = { expiresMs, nonce: randomBytes(NONCE_BYTES).toString('base64url'), owner };
      const signed = `pls2.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
      return { token: `${signed}.${macOf(signed)}`, expiresMs };
    },
    read: (token, nowMs) => {
      const [, signed, encoded, mac] = FORMAT.exec(token) ?? [];
      if (signed === undefined || encoded === undefined || mac === undefined) return { outcome: 'foreign' };
      // As text, which has one form only: base64url leaves two bits of the last character unused.
      if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(signed)))) return { outcome: 'foreign' };
      const claims = claimsSchema.parse(JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')));
      if (!claims.ok) return { outcome: 'foreign' };
      const { expiresMs, owner } = claims.value;
      return nowMs < expiresMs ? { outcome: 'valid', expiresMs, owner } : { outcome: 'expired' };
    },
  };
}

const FORMAT = /^(pls2\.([\w-]{1,4096}))\.([\w-]{43})$/;
