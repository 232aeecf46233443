import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { summary } from '../../api/node.ts';
import { createApiClient } from '../../api/client.ts';
import { FAILURE_TEXTS } from '../../console/api/failure-texts.ts';
import { createSessionKeeper, SESSION_KEY, signIn } from '../../console/api/session.ts';

/** A collector that says whatever a test wants, over real HTTP. */
async function clientOf(t: Test, listener: RequestListener, token: string | undefined = 'session') {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  let refused = 0;
  const api = createApiClient({
    fetch: (path, init) => fetch(origin + path, init),
    beforeRepeat: () => Promise.resolve(),
    texts: FAILURE_TEXTS,
    token: () => token,
    onRefused: () => (refused += 1),
  });
  return { api, refusals: () => refused };
}

const COUNTS = {
  verdicts: { pass: 1, fail: 0, notApplicable: 0, unknown: 0, manual: 0 },
  failures: { critical: 0, high: 0, medium: 0, low: 0, info: 0 },
  waived: 1,
};

void t.test('an answer is believed once it has the right shape', async (t) => {
  const seen: (string | undefined)[] = [];
  const answer = {
    version: '1',
    nodes: { total: 1, connected: 1, offline: 0, neverEnrolled: 0 },
    counts: COUNTS,
    more: true,
  };
  const { api } = await clientOf(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end(
      request.url === '/good' ? JSON.stringify(answer) : request.url === '/odd' ? '{"version": 1}' : '<html>',
    );
  });
  const good = await api.get('/good', summary);
  const { more: _more, ...known } = answer;
  t.strictSame(good, { ok: true, value: known }, 'fields that are not known are dropped');
  t.match(await api.get('/odd', summary), { ok: false, problem: { kind: 'unreadable' } });
  t.match(await api.get('/html', summary), { ok: false, problem: { kind: 'unreadable' } });
  t.strictSame(seen, ['Bearer session', 'Bearer session', 'Bearer session']);
});

void t.test('each refusal says what it is', async (t) => {
  const { api, refusals } = await clientOf(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    response.statusCode = status;
    if (status === 429) response.setHeader('retry-after', '7');
    response.end(JSON.stringify({ error: { code: 'x', message: 'no \u001b[31m', hint: 'do' } }));
  });
  for (const [status, kind] of [
    [400, 'refused'],
    [401, 'signedOut'],
    [404, 'notFound'],
    [429, 'limited'],
    [500, 'failed'],
  ] as const)
    t.match(await api.get(`/${String(status)}`, summary), {
      ok: false,
      problem: { kind, message: 'no \\x1b[31m', hint: 'do', retryAfterMs: status === 429 ? 7000 : 0 },
    });
  t.equal(refusals(), 1);
});

void t.test(
  'a collector that is busy is asked again once, if it is not for long; nothing is changed twice',
  async (t) => {
    const seen: (string | undefined)[] = [];
    const { api } = await clientOf(t, (request, response) => {
      seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
      response.statusCode = 429;
      response.setHeader('retry-after', request.url === '/long' ? '6' : '1');
      response.end(JSON.stringify({ error: { code: 'tooManyRequests', message: 'busy', hint: null } }));
    });
    t.match(await api.get('/short', summary), { ok: false, problem: { kind: 'limited' } });
    t.match(await api.get('/long', summary), { ok: false, problem: { kind: 'limited', retryAfterMs: 6000 } });
    t.match(await api.post('/short', summary, { body: {} }), { ok: false, problem: { kind: 'limited' } });
    t.strictSame(seen, ['GET /short', 'GET /short', 'GET /long', 'POST /short']);
  },
);

void t.test('who does not answer, or no longer', async (t) => {
  const seen: (string | undefined)[] = [];
  const { api } = await clientOf(t, (request, response) => {
    seen.push(request.url);
    if (request.url?.startsWith('/broken') === true) response.socket?.destroy();
    if (request.url === '/once' && seen.filter((url) => url === '/once').length === 1) response.socket?.destroy();
    else if (request.url === '/once')
      response.end(
        JSON.stringify({
          version: '1',
          nodes: { total: 1, connected: 1, offline: 0, neverEnrolled: 0 },
          counts: COUNTS,
        }),
      );
  });
  t.match(await api.get('/broken', summary), { ok: false, problem: { kind: 'unreachable' } });
  t.match(await api.get('/once', summary), { ok: true, value: { version: '1' } }, 'what only reads is asked twice');
  t.match(await api.post('/broken-post', summary, { body: {} }), { ok: false, problem: { kind: 'unreachable' } });
  t.strictSame(seen, ['/broken', '/broken', '/once', '/once', '/broken-post']);
  const leaving = new AbortController();
  const waiting = api.get('/never', summary, leaving.signal);
  leaving.abort();
  t.match(await waiting, { ok: false, problem: { kind: 'aborted' } });
});

void t.test('signing in, and what is said when it does not work', async (t) => {
  const { api } = await clientOf(
    t,
    (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { code, token } = JSON.parse(body) as { code?: string; token?: string };
        response.statusCode = code === 'good' ? 200 : token === 'many' ? 429 : 401;
        if (response.statusCode === 429) response.setHeader('retry-after', '30');
        response.end(
          code === 'good'
            ? JSON.stringify({ token: 'session', expiresMs: 5 })
            : JSON.stringify({ error: { code: 'x', message: 'm' } }),
        );
      });
    },
    undefined,
  );
  t.strictSame(await signIn(api, { code: 'good' }), { ok: true, session: { token: 'session', expiresMs: 5 } });
  t.match(await signIn(api, { code: 'used' }), {
    message: /used before or is older than five minutes.*plimsoll console/,
  });
  t.match(await signIn(api, { token: 'wrong' }), { message: 'This is not a valid operator token of this collector.' });
  t.match(await signIn(api, { token: 'many' }), { message: /Wait 30 s/ });
});

void t.test('a session lasts until it expires, over reloads and tabs', async (t) => {
  let now = 1000;
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const tab = createSessionKeeper(storage, () => now);
  t.strictSame(tab.state.get(), { signedIn: false, reason: 'never' });
  tab.begin({ token: 'a', expiresMs: 5000 });
  const other = createSessionKeeper(storage, () => now);
  t.match(other.state.get(), { signedIn: true, session: { token: 'a' } }, 'a reload, or another tab');
  other.end('left');
  tab.refresh();
  t.strictSame(tab.state.get(), { signedIn: false, reason: 'left' }, 'signing out ends it in all tabs');
  tab.begin({ token: 'b', expiresMs: 5000 });
  other.refresh();
  t.match(other.state.get(), { session: { token: 'b' } });
  now = 5000;
  tab.refresh();
  t.strictSame(tab.state.get(), { signedIn: false, reason: 'expired' });
  kept.set(SESSION_KEY, '{"token": 1}');
  t.match(createSessionKeeper(storage, () => now).state.get(), { signedIn: false }, 'what cannot be read is none');
  const forbidden = () => {
    throw new Error('SecurityError');
  };
  const page = createSessionKeeper({ getItem: forbidden, setItem: forbidden, removeItem: forbidden }, () => now);
  page.begin({ token: 'c', expiresMs: 9000 });
  page.refresh();
  t.match(page.state.get(), { signedIn: true }, 'where storage is forbidden it lasts as long as the page');
});
