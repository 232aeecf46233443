import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { parseDockerConfig } from '../../../image/registry/credentials.ts';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import type { RegistryClient } from '../../../image/registry/registry-client.ts';
import type { RegistryOptions } from '../../../image/registry/registry-session.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../component/registry.ts';

const DIGEST = `sha256:${createHash('sha256').update('content').digest('hex')}`;
const SECRET = 'hunter2';

/** A registry that does what `listener` does; it is gone when the test is over. */
async function serve(t: Test, listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function clientOf(
  t: Test,
  listener: RequestListener,
  options: Partial<RegistryOptions> = {},
): Promise<RegistryClient> {
  const port = await serve(t, listener);
  const registry = `127.0.0.1:${String(port)}`;
  const auths = { [registry]: { username: 'user', password: SECRET } };
  const config = parseDockerConfig(JSON.stringify({ auths }));
  if (!config.ok) throw new Error(config.reason);
  const client = createRegistryClient({
    registry,
    plainHttp: true,
    credentials: config.credentials,
    deadlineMs: 500,
    ...options,
  });
  t.teardown(() => client.close());
  return client;
}

function answer(status: number, headers: Record<string, string>, body = ''): RequestListener {
  return (_request, response) => void response.writeHead(status, headers).end(body);
}

await t.test('bodies', async (t) => {
  const blob = { path: 'app', digest: DIGEST, maxBytes: 1000 };
  const endless = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': OCI_MANIFEST });
    const more = (): void => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  };
  const drip = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': OCI_MANIFEST });
    const timer = setInterval(() => response.write('x'), 50);
    response.on('close', () => clearInterval(timer));
  };
  for (const [name, listener, code] of [
    ['endless', endless, 'tooLarge'],
    ['slow drip', drip, 'timeout'],
    ['no answer', () => undefined, 'timeout'],
    ['wrong content', answer(200, {}, 'Content'), 'digestMismatch'],
    ['empty', answer(200, {}), 'digestMismatch'],
    ['compressed', answer(200, { 'content-encoding': 'gzip' }, 'content!'), 'digestMismatch'],
    [
      'cut off',
      (_q, r) => void (r.writeHead(200, { 'content-length': '7' }), r.write('con'), r.destroy()),
      'unreachable',
    ],
    ['too long for its length', answer(200, { 'content-length': '2000' }), 'tooLarge'],
    ['no content', answer(204, {}), 'malformed'],
    ['part', answer(206, {}, 'content'), 'malformed'],
    ['server error', answer(503, {}), 'unreachable'],
    ['a proxy that answers 404', answer(404, { 'content-type': 'text/html' }, '<html>'), 'malformed'],
    ['a registry that answers 404', answer(404, { 'content-type': 'application/json' }, '{}'), 'notFound'],
  ] as const satisfies readonly (readonly [string, RequestListener, string])[]) {
    const client = await clientOf(t, listener);
    const started = performance.now();
    t.match(await client.blob(blob), { ok: false, code }, name);
    t.ok(performance.now() - started < 15_000, `${name}: in time`);
  }
  const client = await clientOf(t, endless);
  t.match(await client.manifest('app', 'v1'), { ok: false, code: 'tooLarge' });
  const good = await clientOf(t, answer(200, {}, 'content'));
  t.match(await good.blob(blob), { ok: true });
});

