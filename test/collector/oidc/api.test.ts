import { request } from 'node:http';
import t from 'tap';
import { getJson } from '../../../collector/oidc/https-json.ts';
import { openTokenVerifier } from '../../../collector/oidc/open.ts';
import { createTokenVerifier } from '../../../collector/oidc/verify-token.ts';
import { systemClock } from '../../../service/clock.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { recordingLog, startServer } from '../api/server.ts';
import { startIssuer } from './issuer.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

void t.test(
  'a token of the identity provider is a bearer token until it ends, with its sessions and streams',
  async (t) => {
    const clock = createFakeClock(Date.now());
    const issuer = await startIssuer(t, () => clock.now());
    const { log } = recordingLog();
    const oidc = createTokenVerifier({
      issuer: issuer.url,
      audience: 'plimsoll',
      groupsClaim: 'groups',
      roles: [{ role: 'viewer', group: 'all' }],
      getJson: (url) => getJson(url, issuer.ca),
      clock,
      log,
    });
    const server = await startServer(t, { oidc, clock });
    const token = await issuer.sign({ groups: ['all'], preferred_username: 'ann\u001b[31m' });
    const statusOf = async (given: string, path = '/v1/nodes') =>
      (await server.fetch(path, { headers: bearer(given) })).status;
    t.equal(await statusOf(token), 200);
    t.equal(await statusOf(token, '/v1/tokens'), 403, 'a viewer is a viewer');
    t.match(await (await server.fetch('/v1/identity', { headers: bearer(token) })).json(), {
      kind: 'oidc',
      id: 'u1',
      role: 'viewer',
    });
    const stranger = await server.fetch('/v1/nodes', { headers: bearer(await issuer.sign({ groups: ['others'] })) });
    t.equal(stranger.status, 403);
    t.match(await stranger.json(), { error: { code: 'forbidden', message: /none of your groups has a role/ } });
    t.equal(await statusOf(await issuer.sign({ aud: 'x' })), 401);
    const session = await server.fetch('/v1/console/sessions', {
      method: 'POST',
      body: JSON.stringify({ token }),
      headers: { 'content-type': 'application/json' },
    });
    const { token: sessionToken, expiresMs } = (await session.json()) as { token: string; expiresMs: number };
    t.ok(expiresMs <= clock.now() + 3_600_000, 'a session does not outlive the token');
    t.equal(await statusOf(sessionToken), 200);
    const streams = await Promise.all(
      [token, sessionToken].map((each) => server.fetch('/v1/events', { headers: bearer(each) })),
    );
    const ends = streams.map((stream) => stream.text());
    await clock.advance(3_601_000);
    await Promise.all(ends);
    await clock.advance(60_000);
    t.equal(await statusOf(token), 401);
    t.equal(await statusOf(sessionToken), 401);

    // Groups of a large company fit; a token that is meant to take memory does not.
    const many = await issuer.sign({
      groups: ['all', ...Array.from({ length: 250 }, (_, index) => `group-number-${String(index)}`)],
    });
    t.equal(await statusOf(many), 200, `${String(many.length)} characters`);
    const huge = await issuer.sign({ groups: ['all'], filler: 'x'.repeat(1_000_000) });
    const status = await new Promise((resolve) => {
      const asked = request(
        { host: '127.0.0.1', port: server.port, path: '/v1/nodes', headers: bearer(huge) },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      asked.on('error', () => resolve('closed'));
      asked.end();
    });
    t.ok(status === 431 || status === 'closed', String(status));
  },
);

void t.test('settings that would let anybody in do not start a collector', async (t) => {
  const context = { clock: systemClock(), log: recordingLog().log };
  const open = async (flags: Readonly<Record<string, string>>) =>
    openTokenVerifier(
      await settingsWith('collector', { 'oidc-issuer': 'https://login.example.net', ...flags }),
      context,
    );
  await t.rejects(open({ 'oidc-roles': 'viewer:*' }), { code: 'oidc', message: /oidc-audience is not/ });
  await t.rejects(open({ 'oidc-audience': 'plimsoll' }), { code: 'oidc', message: /oidc-roles is not/ });
  await t.rejects(open({ 'oidc-audience': 'x', 'oidc-roles': 'viewer:*', 'oidc-ca': '/nonexistent' }), {
    code: 'oidc',
  });
  t.ok(await open({ 'oidc-audience': 'x', 'oidc-roles': 'admin:a b,viewer:*' }));
  for (const flags of [
    { 'oidc-issuer': 'http://login.example.net' },
    { 'oidc-roles': 'root:x' },
    { 'oidc-roles': 'admin:' },
  ])
    await t.rejects(settingsWith('collector', flags), JSON.stringify(flags));
});
