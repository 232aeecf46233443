import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import { createSessionTokens } from '../../../collector/api/session-token.ts';

const OPERATOR_TOKEN = 'operator-token-operator-token-operator-token';
const T0 = Date.UTC(2026, 5, 1);
const UNTIL = T0 + 3_600_000;
const OWNER = { kind: 'token', id: '4k2j9x01ab' } as const;

void t.test('a token is what RFC 5869 and RFC 2104 say, made by hand', (t) => {
  const hmac = (key: string | Buffer, text: string | Buffer): Buffer => createHmac('sha256', key).update(text).digest();
  // Extract with no salt (a block of zeros), expand to one block.
  const extracted = hmac(Buffer.alloc(32), Buffer.from(OPERATOR_TOKEN));
  const key = hmac(extracted, Buffer.from('plimsoll console session 2\u0001'));
  const { token, expiresMs } = createSessionTokens(OPERATOR_TOKEN).issue(OWNER, UNTIL);
  const [prefix, claims = '', mac] = token.split('.');
  t.equal(prefix, 'pls2');
  t.match(JSON.parse(Buffer.from(claims, 'base64url').toString()), { expiresMs: UNTIL, owner: OWNER });
  t.equal(expiresMs, UNTIL);
  t.equal(mac, hmac(key, `pls2.${claims}`).toString('base64url'));
  t.match(token, /^[A-Za-z0-9\-._~+/]+$/, 'a bearer token of RFC 6750');
  t.end();
});

void t.test('read by whoever has the same operator token, and by nobody else', (t) => {
  const [here, restarted] = [createSessionTokens(OPERATOR_TOKEN), createSessionTokens(OPERATOR_TOKEN)];
  const { token, expiresMs } = here.issue(OWNER, UNTIL);
  t.same(restarted.read(token, T0), { outcome: 'valid', expiresMs, owner: OWNER }, 'after a restart');
  t.same(restarted.read(token, expiresMs), { outcome: 'expired' });
  t.same(createSessionTokens(`${OPERATOR_TOKEN}x`).read(token, T0), { outcome: 'foreign' }, 'the token was changed');
  t.not(here.issue(OWNER, UNTIL).token, token, 'two sessions of one moment differ');
  t.end();
});

void t.test('a token that was tampered with is foreign, whatever was changed', (t) => {
  const tokens = createSessionTokens(OPERATOR_TOKEN);
  const { token } = tokens.issue(OWNER, UNTIL);
  const character = fc.constantFrom(...'ABCabcxyz019-_.=~ \n'.split(''));
  fc.assert(
    fc.property(fc.nat(token.length - 1), character, (at, other) => {
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      return changed === token || tokens.read(changed, T0).outcome === 'foreign';
    }),
    { numRuns: 2_000 },
  );
  for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
    const changed = token.slice(0, -1) + last;
    if (changed !== token) t.equal(tokens.read(changed, T0).outcome, 'foreign', 'also the bits that base64 ignores');
  }
  const [, claims = '', mac = ''] = token.split('.');
  const claimed = JSON.parse(Buffer.from(claims, 'base64url').toString()) as object;
  const other = (change: object): string =>
    `pls2.${Buffer.from(JSON.stringify({ ...claimed, ...change })).toString('base64url')}.${mac}`;
  const [longer, someone] = [other({ expiresMs: UNTIL + 1 }), other({ owner: { kind: 'token', id: 'token-file' } })];
  for (const wrong of ['', 'pls1', `${token}x`, ` ${token}`, token.slice(1), longer, someone, OPERATOR_TOKEN])
    t.equal(tokens.read(wrong, T0).outcome, 'foreign', wrong);
  fc.assert(fc.property(fc.string(), (text) => tokens.read(text, T0).outcome === 'foreign'));
  t.end();
});
