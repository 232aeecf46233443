import { request } from 'node:http';
import t from 'tap';
import { MAX_FAILURES } from '../../../collector/api/failure-limit.ts';
import { SESSION_MS } from '../../../collector/api/session-token.ts';
import { CODE_MS, MAX_CODES } from '../../../collector/api/sign-in-code.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startServer, TOKEN } from './server.ts';
import type { ApiServer } from './server.ts';

interface Answer {
  readonly status: number;
  readonly body: { code?: string; token?: string; expiresMs?: number; error?: { code: string; message: string } };
  readonly headers: Headers;
}

async function post(
  server: ApiServer,
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await server.fetch(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: response.status, body: (await response.json()) as Answer['body'], headers: response.headers };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const askLink = (server: ApiServer, token = TOKEN) => post(server, '/v1/console/links', {}, bearer(token));
const openSession = (server: ApiServer, secret: object) => post(server, '/v1/console/sessions', secret);

void t.test('a link signs in once, and the session reads everything but asks for no link', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const link = await askLink(server);
  t.equal(link.status, 200);
  t.match(link.body.code, /^[\w-]{32}$/, '192 bits');
  t.equal(link.body.expiresMs, clock.now() + CODE_MS);
  const session = await openSession(server, { code: link.body.code });
  t.equal(session.status, 200);
  t.equal(session.body.expiresMs, clock.now() + SESSION_MS);
  const token = session.body.token ?? '';
  t.equal((await server.fetch('/v1/nodes', { headers: bearer(token) })).status, 200);
  const again = await openSession(server, { code: link.body.code });
  t.equal(again.status, 401);
  t.match(again.body.error, { code: 'unauthorized', message: /used already/ });
  const refused = await askLink(server, token);
  t.equal(refused.status, 403, 'a session cannot make others');
  t.match(refused.body.error, { code: 'forbidden', message: /session of the console/ });

  const pasted = await openSession(server, { token: ` ${TOKEN}\n` });
  t.equal(pasted.status, 200, 'the operator token, pasted by a person');
  t.not(pasted.body.token, TOKEN);
  await clock.advance(SESSION_MS);
  const over = await server.fetch('/v1/nodes', { headers: bearer(token) });
  t.equal(over.status, 401);
  t.match(await over.json(), { error: { code: 'unauthorized', message: 'the session has ended' } });

  const logged = JSON.stringify(server.logged);
  for (const secret of [link.body.code, token, TOKEN, pasted.body.token])
    t.notOk(secret === undefined || logged.includes(secret), 'nothing of it is in the log');
  t.match(server.logged[0], { level: 'info', fields: { by: 'code' }, message: 'console session opened' });
});

void t.test('codes end: with time, with too many of them, and never by the wall clock', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const codes: string[] = [];
  for (let count = 0; count <= MAX_CODES; count += 1) codes.push((await askLink(server)).body.code ?? '');
  t.equal(new Set(codes).size, codes.length);
  t.equal((await openSession(server, { code: codes[0] })).status, 401, 'the oldest made room');
  t.equal((await openSession(server, { code: codes[1] })).status, 200);
  clock.jump(24 * 3_600_000);
  t.equal((await openSession(server, { code: codes[2] })).status, 200, 'the clock was set ahead');
  await clock.advance(CODE_MS - 1);
  t.equal((await openSession(server, { code: codes[3] })).status, 200, 'to the last millisecond');
  await clock.advance(1);
  t.equal((await openSession(server, { code: codes[4] })).status, 401, 'too old');
});

