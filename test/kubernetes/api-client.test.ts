import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { accessFromKubeconfig, accessFromPod } from '../../kubernetes/access.ts';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import * as s from '../../posture/schema.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { startApiServer } from './api-server.ts';

const schema = s.object({ name: s.string('', 10) });

void t.test('every way in which an API server fails has a code and a reason without secrets', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access, 400);
  t.teardown(api.close);
  const status = (code: number) => ({
    status: code,
    body: { kind: 'Status', message: `no\r\n\u001b[31m${'x'.repeat(999)}` },
  });
  server.responses.set('GET /good', { body: { name: 'web' } });
  server.responses.set('GET /401', status(401));
  server.responses.set('GET /403', status(403));
  server.responses.set('GET /409', status(409));
  server.responses.set('GET /422', status(422));
  server.responses.set('GET /429', status(429));
  server.responses.set('GET /500', { status: 500, body: '<html>' });
  server.responses.set('GET /302', { status: 302, body: '' });
  server.responses.set('GET /text', { body: 'hello' });
  server.responses.set('GET /other', { body: { name: 'longer than ten' } });
  server.responses.set('GET /list', { body: [] });
  server.responses.set('GET /slow', 'hang');
  server.responses.set('GET /reset', 'reset');
  server.responses.set('GET /endless', 'endless');
  t.match(await api.get('/good', schema), { ok: true, value: { name: 'web' } });
  const cases = [
    ['/401', 'unauthorized'],
    ['/403', 'forbidden'],
    ['/404', 'notFound'],
    ['/409', 'conflict'],
    ['/429', 'tooMany'],
    ['/422', 'refused'],
    ['/500', 'failed'],
    ['/302', 'failed'],
    ['/text', 'malformed'],
    ['/other', 'malformed'],
    ['/list', 'malformed'],
    ['/slow', 'timeout'],
    ['/reset', 'unreachable'],
    ['/endless', /malformed|timeout/],
  ] as const;
  for (const [path, code] of cases) {
    const result = await api.get(path, schema);
    t.match(result, { ok: false, code }, path);
    if (result.ok) continue;
    t.match(result.reason, /^[ -~]{1,400}$/, 'one line of printable text');
    t.notMatch(result.reason, 'collector-token');
  }
  t.equal(server.asked[0]?.authorization, 'Bearer collector-token');
});

void t.test('the API server must have a certificate of its CA; credentials are read for each request', async (t) => {
  const server = await startApiServer(t);
  server.responses.set('GET /good', { body: { name: 'web' } });
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const stranger = createKubernetesApi({
    ...server.access,
    credentials: () => Promise.resolve({ ca: other.certificatePem, token: 'collector-token' }),
  });
  t.match(await stranger.get('/good', schema), { ok: false, code: 'unreachable' });
  t.equal(server.asked.length, 0, 'nothing was sent, the token least of all');
  const misnamed = createKubernetesApi({ ...server.access, serverName: 'kubernetes' });
  t.match(await misnamed.get('/good', schema), { ok: false, code: 'unreachable' });

  const directory = t.testdir();
  const { ca } = await server.access.credentials();
  writeFileSync(join(directory, 'ca.crt'), ca);
  writeFileSync(join(directory, 'token'), 'first\n');
  const api = createKubernetesApi(accessFromPod(server.access.address, directory));
  t.teardown(() => [stranger, misnamed, api].forEach(({ close }) => close()));
  await api.get('/good', schema);
  writeFileSync(join(directory, 'token'), 'second\n');
  await api.get('/good', schema);
  t.strictSame(
    server.asked.map(({ authorization }) => authorization),
    ['Bearer first', 'Bearer second'],
  );
  writeFileSync(join(directory, 'token'), 'a\nb: c');
  t.match(await api.get('/good', schema), { ok: false, code: 'unreachable' }, 'no header is injected');
  const gone = createKubernetesApi(accessFromPod(server.access.address, join(directory, 'none')));
  t.match(await gone.get('/good', schema), { ok: false, code: 'credentials', reason: /ENOENT/ });
});

void t.test('kubeconfig: what can be used, and what is refused', async (t) => {
  const server = await startApiServer(t);
  server.responses.set('GET /api/good', { body: { name: 'web' } });
  const { ca } = await server.access.credentials();
  const directory = t.testdir();
  const path = join(directory, 'config');
  const write = (cluster: object, user: object, context: object = { cluster: 'c', user: 'u' }): string => {
    const lists = {
      contexts: [{ name: 'x', context }],
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
    };
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'x', ...lists }));
    return path;
  };
  const url = `https://127.0.0.1:${String(server.access.address.port)}/api/`;
  const data = Buffer.from(ca).toString('base64');
  const good = { server: url, 'certificate-authority-data': data };
  writeFileSync(join(directory, 'token'), 'from-a-file\n');
  const api = createKubernetesApi(await accessFromKubeconfig(write(good, { tokenFile: 'token' })));
  t.teardown(api.close);
  t.match(await api.get('/good', schema), { ok: true });
  t.equal(server.asked[0]?.authorization, 'Bearer from-a-file', 'a path beside the kubeconfig');

  const each = async (cluster: object, user: object, message: RegExp, context?: object): Promise<void> => {
    await t.rejects(
      accessFromKubeconfig(write(cluster, user, context)),
      { code: 'kubernetes', message },
      String(message),
    );
  };
  await each({ ...good, server: 'http://127.0.0.1:8080' }, { token: 't' }, /not an https/);
  await each({ server: url }, { token: 't' }, /certificate authority/);
  await each(good, { exec: { command: '/bin/sh' } }, /neither a token nor a client certificate/);
  await each(good, { token: 't' }, /no cluster/, { cluster: 'other', user: 'u' });
  await each(good, { tokenFile: 'none' }, /ENOENT/);
  writeFileSync(path, 'a: &a [x]\nb: [*a, *a]\n');
  await t.rejects(accessFromKubeconfig(path), { code: 'kubernetes', message: /not YAML/ });
  writeFileSync(path, '[');
  await t.rejects(accessFromKubeconfig(path), { message: /not YAML/ });
  await t.rejects(accessFromKubeconfig(join(directory, 'none')), { message: /ENOENT/ });
});
