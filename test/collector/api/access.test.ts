import * as fc from 'fast-check';
import t from 'tap';
import { includesRole, ROLES, SCOPES } from '../../../api/access.ts';
import type { Role } from '../../../api/access.ts';
import { ACCESS, denialOf, OPERATIONS } from '../../../collector/api/access.ts';
import type { Operation } from '../../../collector/api/access.ts';
import { TOKEN_FILE } from '../../../collector/api/principal.ts';
import { ROUTES } from '../../../collector/api/routes.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startServer, TOKEN } from './server.ts';
import type { ApiServer } from './server.ts';

/** What must not be possible for less than this role, by method and path; every other route but the open ones: viewer. */
const DEMANDED: Readonly<Record<string, Role>> = Object.freeze({
  'POST /v1/query': 'operator',
  'DELETE /v1/nodes/{id}': 'operator',
  'POST /v1/nodes/{id}/revoke': 'operator',
  'POST /v1/nodes/{id}/readmit': 'operator',
  'GET /v1/join-tokens': 'operator',
  'POST /v1/join-tokens': 'operator',
  'DELETE /v1/join-tokens/{id}': 'operator',
  'POST /v1/policies/scans': 'operator',
  'POST /v1/denials': 'operator',
  'POST /v1/sinks/{name}/test': 'operator',
  'POST /v1/dead-letters/replay': 'operator',
  'POST /v1/dead-letters/purge': 'operator',
  'GET /v1/audit': 'admin',
  'GET /v1/authority': 'operator',
  'POST /v1/images/announcements': 'operator',
  'POST /v1/rollouts/successors': 'operator',
  'POST /v1/rollouts/report': 'operator',
  'POST /v1/rollouts/{id}/decision': 'operator',
  'POST /v1/rollouts/pause': 'operator',
  'POST /v1/authority/rotate': 'admin',
  'GET /v1/tokens': 'admin',
  'POST /v1/tokens': 'admin',
  'DELETE /v1/tokens/{id}': 'admin',
});
const OPEN = new Set(['GET /healthz', 'GET /livez', 'GET /readyz', 'POST /v1/console/sessions']);

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function statusOf(server: ApiServer, operation: Operation, token: string): Promise<number> {
  const route = ROUTES.find((each) => each.operation === operation);
  if (route === undefined) throw new Error(operation);
  const response = await server.fetch(route.path.replaceAll(/\{\w+\}/g, 'x'), {
    method: route.method,
    headers: { ...bearer(token), 'content-type': 'application/json' },
    ...(route.method === 'POST' ? { body: '{}' } : {}),
  });
  await response.body?.cancel();
  return response.status;
}

void t.test('every route has an entry, and every entry a route', (t) => {
  t.same(ROUTES.map(({ operation }) => operation).toSorted(), OPERATIONS.toSorted());
  for (const { method, path, operation } of ROUTES) {
    const access = ACCESS[operation];
    const name = `${method} ${path}`;
    t.equal(access === 'open', OPEN.has(name), name);
    if (access !== 'open') t.equal(access.role, DEMANDED[name] ?? 'viewer', name);
    if (access !== 'open' && method !== 'GET' && operation !== 'createConsoleLink')
      t.not(access.role, 'viewer', `${name}: a viewer changes nothing`);
  }
  t.end();
});

void t.test('over HTTP, each role reaches what it may and nothing else', async (t) => {
  const server = await startServer(t);
  for (const role of ROLES) {
    const token = await server.createToken(role);
    for (const { method, path, operation } of ROUTES) {
      const allowed = includesRole(role, DEMANDED[`${method} ${path}`] ?? 'viewer');
      const status = await statusOf(server, operation, token);
      if (allowed)
        t.notOk(
          [401, 403].includes(status) && operation !== 'openConsoleSession',
          `${role} ${operation}: ${String(status)}`,
        );
      else t.equal(status, 403, `${role} ${operation}`);
    }
  }
});

void t.test('over HTTP, each scope reaches its part of the API and nothing else', async (t) => {
  const server = await startServer(t);
  for (const scope of SCOPES) {
    const token = await server.createToken('admin', [scope]);
    for (const { operation } of ROUTES) {
      const access = ACCESS[operation];
      if (access === 'open' || access.scope === 'any') continue;
      const status = await statusOf(server, operation, token);
      t.equal(status === 403, access.scope !== scope, `${scope} ${operation}: ${String(status)}`);
    }
  }
});