void t.test('wrong codes and tokens share one limit with wrong bearer tokens', async (t) => {
  const server = await startServer(t);
  const { code } = (await askLink(server)).body;
  const wrong = [{ code: 'x'.repeat(32) }, { token: 'wrong' }, { code: 'short' }, { token: `${TOKEN}x` }];
  for (let count = 0; count < MAX_FAILURES - 2; count += 1) {
    const answer = await openSession(server, wrong[count % wrong.length] ?? {});
    t.equal(answer.status, 401);
    t.match(answer.headers.get('www-authenticate'), /^Bearer /);
  }
  for (let count = 0; count < 2; count += 1)
    t.equal((await server.fetch('/v1/nodes', { headers: bearer('wrong') })).status, 401);
  const limited = await openSession(server, { code: 'x'.repeat(32) });
  t.equal(limited.status, 429);
  t.equal(limited.body.error?.code, 'tooManyRequests');
  t.ok(Number(limited.headers.get('retry-after')) > 0);
  t.equal((await server.fetch('/v1/nodes', { headers: bearer('wrong') })).status, 429);
  t.equal((await openSession(server, { code })).status, 200, 'the right one is never locked out');
  t.equal((await openSession(server, { token: TOKEN })).status, 200);
  const logged = JSON.stringify(server.logged);
  t.notMatch(logged, /xxxx|wrong"/, 'what was presented is not in the log');
  for (const body of [
    {},
    { code: '' },
    { code: 1 },
    { code, token: TOKEN },
    { code, extra: 1 },
    { code: 'x'.repeat(600) },
  ])
    t.equal((await openSession(server, body)).status, 400, JSON.stringify(body).slice(0, 40));
});

void t.test('a page of another site gets nothing, even if it has a code', async (t) => {
  const server = await startServer(t);
  const { code } = (await askLink(server)).body;
  const body = JSON.stringify({ code });
  // What a page can send without asking first: a form body, as text.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const form = await server.fetch('/v1/console/sessions', {
      method: 'POST',
      body,
      headers: { 'content-type': type, origin: 'https://evil.example' },
    });
    t.equal(form.status, 415, type);
    t.equal(form.headers.get('access-control-allow-origin'), null);
  }
  // Anything else the browser asks about first.
  for (const path of ['/v1/console/sessions', '/v1/console/links', '/v1/nodes']) {
    const preflight = await server.fetch(path, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://evil.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    t.equal(preflight.status, 404, path);
    for (const name of preflight.headers.keys()) t.notMatch(name, /^access-control-/);
  }
  // And what it says of itself is believed. fetch() of Node may not set this header: a raw request does.
  for (const site of ['cross-site', 'same-site']) {
    const refused = await raw(server, '/v1/console/sessions', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'sec-fetch-site': site },
    });
    t.match(refused, { status: 403, body: /crossSite/ });
    const read = await raw(server, '/v1/nodes', { headers: { ...bearer(TOKEN), 'sec-fetch-site': site } });
    t.match(read, { status: 403, body: /crossSite/ });
  }
  for (const site of ['same-origin', 'none'])
    t.match(await raw(server, '/v1/nodes', { headers: { ...bearer(TOKEN), 'sec-fetch-site': site } }), { status: 200 });
  t.equal((await openSession(server, { code })).status, 200, 'the code was not used up by all this');
});

void t.test('a name that was bound to this address leads to nothing (DNS rebinding)', async (t) => {
  const server = await startServer(t);
  const asEvil = { host: 'evil.example:7480', origin: 'http://evil.example:7480', 'sec-fetch-site': 'same-origin' };
  for (const path of ['/v1/nodes', '/v1/findings', '/v1/events', '/v1/facts'])
    t.match(await raw(server, path, { headers: asEvil }), { status: 401 }, path);
  const link = await raw(server, '/v1/console/links', {
    method: 'POST',
    body: '{}',
    headers: { ...asEvil, 'content-type': 'application/json' },
  });
  t.match(link, { status: 401 });
  t.notMatch(link.body, /"code":"[\w-]{32}"/);
  const page = await raw(server, '/', { headers: asEvil });
  t.notMatch(JSON.stringify(page.headers), /evil/, 'nothing of the name comes back');
  t.equal(page.headers['set-cookie'], undefined, 'the browser gets no cookie to send automatically');
});

void t.test('an event stream ends with its session', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const { token } = (await openSession(server, { token: TOKEN })).body;
  await clock.advance(SESSION_MS - 1_000);
  const response = await server.fetch('/v1/events', { headers: bearer(token ?? '') });
  t.equal(response.status, 200);
  const text = response.text();
  await clock.advance(1_000);
  t.match(await text, /^retry: 1000\n\n/, 'the end of the body came');
  t.equal((await server.fetch('/v1/events', { headers: bearer(token ?? '') })).status, 401);
});

interface RawInit {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

function raw(server: ApiServer, path: string, { method = 'GET', headers, body }: RawInit) {
  return new Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
      });
      asked.on('error', reject);
      asked.end(body);
    },
  );
}
