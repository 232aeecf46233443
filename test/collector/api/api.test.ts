import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import t from 'tap';
import { controlsOf } from '../../../posture/benchmark/benchmark.ts';
import type { FindingGroups, HistoryEntry } from '../../../api/finding.ts';
import { ACCESS } from '../../../collector/api/access.ts';
import { API_ERRORS } from '../../../collector/api/error.ts';
import { ROUTES } from '../../../collector/api/routes.ts';
import { MAX_FAILURES } from '../../../collector/api/failure-limit.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, commitOne, finding, nodeRow, T0 } from '../store/fleet.ts';
import { startServer, TOKEN } from './server.ts';

async function errorOf(response: Response): Promise<{ code: string; message: string; hint?: string }> {
  const body = (await response.json()) as { error: { code: string; message: string; hint?: string } };
  return body.error;
}

void t.test('nothing but the open routes answers without the token', async (t) => {
  const server = await startServer(t);
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/\{\w+\}/g, 'x');
    const response = await server.fetch(path, { method: route.method, headers: {} });
    if (ACCESS[route.operation] === 'open') t.equal(response.status, route.method === 'GET' ? 200 : 400, path);
    else {
      t.equal(response.status, 401, path);
      t.match(response.headers.get('www-authenticate'), /^Bearer /);
      t.equal((await errorOf(response)).code, 'unauthorized');
    }
    await response.body?.cancel().catch(() => undefined);
  }
  t.equal((await server.fetch('/openapi.json', { headers: {} })).status, 200);
  const bad = ['', 'Bearer', 'Bearer ', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(0, -1)}`, TOKEN];
  for (const authorization of bad)
    t.equal((await server.fetch('/v1/nodes', { headers: { authorization } })).status, 401, `"${authorization}"`);
  for (const authorization of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER  ${TOKEN}`])
    t.equal((await server.fetch('/v1/nodes', { headers: { authorization } })).status, 200, authorization.slice(0, 8));
});

