import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { collector, directoryOf } from './run-collector.ts';
import { commit, finding, nodeRow } from './store/fleet.ts';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

void t.test('the first start makes what is missing, the second finds it', async (t) => {
  const directory = directoryOf(t);
  const first = await collector(t, { 'data-dir': directory });
  const { api, listen } = await first.ready;
  t.ok(api.port > 0 && listen.port > 0 && api.port !== listen.port);
  for (const secret of ['operator-token', 'store.sqlite', 'tls/ca-key.pem', 'tls/collector-key.pem'])
    t.equal(modeOf(join(directory, secret)), '600', secret);
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  t.match(token, /^[\w-]{43}$/, '256 bits in base64url');
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${String(api.port)}${path}`, { headers: { authorization: `Bearer ${token}` } });
  t.match(await (await get('/v1/summary')).json(), { version: '0.1.0', nodes: { total: 0 } });
  t.match(await (await get('/v1/sinks')).json(), { sinks: [{ name: 'ndjson', state: 'ok' }] });
  t.equal((await fetch(`http://127.0.0.1:${String(api.port)}/v1/summary`)).status, 401);
  await t.rejects((await collector(t, { 'data-dir': directory })).ready, {
    code: 'directory',
    message: `another collector (process ${String(process.pid)}) uses ${directory}`,
  });
  await first.end();
  await t.rejects(get('/healthz'), 'nothing listens any more');
  const second = await collector(t, { 'data-dir': directory });
  await second.ready;
  t.equal(readFileSync(join(directory, 'operator-token'), 'utf8').trim(), token, 'the token stays');
  await second.end();
});