void t.test('a viewer does not become more by any way', async (t) => {
  const server = await startServer(t);
  const viewer = await server.createToken('viewer');
  const post = (path: string, body: object, token: string) =>
    server.fetch(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { ...bearer(token), 'content-type': 'application/json' },
    });
  const link = (await (await post('/v1/console/links', {}, viewer)).json()) as { code: string };
  const session = (await (await post('/v1/console/sessions', { code: link.code }, '')).json()) as { token: string };
  const pasted = (await (await post('/v1/console/sessions', { token: viewer }, '')).json()) as { token: string };
  for (const token of [session.token, pasted.token]) {
    const identity = await server.fetch('/v1/identity', { headers: bearer(token) });
    t.match(await identity.json(), { role: 'viewer', name: 'viewer', session: true });
    t.equal(
      (await post('/v1/query', { expression: 'kernel' }, token)).status,
      403,
      'the session of a viewer is a viewer',
    );
    t.equal((await post('/v1/tokens', { role: 'admin' }, token)).status, 403);
    t.equal((await post('/v1/console/links', {}, token)).status, 403, 'a session does not make others');
  }
  // The header that counts is the token's, not another that names a role.
  const forged = { ...bearer(viewer), 'x-role': 'admin', 'x-forwarded-user': 'root', 'x-http-method-override': 'GET' };
  t.equal((await server.fetch('/v1/tokens', { headers: forged })).status, 403);
  for (const path of [
    '/v1/tokens/',
    '/v1//tokens',
    '/V1/TOKENS',
    '/v1/tokens;x',
    '/v1/tokens%2f',
    '/v1/nodes/../tokens',
    '/v1/nodes/%2e%2e/tokens',
  ])
    t.ok([403, 404].includes((await server.fetch(path, { headers: bearer(viewer) })).status), path);
  t.equal((await server.fetch('/v1/tokens', { method: 'HEAD', headers: bearer(viewer) })).status, 404);
});

void t.test('a token with scopes creates no token with more', async (t) => {
  const server = await startServer(t);
  const token = await server.createToken('admin', ['access', 'read']);
  const create = async (body: object) =>
    (
      await server.fetch('/v1/tokens', {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { ...bearer(token), 'content-type': 'application/json' },
      })
    ).status;
  t.equal(await create({ role: 'admin' }), 403, 'all scopes');
  t.equal(await create({ role: 'viewer', scopes: ['query'] }), 403);
  t.equal(await create({ role: 'operator', scopes: ['read'] }), 200);
  t.equal(await create({ role: 'root' }), 400);
  t.equal(await create({ role: 'viewer', scopes: ['read'], name: '\u001b[31m' }), 400);
  t.equal(await create({ role: 'viewer', scopes: ['read'], ttlMs: 1e15 }), 400);
});

void t.test('a revoked token: its event streams and those of its sessions end within seconds', async (t) => {
  const server = await startServer(t);
  const created = await server.operatorTokens.create({
    name: 'x',
    role: 'viewer',
    scopes: [],
    ttlMs: 3_600_000,
    createdBy: '',
  });
  const [id, token] = [created?.token.id ?? '', created?.text ?? ''];
  const session = await server.fetch('/v1/console/sessions', {
    method: 'POST',
    body: JSON.stringify({ token }),
    headers: { 'content-type': 'application/json' },
  });
  const { token: sessionToken } = (await session.json()) as { token: string };
  const streams = await Promise.all(
    [token, sessionToken].map((each) => server.fetch('/v1/events', { headers: bearer(each) })),
  );
  const other = await server.fetch('/v1/events', { headers: bearer(TOKEN) });
  const ends = streams.map((stream) => stream.text());
  const started = performance.now();
  t.equal((await server.fetch(`/v1/tokens/${id}`, { method: 'DELETE' })).status, 200);
  await Promise.all(ends);
  t.ok(performance.now() - started < 10_000);
  for (const each of [token, sessionToken])
    t.equal((await server.fetch('/v1/nodes', { headers: bearer(each) })).status, 401);
  t.equal((await server.fetch(`/v1/tokens/${id}`, { method: 'DELETE' })).status, 404);
  const reader = other.body?.getReader();
  t.equal((await reader?.read())?.done, false, 'the stream of another goes on');
  await reader?.cancel();
});

void t.test('an event stream ends when its token expires', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const stream = await server.fetch('/v1/events', { headers: bearer(await server.createToken('viewer')) });
  const text = stream.text();
  await clock.advance(3_600_000);
  t.match(await text, /^retry: 1000\n\n/);
});

void t.test('one principal cannot take the event streams of all', async (t) => {
  const server = await startServer(t);
  const [one, other] = [await server.createToken('viewer'), await server.createToken('viewer')];
  const opened: Response[] = [];
  for (let count = 0; count < 33; count += 1) opened.push(await server.fetch('/v1/events', { headers: bearer(one) }));
  t.equal(opened.at(-2)?.status, 200);
  t.equal(opened.at(-1)?.status, 503);
  opened.push(await server.fetch('/v1/events', { headers: bearer(other) }));
  t.equal(opened.at(-1)?.status, 200);
  for (const response of opened) await response.body?.cancel();
});

void t.test('property: a higher role, or more scopes, never allow less', (t) => {
  const role = fc.constantFrom(...ROLES);
  const scopes = fc.oneof(fc.constant('all' as const), fc.subarray([...SCOPES], { minLength: 1 }));
  fc.assert(
    fc.property(role, role, scopes, fc.subarray([...SCOPES]), fc.boolean(), (one, other, scopes, more, isSession) => {
      const [low, high] = includesRole(one, other) ? [other, one] : [one, other];
      const weak = { ...TOKEN_FILE, role: low, scopes, isSession };
      const strong = { ...TOKEN_FILE, role: high, scopes: scopes === 'all' ? scopes : [...scopes, ...more], isSession };
      return OPERATIONS.every(
        (operation) =>
          denialOf(ACCESS[operation], weak) !== undefined || denialOf(ACCESS[operation], strong) === undefined,
      );
    }),
  );
  t.end();
});