void t.test('wrong tokens are limited, the right one is never locked out', async (t) => {
  const server = await startServer(t);
  const wrong = { headers: { authorization: 'Bearer wrong' } };
  for (let count = 0; count < MAX_FAILURES; count += 1) t.equal((await server.fetch('/v1/nodes', wrong)).status, 401);
  const limited = await server.fetch('/v1/nodes', wrong);
  t.equal(limited.status, 429);
  t.equal((await errorOf(limited)).code, 'tooManyRequests');
  t.ok(Number(limited.headers.get('retry-after')) > 0);
  t.equal((await server.fetch('/v1/nodes')).status, 200);
  const text = JSON.stringify(server.logged);
  t.notMatch(text, /wrong"/, 'no token is logged');
  t.notOk(text.includes(TOKEN));
});

void t.test('every answer says that it is JSON, not to be sniffed, kept or framed', async (t) => {
  const server = await startServer(t);
  const routes = ROUTES.map(({ method, path }) => [method, path.replaceAll(/\{\w+\}/g, 'x')] as const);
  const others = ['/openapi.json', '/nothing', '/v1/findings?limit=x', '/v1/%zz'].map((path) => ['GET', path] as const);
  for (const [method, path] of [...routes, ...others]) {
    const { headers, body } = await server.fetch(path, { method });
    await body?.cancel();
    // Streams and metrics have types of their own, and metrics may be compared with those of before.
    if (path !== '/v1/events' && path !== '/metrics')
      t.equal(headers.get('content-type'), 'application/json; charset=utf-8', path);
    t.equal(headers.get('x-content-type-options'), 'nosniff', `${method} ${path}`);
    t.equal(headers.get('cache-control'), path === '/metrics' ? 'private, no-cache' : 'no-store', path);
    t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
    t.equal(headers.get('x-frame-options'), 'DENY');
    t.equal(headers.get('referrer-policy'), 'no-referrer');
    t.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    t.equal(headers.get('access-control-allow-origin'), null, 'no other site may read it');
  }
  const preflight = await server.fetch('/v1/query', {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  t.equal(preflight.status, 404);
  t.equal(preflight.headers.get('access-control-allow-origin'), null);
});

void t.test('what is wrong is said in one shape', async (t) => {
  const server = await startServer(t);
  await server.store.putNodes([nodeRow()]);
  await server.store.putNodes([nodeRow({ id: 'n2' })]);
  const post = (body: string, type = 'application/json') =>
    server.fetch('/v1/query', {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': type },
    });
  const cases: readonly (readonly [given: Promise<Response>, code: keyof typeof API_ERRORS, message: RegExp])[] = [
    [server.fetch('/v1/nothing'), 'notFound', /there is no GET \/v1\/nothing/],
    [server.fetch('/v1/nodes', { method: 'DELETE' }), 'notFound', /DELETE/],
    [server.fetch('/v1/nodes/none'), 'unknownNode', /no node has the id or name "none"/],
    [server.fetch('/v1/nodes/web-1'), 'ambiguousNode', /2 nodes are called web-1/],
    [server.fetch('/v1/checks/none.such'), 'notFound', /unknown check "none.such"/],
    [server.fetch('/v1/benchmarks/none'), 'notFound', /unknown benchmark "none"/],
    [server.fetch('/v1/findings?limit=0'), 'invalidRequest', /query\.limit/],
    [server.fetch('/v1/findings?limit=10001'), 'invalidRequest', /query\.limit/],
    [server.fetch('/v1/findings?verdict=bad'), 'invalidRequest', /query\.verdict\[0\]/],
    [server.fetch('/v1/findings?colour=red'), 'invalidRequest', /colour/],
    [server.fetch('/v1/findings?cursor=nonsense'), 'invalidRequest', /./],
    [server.fetch('/v1/findings?node=none'), 'unknownNode', /none/],
    [server.fetch('/v1/events?after=-1'), 'invalidRequest', /query\.after/],
    [server.fetch('/v1/nodes?x=1'), 'invalidRequest', /x/],
    [server.fetch('/v1/findings?total=yes'), 'invalidRequest', /query\.total/],
    [server.fetch('/v1/trend?points=501'), 'invalidRequest', /query\.points/],
    [server.fetch('/v1/trend?fromMs=2&toMs=2'), 'invalidRequest', /query\.fromMs/],
    [server.fetch('/v1/trend?fromMs=99999999999999'), 'invalidRequest', /query\.fromMs/],
    [server.fetch('/v1/%zz'), 'invalidRequest', /./],
    [server.fetch(`/v1/nodes/${'x'.repeat(600)}`), 'invalidRequest', /./],
    [post('{'), 'invalidRequest', /./],
    [post('{}'), 'invalidRequest', /body\.expression/],
    [post('{"expression":"1","nodes":[],"extra":1}'), 'invalidRequest', /extra/],
    [post('{"expression":"1","__proto__":{"x":1}}'), 'invalidRequest', /./],
    [post('{"expression":"1"}', 'text/plain'), 'unsupportedMediaType', /application\/json/],
    [post('expression=1', 'application/x-www-form-urlencoded'), 'unsupportedMediaType', /application\/json/],
    [post(JSON.stringify({ expression: 'x'.repeat(70_000) })), 'tooLarge', /65536/],
  ];
  for (const [given, code, message] of cases) {
    const response = await given;
    const error = await errorOf(response);
    t.equal(error.code, code, error.message);
    t.equal(response.status, API_ERRORS[code].status);
    t.match(error.message, message);
  }
});

void t.test('a defect shows nothing of the inside', async (t) => {
  let isBroken = false;
  const server = await startServer(t, {
    store: (store) => ({
      ...store,
      nodes: () => (isBroken ? Promise.reject(new Error('secret detail of the disk')) : store.nodes()),
    }),
  });
  isBroken = true;
  const response = await server.fetch('/v1/nodes');
  t.equal(response.status, 500);
  const error = await errorOf(response);
  t.equal(error.code, 'internal');
  t.notMatch(JSON.stringify(error), /secret/);
  t.match(server.logged, [{ level: 'error', message: 'request failed' }]);
});

void t.test('bytes that are no request are answered in the same shape', async (t) => {
  const server = await startServer(t);
  const send = (bytes: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  t.match(await send('\u0016\u0003\u0001 hello\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"code":"invalidRequest"/);
  t.match(await send('\u0016\r\n\r\n'), /\r\ncontent-security-policy: default-src 'none'/);
  const huge = await send(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`);
  t.match(huge, /^HTTP\/1\.1 431 [\s\S]*"code":"tooLarge"/);
});

void t.test('the collector judges by its own clock whether a node is stale', async (t) => {
  const clock = createFakeClock(T0);
  const server = await startServer(t, { clock });
  await server.store.putNodes([nodeRow({ id: 'n1', connected: true, lastSeenMs: T0 })]);
  const presence = async (): Promise<unknown> => {
    const { nodes } = (await (await server.fetch('/v1/nodes')).json()) as { nodes: readonly { presence: string }[] };
    const one = (await (await server.fetch('/v1/nodes/n1')).json()) as { presence: string };
    t.equal(nodes[0]?.presence, one.presence);
    return one.presence;
  };
  // A heartbeat comes every 30 s here: three of them, and five seconds.
  await clock.advance(94_000);
  t.equal(await presence(), 'connected');
  await clock.advance(2_000);
  t.equal(await presence(), 'stale');
  await server.store.putNodes([nodeRow({ id: 'n1', connected: false, lastSeenMs: T0 })]);
  t.equal(await presence(), 'offline');
  await server.store.putNodes([nodeRow({ id: 'n1', connected: false, lastSeenMs: 0 })]);
  t.equal(await presence(), 'neverEnrolled');
});

void t.test('a node whose identity two agents use is marked', async (t) => {
  const server = await startServer(t, { duplicated: ['n2'] });
  for (const id of ['n1', 'n2']) await server.store.putNodes([nodeRow({ id, name: id })]);
  t.match(await (await server.fetch('/v1/nodes')).json(), {
    nodes: [
      { id: 'n1', duplicateIdentity: false },
      { id: 'n2', duplicateIdentity: true },
    ],
  });
});

void t.test('answers are compressed for who accepts it, event streams and short answers are not', async (t) => {
  const server = await startServer(t);
  const authorization = `Bearer ${TOKEN}`;
  const ask = (path: string, encoding: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { authorization, 'accept-encoding': encoding };
      get({ port: server.port, host: '127.0.0.1', path, headers }, resolve).on('error', reject);
    });
  const plain = await buffer(await ask('/v1/checks', 'identity'));
  for (const [encoding, decompress] of [['br', brotliDecompressSync] as const, ['gzip', gunzipSync] as const]) {
    const response = await ask('/v1/checks', encoding);
    const body = await buffer(response);
    t.equal(response.headers['content-encoding'], encoding);
    t.equal(response.headers.vary, 'accept-encoding');
    t.equal(Number(response.headers['content-length']), body.length);
    t.ok(body.length * 3 < plain.length, `${encoding}: ${String(body.length)} of ${String(plain.length)} bytes`);
    t.ok(decompress(body).equals(plain), 'the same answer');
  }
  t.equal((await ask('/v1/checks', 'br;q=0, zstd')).headers['content-encoding'], undefined);
  t.equal((await ask('/v1/summary', 'br, gzip')).headers['content-encoding'], undefined, 'short');
  t.equal((await ask('/v1/nodes/none', 'br, gzip')).headers['content-encoding'], undefined, 'a refusal');
  const events = await ask('/v1/events', 'br, gzip');
  t.equal(events.headers['content-encoding'], undefined, 'an event arrives when it happens');
  events.destroy();
});

void t.test(
  'findings by check, node, container and image; where an image runs; the history of a subject',
  async (t) => {
    const server = await startServer(t);
    const container = (id: string, imageId: string) => ({
      id,
      name: `name-of-${id}`,
      image: `i:${imageId}`,
      imageId,
      startedAt: '',
    });
    for (const node of [
      nodeRow({ id: 'n1', name: 'web-1', containers: [container('c1', 's:1'), container('c2', 's:2')] }),
      nodeRow({ id: 'n2', name: 'web-2', containers: [container('c3', 's:1')] }),
    ]) {
      await server.store.putNodes([node]);
      server.eventBus.publish({ type: 'node', node });
    }
    const low = { check: 'x.y', severity: 'low' } as const;
    await server.commit(
      commit({
        sequence: 1,
        snapshot: true,
        nodeId: 'n1',
        put: [finding({ on: 'c1' }), finding({ on: 'c2', ...low }), finding({ on: 'gone' })],
      }),
    );
    await server.commit(
      commit({
        sequence: 1,
        snapshot: true,
        nodeId: 'n2',
        put: [finding({ on: 'c3' }), finding({ kind: 'image', on: 's:1', ...low })],
      }),
    );
    const groups = async (query: string): Promise<readonly string[]> => {
      const answer = (await (await server.fetch(`/v1/findings/groups?${query}`)).json()) as FindingGroups;
      return answer.groups.map(({ check, nodeName, subject, image, counts: { failures } }) =>
        [check, nodeName, subject?.name, image?.id, failures.critical, failures.low]
          .filter((part) => part !== undefined)
          .join(' '),
      );
    };
    t.strictSame(await groups('by=check'), ['container.privileged 3 0', 'x.y 0 2']);
    t.strictSame(await groups('by=node'), ['web-1 2 1', 'web-2 1 1']);
    t.strictSame(await groups('by=container&node=n1&limit=2'), ['web-1 name-of-c1 1 0', 'web-1 name-of-gone 1 0']);
    t.strictSame(await groups('by=image'), ['s:1 2 1', 's:2 0 1'], 'of the image, and of the containers that run it');
    t.strictSame(await groups('by=image&kind=image'), ['s:1 0 1']);
    t.strictSame(await groups('by=container&kind=image'), []);
    t.match(await (await server.fetch('/v1/findings/groups?by=node&limit=1')).json(), { more: true });
    t.equal((await errorOf(await server.fetch('/v1/findings/groups?by=colour'))).code, 'invalidRequest');
    t.match(await (await server.fetch('/v1/images/s:1')).json(), {
      names: ['i:s:1'],
      containers: [
        { nodeName: 'web-1', id: 'c1' },
        { nodeName: 'web-2', id: 'c3' },
      ],
    });
    t.equal((await errorOf(await server.fetch('/v1/images/s:9'))).code, 'notFound');
    const past = (await (await server.fetch('/v1/history?node=n1&subject=c1')).json()) as {
      entries: readonly HistoryEntry[];
    };
    t.match(past.entries, [{ subjectName: 'name-of-c1', action: 'opened' }]);
    t.equal(past.entries.length, 1);
    t.equal((await errorOf(await server.fetch('/v1/history?subject=c1'))).code, 'invalidRequest');
  },
);

void t.test('the fleet', async (t) => {
  const server = await startServer(t);
  await server.store.putNodes([nodeRow({ id: 'n1', name: 'web-1' })]);
  await server.store.putNodes([nodeRow({ id: 'n2', name: 'db-1', connected: false, offlineSinceMs: T0 + 5 })]);
  const evil = finding({ on: 'c9', evidence: [{ source: 's', seen: '<script>\u001b[31m\u202e', expected: '' }] });
  await commitOne(
    server.store,
    commit({
      sequence: 1,
      snapshot: true,
      put: [
        evil,
        finding({ check: 'kernel.lockdown', kind: 'node', on: 'n1', severity: 'medium' }),
        finding({ check: 'ssh.root-login', kind: 'daemon', on: 'sshd', verdict: 'pass', severity: 'high' }),
        finding({
          check: 'image.default-user',
          kind: 'image',
          on: 'i',
          verdict: 'unknown',
          severity: 'low',
          reason: 'r',
        }),
      ],
    }),
  );
  const get = async (path: string): Promise<unknown> => (await server.fetch(path)).json();
  t.match(await get('/v1/summary'), {
    version: '0.1.0',
    nodes: { total: 2, connected: 1, offline: 1, neverEnrolled: 0 },
    counts: {
      verdicts: { fail: 2, pass: 1, unknown: 1, manual: 0, notApplicable: 0 },
      failures: { critical: 1, high: 0, medium: 1, low: 0, info: 0 },
    },
  });
  t.match(await get('/v1/nodes'), {
    nodes: [
      { name: 'db-1', connected: false, offlineSinceMs: T0 + 5, counts: { verdicts: { fail: 0 } } },
      { name: 'web-1', connected: true, containerCount: 1, counts: { verdicts: { fail: 2 } } },
    ],
  });
  t.match(await get('/v1/nodes/n1'), { id: 'n1', containers: [{ name: 'shop' }] });
  t.match(await get('/v1/nodes/db-1'), { id: 'n2' });
  const checksOf = async (query: string): Promise<unknown> =>
    ((await get(`/v1/findings?${query}`)) as { findings: { check: string }[] }).findings.map(({ check }) => check);
  const all = ['container.privileged', 'kernel.lockdown', 'image.default-user', 'ssh.root-login'];
  t.strictSame(await checksOf(''), all, 'worst first');
  t.strictSame(await checksOf('verdict=fail'), all.slice(0, 2));
  t.strictSame(await checksOf('verdict=fail&verdict=unknown'), all.slice(0, 3), 'repeated: alternatives');
  t.strictSame(await checksOf('verdict=fail&severity=medium'), ['kernel.lockdown'], 'different ones: combined');
  t.strictSame(await checksOf('node=web-1&check=ssh.root-login'), ['ssh.root-login']);
  t.strictSame(await checksOf('node=db-1'), []);
  t.strictSame(await checksOf('kind=image&kind=daemon'), ['image.default-user', 'ssh.root-login']);
  t.strictSame(await checksOf('subject=name-of-c9'), ['container.privileged']);
  t.strictSame(await checksOf('text=LOCKDOWN'), ['kernel.lockdown']);
  const first = (await get('/v1/findings?limit=3')) as { cursor: string; findings: unknown[] };
  t.equal(first.findings.length, 3);
  const second = (await get(`/v1/findings?limit=3&cursor=${encodeURIComponent(first.cursor)}`)) as object;
  t.match(second, { findings: [{ check: 'ssh.root-login' }] });
  t.notOk('cursor' in second, 'the last page has no cursor');
  t.notOk('total' in first, 'nobody asked for it');
  const totalOf = async (query: string): Promise<unknown> =>
    ((await get(`/v1/findings?total=true&${query}`)) as { total?: number }).total;
  t.equal(await totalOf('limit=3'), 4, 'of all pages');
  t.equal(await totalOf(`limit=3&cursor=${encodeURIComponent(first.cursor)}`), 4, 'also on a later one');
  t.equal(await totalOf('limit=1&verdict=fail'), 2);
  t.equal(await totalOf('limit=1&node=db-1'), 0);
  t.equal(await totalOf('limit=1&text=lockdown'), 1, 'one page holds all');
  t.equal(await totalOf('limit=1&text=container'), undefined, 'would take reading everything');
  t.match(await get('/v1/findings?check=container.privileged'), {
    findings: [
      {
        nodeName: 'web-1',
        evidence: [{ seen: '<script>\u001b[31m\u202e' }],
      },
    ],
  });
  t.match(await get('/v1/findings?limit=1'), {
    findings: [
      { controls: controlsOf('container.privileged').map(({ benchmark, control }) => ({ benchmark, control })) },
    ],
  });
  t.match(await get('/v1/history?node=web-1&limit=1'), { entries: [{ action: 'opened', nodeId: 'n1' }] });
  t.match(await get(`/v1/history?since=${String(T0 + 1)}`), { entries: [] });
});

void t.test('live queries', async (t) => {
  const asked: unknown[] = [];
  let abandoned = (): void => undefined;
  const left = new Promise<void>((resolve) => (abandoned = resolve));
  const server = await startServer(t, {
    queries: {
      ask: async (request, signal) => {
        asked.push(request);
        if (request.expression === 'wrong') return { outcome: 'invalid', error: 'no such fact `wrong`' };
        if (request.nodes.includes('none')) return { outcome: 'unknownNode', error: 'no node none' };
        if (request.expression === 'endless')
          await new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => (abandoned(), resolve()));
          });
        return {
          outcome: 'answered',
          answers: [
            {
              outcome: 'ok',
              nodeId: 'n1',
              nodeName: 'web-1',
              value: ['a'],
              rows: 1,
              truncated: false,
              unread: ['x: y'],
            },
            { outcome: 'offline', nodeId: 'n2', nodeName: 'db-1', sinceMs: T0 },
          ],
        };
      },
    },
  });
  const ask = (body: object, signal?: AbortSignal) =>
    server.fetch('/v1/query', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      signal: signal ?? null,
    });
  t.match(await (await ask({ expression: 'kernel.lockdown' })).json(), {
    answers: [
      { outcome: 'ok', value: ['a'], unread: ['x: y'] },
      { outcome: 'offline', sinceMs: T0 },
    ],
  });
  t.match(asked[0], { expression: 'kernel.lockdown', nodes: [], deadlineMs: 5000, maxRows: 1000 }, 'defaults');
  t.equal((await errorOf(await ask({ expression: 'wrong' }))).code, 'invalidExpression');
  t.equal((await errorOf(await ask({ expression: '1', nodes: ['none'] }))).code, 'unknownNode');
  const leaving = new AbortController();
  const answer = ask({ expression: 'endless' }, leaving.signal).catch(() => 'left');
  while (asked.length < 4) await new Promise(setImmediate);
  leaving.abort();
  t.equal(await answer, 'left');
  await left;
  t.pass('a client that leaves ends its query');
});
