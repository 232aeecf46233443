import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import { createSessionTokens, SESSION_MS } from '../../../collector/api/session-token.ts';

const OPERATOR_TOKEN = 'operator-token-operator-token-operator-token';
const T0 = Date.UTC(2026, 5, 1);

void t.test('a token is what RFC 5869 and RFC 2104 say, made by hand', (t) => {
  const hmac = (key: string | Buffer, text: string | Buffer): Buffer => createHmac('sha256', key).update(text).digest();
  // Extract with no salt (a block of zeros), expand to one block.
  const extracted = hmac(Buffer.alloc(32), Buffer.from(OPERATOR_TOKEN));
  const key = hmac(extracted, Buffer.from('plimsoll console session 1\u0001'));
  const { token, expiresMs } = createSessionTokens(OPERATOR_TOKEN).issue(T0);
  const [prefix, expiry, nonce, mac] = token.split('.');
  t.equal(prefix, 'pls1');
  t.equal(expiry, (T0 + SESSION_MS).toString(36));
  t.equal(expiresMs, T0 + SESSION_MS);
  t.equal(mac, hmac(key, `pls1.${String(expiry)}.${String(nonce)}`).toString('base64url'));
  t.match(token, /^[A-Za-z0-9\-._~+/]+$/, 'a bearer token of RFC 6750');
  t.end();
});

void t.test('read by whoever has the same operator token, and by nobody else', (t) => {
  const [here, restarted] = [createSessionTokens(OPERATOR_TOKEN), createSessionTokens(OPERATOR_TOKEN)];
  const { token, expiresMs } = here.issue(T0);
  t.same(restarted.read(token, T0), { outcome: 'valid', expiresMs }, 'after a restart');
  t.same(restarted.read(token, expiresMs), { outcome: 'expired' });
  t.same(createSessionTokens(`${OPERATOR_TOKEN}x`).read(token, T0), { outcome: 'foreign' }, 'the token was changed');
  t.not(here.issue(T0).token, token, 'two sessions of one moment differ');
  t.end();
});

void t.test('a token that was tampered with is foreign, whatever was changed', (t) => {
  const tokens = createSessionTokens(OPERATOR_TOKEN);
  const { token } = tokens.issue(T0);
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
  const [prefix, expiry = '', ...rest] = token.split('.');
  const longer = [prefix, (Number.parseInt(expiry, 36) + 1).toString(36), ...rest].join('.');
  for (const wrong of ['', 'pls1', `${token}x`, ` ${token}`, token.slice(1), longer, OPERATOR_TOKEN])
    t.equal(tokens.read(wrong, T0).outcome, 'foreign', wrong);
  fc.assert(fc.property(fc.string(), (text) => tokens.read(text, T0).outcome === 'foreign'));
  t.end();
});