void t.test('a node is removed while the collector runs: its events are shipped, with the reason', async (t) => {
  const directory = directoryOf(t);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  await store.putNodes([nodeRow({ connected: true, name: 'retired-1' })]);
  await store.commit([
    commit({ sequence: 1, snapshot: true, put: [finding(), finding({ on: 'b', verdict: 'pass' })] }),
  ]);
  await store.close();
  const running = await collector(t, { 'data-dir': directory });
  const { api } = await running.ready;
  const authorization = `Bearer ${readFileSync(join(directory, 'operator-token'), 'utf8').trim()}`;
  const ask = async (path: string, method = 'GET'): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${String(api.port)}${path}`, { method, headers: { authorization } })).json();
  t.match(await ask('/v1/status'), { issues: [{ code: 'nodeOffline', subject: 'retired-1' }] });
  t.same(await ask('/v1/nodes/n1', 'DELETE'), { id: 'n1', name: 'retired-1', findings: 2, resolved: 1 });
  t.match(await ask('/v1/nodes/n1', 'DELETE'), { error: { code: 'unknownNode' } });
  t.match(await ask('/v1/status'), { nodes: { total: 0 }, issues: [] });
  t.match(await ask('/v1/history?limit=1'), { entries: [{ action: 'resolved', cause: 'nodeRemoved' }] });
  const delivered = async (): Promise<unknown> =>
    ((await ask('/v1/sinks')) as { readonly sinks: readonly { readonly delivered: number }[] }).sinks[0]?.delivered;
  for (let tries = 0; tries < 3000 && (await delivered()) !== 2; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await running.end();
  const lines = readFileSync(join(directory, 'events.ndjson'), 'utf8').trimEnd().split('\n');
  t.match(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { activity_name: 'Create', device: { hostname: 'retired-1' } },
      { activity_name: 'Close', status: 'Resolved', status_detail: 'the node was removed' },
    ],
  );
});

void t.test('the port for nodes takes nobody without a certificate of the fleet', async (t) => {
  const directory = directoryOf(t);
  const { ready } = await collector(t, { 'data-dir': directory });
  const { listen } = await ready;
  const ca = readFileSync(join(directory, 'tls', 'ca.pem'));
  const outcome = await new Promise<string>((resolve) => {
    const socket = connectTls({ host: '127.0.0.1', port: listen.port, ca, ALPNProtocols: ['h2'] });
    // With TLS 1.3 a client learns only after its own handshake that its certificate was missed.
    socket.once('secureConnect', () => socket.write('x'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('end', () => resolve('end'));
  });
  t.match(outcome, /ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/);
});

void t.test('what stops it from starting is said, with what to do', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const address = `127.0.0.1:${String((taken.address() as AddressInfo).port)}`;
  const directory = directoryOf(t);
  for (const setting of ['api', 'listen']) {
    const { ready, over } = await collector(t, { 'data-dir': directory, [setting]: address });
    await t.rejects(ready, {
      code: 'address',
      message: `cannot listen on ${address}: another program listens there already`,
      hint: `end what listens there, or choose another address: --${setting} HOST:PORT`,
    });
    await t.rejects(over, 'and what was opened is closed');
  }
  const exposed = directoryOf(t);
  writeFileSync(join(exposed, 'operator-token'), 'x'.repeat(43));
  chmodSync(join(exposed, 'operator-token'), 0o644);
  await t.rejects((await collector(t, { 'data-dir': exposed })).ready, {
    code: 'token',
    message: /can be read by others/,
  });
  chmodSync(join(exposed, 'operator-token'), 0o600);
  writeFileSync(join(exposed, 'operator-token'), 'short');
  await t.rejects((await collector(t, { 'data-dir': exposed })).ready, {
    code: 'token',
    message: /at least 32 characters/,
  });
  const file = join(directoryOf(t), 'file');
  writeFileSync(file, '');
  await t.rejects((await collector(t, { 'data-dir': file })).ready, { code: 'directory' });
  const foreign = directoryOf(t);
  const other = new DatabaseSync(join(foreign, 'store.sqlite'));
  other.exec('CREATE TABLE theirs (a)');
  other.close();
  await t.rejects((await collector(t, { 'data-dir': foreign })).ready, { name: 'StoreError', code: 'notOurs' });
  t.notOk(existsSync(join(foreign, 'events.ndjson')));
});

void t.test('an authority whose key is kept elsewhere is enough', async (t) => {
  const directory = directoryOf(t);
  const first = await collector(t, { 'data-dir': directory });
  await first.ready;
  await first.end();
  rmSync(join(directory, 'tls', 'ca-key.pem'));
  const second = await collector(t, { 'data-dir': directory });
  t.ok((await second.ready).listen.port > 0);
  await second.end();
});

void t.test('both sinks; what the syslog sink needs is missing: said at start', async (t) => {
  const receiver = createServer((socket) => socket.resume().on('end', () => socket.end()));
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.teardown(() => receiver.close());
  const port = String((receiver.address() as AddressInfo).port);
  const directory = directoryOf(t);
  const { ready, end } = await collector(t, { 'data-dir': directory, 'sink-syslog': `tcp://127.0.0.1:${port}` });
  const { api } = await ready;
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  const answer = await fetch(`http://127.0.0.1:${String(api.port)}/v1/sinks`, {
    headers: { authorization: `Bearer ${token}` },
  });
  t.match(await answer.json(), { sinks: [{ name: 'ndjson' }, { name: 'syslog', state: 'ok' }] });
  await end();
  const own = join(directory, 'tls');
  const tls = { 'data-dir': directory, 'sink-syslog': 'tls://127.0.0.1', 'sink-syslog-ca': join(own, 'ca.pem') };
  const refusal = async (flags: Readonly<Record<string, string>>): Promise<unknown> =>
    (await collector(t, { ...tls, ...flags })).ready.catch((error: unknown) => error);
  const cert = join(own, 'collector.pem');
  const key = join(own, 'collector-key.pem');
  for (const [flags, message] of [
    [{ 'sink-syslog-ca': join(own, 'no.pem') }, /no\.pem is missing: .*\(sink-syslog-ca\)/],
    [{ 'sink-syslog-cert': join(own, 'no.pem'), 'sink-syslog-key': key }, /no\.pem is missing: .*\(sink-syslog-cert\)/],
    [{ 'sink-syslog-cert': cert, 'sink-syslog-key': join(own, 'no.pem') }, /no\.pem is missing: .*\(sink-syslog-key\)/],
    [{ 'sink-syslog-cert': cert }, /belong together/],
    [{ 'sink-syslog-cert': join(own, 'ca.pem'), 'sink-syslog-key': key }, /is not the key of the certificate/],
    [{ 'sink-syslog-ca': join(directory, 'operator-token') }, /holds no certificate/],
  ] as const)
    t.match(await refusal(flags), { name: 'TlsError', message });
  chmodSync(key, 0o644);
  t.match(await refusal({ 'sink-syslog-cert': cert, 'sink-syslog-key': key }), {
    code: 'exposed',
    message: /chmod 600/,
  });
});