await t.test('manifests that two readers would understand differently', async (t) => {
  const entry = { mediaType: OCI_MANIFEST, digest: DIGEST, size: 1 };
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: entry, layers: [entry] };
  const text = JSON.stringify(image);
  for (const [name, type, body] of [
    ['another type in the document', OCI_INDEX, text],
    ['no type', '', text],
    ['HTML', 'text/html', '<html>'],
    ['image and index', OCI_MANIFEST, JSON.stringify({ ...image, manifests: [entry] })],
    ['index and image', OCI_INDEX, JSON.stringify({ schemaVersion: 2, manifests: [entry], layers: [entry] })],
    ['the same key twice', OCI_MANIFEST, text.replace('{', '{"layers":[],')],
    ['a key in another case', OCI_MANIFEST, text.replace('{', '{"Layers":[],')],
    ['a key with an escaped letter', OCI_MANIFEST, text.replace('{', '{"l\\u0061yers":[],')],
    ['a key with a letter that Go folds', OCI_MANIFEST, text.replace('{', '{"layer\u017F":[],')],
    ['schema 1', OCI_MANIFEST, JSON.stringify({ ...image, fsLayers: [] })],
    ['no layers', OCI_MANIFEST, JSON.stringify({ ...image, layers: null })],
    ['a digest that is a path', OCI_MANIFEST, text.replaceAll(DIGEST, '../../etc/passwd')],
    ['a negative size', OCI_MANIFEST, text.replaceAll('"size":1', '"size":-1')],
    ['too many layers', OCI_MANIFEST, JSON.stringify({ ...image, layers: Array.from({ length: 1001 }, () => entry) })],
    ['deep nesting', OCI_MANIFEST, `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['invalid UTF-8', OCI_MANIFEST, Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
    ['null', OCI_MANIFEST, 'null'],
  ] as const) {
    const client = await clientOf(t, answer(200, { 'content-type': type }, body));
    t.match(await client.manifest('app', 'v1'), { ok: false, code: 'malformed' }, name);
  }
  const prototype = await clientOf(
    t,
    answer(200, { 'content-type': OCI_MANIFEST }, text.replace('{', '{"__proto__":{"x":1},')),
  );
  t.match(await prototype.manifest('app', 'v1'), { ok: true, value: { layers: [{ digest: DIGEST }] } });
  t.equal(({} as { x?: number }).x, undefined);
  const lying = await clientOf(t, answer(200, { 'content-type': OCI_MANIFEST, 'docker-content-digest': DIGEST }, text));
  t.match(await lying.manifest('app', 'v1'), { ok: false, code: 'digestMismatch' });
});

await t.test('credentials do not leave the registry', async (t) => {
  const seen: { readonly host: string; readonly authorization: string | undefined }[] = [];
  const note: RequestListener = (request, response) => {
    seen.push({ host: request.headers.host ?? '', authorization: request.headers.authorization });
    response.writeHead(200).end('content');
  };
  const elsewhere = await serve(t, note);
  const storage = `127.0.0.1:${String(elsewhere)}`;
  const redirecting: RequestListener = (request, response) => {
    if (request.headers.authorization === undefined)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    return void response.writeHead(307, { location: `http://${storage}/blob` }).end();
  };
  const client = await clientOf(t, redirecting);
  t.match(await client.blob({ path: 'app', digest: DIGEST, maxBytes: 100 }), { ok: true });
  t.same(seen, [{ host: storage, authorization: undefined }]);

  await t.test('a token server on another host', async (t) => {
    const realms: (string | undefined)[] = [];
    const tokens = await serve(t, (request, response) => {
      realms.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    const challenge = (host: string): RequestListener =>
      answer(401, {
        'www-authenticate': `Bearer realm="http://${host}:${String(tokens)}/token",service="x",scope="*"`,
      });
    const other = await clientOf(t, challenge('127.0.0.2'));
    t.match(await other.resolve('app', 'v1'), { ok: false, code: 'unreachable', reason: /loopback/ });
    const named = await clientOf(t, challenge('127.0.0.1'));
    t.match(await named.resolve('app', 'v1'), { ok: false, code: 'unauthorized', reason: /refuses the credentials/ });
    t.equal(realms.length, 1);
    t.match(realms[0], /^Basic /);
  });

  await t.test('no reason holds the password', async (t) => {
    for (const listener of [
      answer(401, { 'www-authenticate': 'Basic realm="x"' }, SECRET),
      answer(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/"' }),
      answer(401, { 'www-authenticate': 'Bearer realm="ftp://x/"' }),
      answer(401, {}),
    ]) {
      const failed = await (await clientOf(t, listener)).resolve('app', 'v1');
      t.notOk(failed.ok);
      t.notMatch(JSON.stringify(failed), new RegExp(SECRET));
    }
  });
});

await t.test('redirects', async (t) => {
  for (const [name, location, code, reason] of [
    ['in a circle', '/v2/app/blobs/x', 'malformed', /more than 5/],
    ['to a file', 'file:///etc/passwd', 'malformed', /no HTTP/],
    ['with a user', 'http://a:b@127.0.0.1/', 'malformed', /no HTTP/],
    ['to nowhere', '', 'malformed', /no HTTP/],
    ['to the metadata service', 'http://169.254.169.254/latest/meta-data', 'unreachable', /link-local/],
    ['to the same, written otherwise', 'http://0xa9fea9fe/', 'unreachable', /link-local/],
    ['to the same over IPv6', 'http://[::ffff:169.254.169.254]/', 'unreachable', /link-local/],
    ['to the metadata service of AWS over IPv6', 'http://[fd00:ec2::254]/', 'unreachable', /link-local/],
    ['to this machine', 'http://127.1.2.3/', 'unreachable', /link-local/],
    ['to this machine by name', 'http://localhost/', 'unreachable', /link-local/],
    ['to any address', 'http://0/', 'unreachable', /link-local/],
  ] as const) {
    const client = await clientOf(t, answer(302, location === '' ? {} : { location }));
    t.match(await client.blob({ path: 'app', digest: DIGEST, maxBytes: 10 }), { ok: false, code, reason }, name);
  }
});

await t.test('rate limits', async (t) => {
  for (const [header, expected] of [
    ['7', 7000],
    ['999999999', 3_600_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['soon', undefined],
  ] as const) {
    const client = await clientOf(t, answer(429, { 'retry-after': header }));
    const result = await client.resolve('app', 'v1');
    t.match(result, { ok: false, code: 'rateLimited' });
    t.equal(result.ok ? 0 : result.retryAfterMs, expected, header);
  }
});

await t.test('pages', async (t) => {
  let pages = 0;
  const endless = await clientOf(t, (_request, response) => {
    pages += 1;
    const headers = { 'content-type': 'application/json', link: '</v2/app/tags/list?last=x>; rel="next"' };
    response.writeHead(200, headers).end(JSON.stringify({ tags: ['a', '../b', 'c d'] }));
  });
  const tags = await endless.tags('app');
  t.match(tags, { ok: true, value: { isComplete: false } });
  t.ok(pages <= 20);
  t.ok(tags.ok && tags.value.tags.every((tag) => tag === 'a'));
  const leading = await clientOf(
    t,
    answer(200, { 'content-type': 'application/json', link: '<http://127.0.0.2/x>; rel="next"' }, '{"tags":["a"]}'),
  );
  t.match(await leading.tags('app'), { ok: true, value: { tags: ['a'], isComplete: false } });
  const index = JSON.stringify({ schemaVersion: 2, manifests: [] });
  const api = await clientOf(t, answer(200, { 'content-type': OCI_INDEX }, index));
  t.match(await api.referrers('app', DIGEST), { ok: true, value: { manifests: [], isComplete: true } });
  const down = await clientOf(t, answer(500, {}));
  t.match(await down.referrers('app', DIGEST), { ok: false, code: 'unreachable' });
});

await t.test('an aborted caller gets an answer at once', async (t) => {
  const caller = new AbortController();
  const client = await clientOf(t, () => undefined, { deadlineMs: 60_000, signal: caller.signal });
  const asked = client.resolve('app', 'v1');
  setTimeout(() => caller.abort(), 50);
  t.match(await asked, { ok: false, code: 'timeout' });
});
