import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK } from 'jose';
import type { CryptoKey } from 'jose';
import t from 'tap';
import type { Test } from 'tap';
import { MAX_AGE_MS } from '../../../collector/oidc/key-cache.ts';
import { getJson } from '../../../collector/oidc/https-json.ts';
import { createTokenVerifier } from '../../../collector/oidc/verify-token.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { recordingLog } from '../api/server.ts';
import { startIssuer } from './issuer.ts';

const NOW = Date.UTC(2026, 10, 26);
const ROLES = [
  { role: 'admin', group: 'admins' },
  { role: 'operator', group: 'sre' },
  { role: 'viewer', group: 'everyone' },
] as const;

async function start(
  t: Test,
  options: { readonly groupsClaim?: string; readonly roles?: Parameters<typeof createTokenVerifier>[0]['roles'] } = {},
) {
  const clock = createFakeClock(NOW);
  const issuer = await startIssuer(t, () => clock.now());
  const { log, logged } = recordingLog();
  const verifier = createTokenVerifier({
    issuer: issuer.url,
    audience: 'plimsoll',
    groupsClaim: 'groups',
    roles: ROLES,
    getJson: (url) => getJson(url, issuer.ca),
    clock,
    log,
    ...options,
  });
  return { clock, issuer, verifier, logged, verify: verifier.verify };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

void t.test('a token of the issuer has the strongest role of its groups', async (t) => {
  const { issuer, verify } = await start(t);
  t.match(await verify(await issuer.sign({ groups: ['everyone', 'sre'], preferred_username: 'ann' })), {
    outcome: 'valid',
    subject: 'u1',
    name: 'ann',
    role: 'operator',
    expiresMs: NOW + 3_600_000,
  });
  t.match(await verify(await issuer.sign({ groups: 'admins', email: 'a@example.net' })), {
    role: 'admin',
    name: 'a@example.net',
  });
  for (const groups of [[], ['Admins'], ['admins '], [['admins']], { admins: true }, 7, null])
    t.match(await verify(await issuer.sign({ groups })), { outcome: 'noRole' }, JSON.stringify(groups));
});

void t.test('the usual asymmetric algorithms', async (t) => {
  const { issuer, verify } = await start(t);
  const algorithms = ['RS256', 'PS256', 'ES384', 'EdDSA'];
  for (const algorithm of algorithms) await issuer.addKey(algorithm, algorithm);
  for (const alg of algorithms)
    t.match(await verify(await issuer.sign({ groups: ['sre'] }, { kid: alg, alg })), { role: 'operator' }, alg);
});

void t.test('groups in a nested claim, and a role for everyone', async (t) => {
  const { issuer, verify } = await start(t, {
    groupsClaim: 'realm_access.roles',
    roles: [...ROLES, { role: 'viewer', group: '*' }],
  });
  t.match(await verify(await issuer.sign({ realm_access: { roles: ['sre'] } })), { role: 'operator' });
  t.match(await verify(await issuer.sign({ groups: ['admins'] })), { role: 'viewer' }, 'another claim does not count');
  t.match(await verify(await issuer.sign({ realm_access: '__proto__' })), { role: 'viewer' });
});

void t.test('what is not signed by the issuer for us, now, is refused', async (t) => {
  const { issuer, verify, clock } = await start(t);
  const claims = { groups: ['admins'] };
  const seconds = Math.floor(NOW / 1000);
  const whole = { iss: issuer.url, aud: 'plimsoll', sub: 'u1', iat: seconds, exp: seconds + 3600, ...claims };
  const valid = await issuer.sign(claims);
  const [head = '', body = '', signature = ''] = valid.split('.');
  const key = issuer.keys.get('first');
  if (key === undefined) throw new Error('no key');
  const publicPem = await exportSPKI((await importJWK(key.publicJwk, 'ES256', { extractable: true })) as CryptoKey);
  const hmac = (secret: string, header: object): string => {
    const signed = `${encode(header)}.${encode(whole)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const other = await startIssuer(t, () => clock.now());
  const cases: Readonly<Record<string, string>> = {
    'alg none': `${encode({ alg: 'none', typ: 'JWT' })}.${encode(whole)}.`,
    'alg None with a signature': `${encode({ alg: 'None', kid: 'first' })}.${encode(whole)}.${signature}`,
    'HS256 with the public key as PEM': hmac(publicPem, { alg: 'HS256', kid: 'first' }),
    'HS256 with the public key as JWK': hmac(JSON.stringify(key.publicJwk), { alg: 'HS256', kid: 'first' }),
    'HS256 with an empty secret': hmac('\0', { alg: 'HS256' }),
    'a key id that is a path': hmac('', { alg: 'HS256', kid: '../../../../dev/null' }),
    'a key id that is a URL': await other
      .sign({ ...whole })
      .then((token) => `${encode({ alg: 'ES256', kid: `${other.url}/keys` })}.${token.split('.').slice(1).join('.')}`),
    'a key of its own in the header': `${encode({ alg: 'ES256', jwk: other.keys.get('first')?.publicJwk })}.${(await other.sign(whole)).split('.').slice(1).join('.')}`,
    'jku and x5u': `${encode({ alg: 'ES256', kid: 'first', jku: `${other.url}/keys`, x5u: `${other.url}/keys` })}.${(await other.sign(whole)).split('.').slice(1).join('.')}`,
    'another issuer with the same key id': await other.sign(whole),
    'claims changed': `${head}.${encode({ ...whole, sub: 'u2' })}.${signature}`,
    'signature cut': `${head}.${body}.${signature.slice(0, -4)}`,
    'another audience': await issuer.sign({ ...claims, aud: 'another' }),
    'no audience': await issuer.sign({ ...claims, aud: undefined }),
    'another issuer in the claim': await issuer.sign({ ...claims, iss: `${issuer.url}/` }),
    'not valid yet': await issuer.sign({ ...claims, nbf: seconds + 120 }),
    'no end': await issuer.sign({ ...claims, exp: undefined }),
    'no subject': await issuer.sign({ ...claims, sub: undefined }),
    'a subject without end': await issuer.sign({ ...claims, sub: 'x'.repeat(300) }),
    'an unknown critical header': `${encode({ alg: 'ES256', kid: 'first', crit: ['b64'], b64: false })}.${body}.${signature}`,
    'a logout token': await issuer.sign(claims, { typ: 'logout+jwt' }),
    'no JWT': 'a.b.c',
  };
  for (const [name, token] of Object.entries(cases)) {
    const verdict = await verify(token);
    t.equal(verdict.outcome, 'invalid', `${name}: ${JSON.stringify(verdict)}`);
  }
  t.match(await verify(await issuer.sign({ ...claims, exp: seconds - 61 })), { outcome: 'expired' });
  t.match(await verify(await issuer.sign({ ...claims, exp: seconds - 30 })), { outcome: 'valid' }, 'clocks may differ');
  t.match(await verify(await issuer.sign({ ...claims, nbf: seconds + 30 })), { outcome: 'valid' });
  t.match(await verify(await issuer.sign({ ...claims, aud: ['x', 'plimsoll'] })), { outcome: 'valid' });
  t.match(await verify(valid), { outcome: 'valid' }, 'and the right one still is');
  t.ok(other.requests.length === 0, 'a URL in a token is never asked');
});

void t.test('keys are rotated: a new one is found, a withdrawn one ends, the issuer is not flooded', async (t) => {
  const { issuer, verify, clock } = await start(t);
  const claims = { groups: ['sre'] };
  const old = await issuer.sign(claims);
  t.match(await verify(old), { outcome: 'valid' });
  await issuer.addKey('second');
  const fresh = await issuer.sign(claims, { kid: 'second' });
  t.match(await verify(fresh), { outcome: 'invalid' }, 'within the cool-down');
  await clock.advance(30_000);
  t.match(await verify(fresh), { outcome: 'valid' });
  const before = issuer.requests.length;
  for (let count = 0; count < 50; count += 1)
    await verify(`${encode({ alg: 'ES256', kid: `k${String(count)}` })}.${encode({})}.AAAA`);
  t.equal(issuer.requests.length, before, 'unknown key ids cause no requests within the cool-down');
  issuer.keys.delete('first');
  await clock.advance(10 * 60_000 + 1);
  await verify(fresh);
  for (let wait = 0; wait < 100 && issuer.requests.length < before + 2; wait += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.match(await verify(old), { outcome: 'invalid' }, 'the withdrawn key');
  t.match(await verify(fresh), { outcome: 'valid' });
});

void t.test('an issuer that is down: known keys go on for a day, and status says so', async (t) => {
  const { issuer, verify, verifier, clock, logged } = await start(t);
  const long = await issuer.sign({ groups: ['sre'], exp: Math.floor(NOW / 1000) + 3 * 86_400 });
  t.match(await verify(long), { outcome: 'valid' });
  t.same(verifier.issues(), []);
  issuer.behaviour.mode = 'error';
  await clock.advance(11 * 60_000);
  t.match(await verify(long), { outcome: 'valid' });
  for (let wait = 0; wait < 100 && verifier.issues().length === 0; wait += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  t.match(verifier.issues(), [{ code: 'identityProvider', text: /HTTP 500/ }]);
  await clock.advance(MAX_AGE_MS - 12 * 60_000);
  t.match(await verify(long), { outcome: 'valid' });
  await clock.advance(120_000);
  t.match(await verify(long), { outcome: 'unavailable' }, 'not for ever: a key may have been withdrawn');
  issuer.behaviour.mode = 'ok';
  await clock.advance(30_000);
  t.match(await verify(long), { outcome: 'valid' });
  t.same(verifier.issues(), []);
  t.same(
    logged.map(({ level }) => level),
    ['warn', 'info'],
    'logged once each way',
  );
});

void t.test('whatever the issuer answers, a token is refused and nothing hangs', async (t) => {
  for (const mode of ['error', 'redirect', 'huge', 'otherIssuer', 'notJson'] as const) {
    const { issuer, verify, verifier } = await start(t);
    issuer.behaviour.mode = mode;
    t.match(await verify(await issuer.sign({ groups: ['admins'] })), { outcome: 'unavailable' }, mode);
    t.ok(verifier.issues()[0]?.text.length, mode);
  }
  const { issuer, verify } = await start(t);
  issuer.behaviour.mode = 'hang';
  const started = performance.now();
  t.match(await verify(await issuer.sign({ groups: ['admins'] })), { outcome: 'unavailable' });
  t.ok(performance.now() - started < 8_000);
  await t.rejects(getJson(`${issuer.url}/keys`, undefined), 'a certificate that nobody vouches for');
});
