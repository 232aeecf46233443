import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { runCollector } from '../../../collector/main.ts';
import { openApiCertificate } from '../../../collector/api/api-certificate.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import type { Issued } from '../../../service/tls/issue.ts';
import { plimsoll } from '../../cli/process.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, finding } from '../store/fleet.ts';
import { recordingLog, startServer, TOKEN } from './server.ts';
import { DATABASE_WORKER } from '../../fixture/workers.ts';

function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A certificate in files, an authority for it, and what replaces them. */
async function createFiles(t: Test) {
  const directory = temporaryDirectory(t);
  const paths = { certPath: join(directory, 'api.pem'), keyPath: join(directory, 'api-key.pem') };
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const issue = (): Promise<Issued> =>
    issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const write = ({ certificatePem, keyPem }: Issued): void => {
    writeFileSync(paths.certPath, certificatePem);
    writeFileSync(paths.keyPath, keyPem, { mode: 0o600 });
  };
  write(await issue());
  return { paths, ca: authority.certificatePem, issue, write };
}

function request(port: number, path: string, options: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    get({ host: '127.0.0.1', port, path, headers, agent: false, ...options }, resolve).on('error', reject);
  });
}

async function serialOf(port: number, ca: string): Promise<string> {
  const response = await request(port, '/v1/nodes', { ca });
  response.resume();
  return (response.socket as TLSSocket).getPeerCertificate().serialNumber;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await holds()) return true;
    await delay(20);
  }
  return false;
}

void t.test('TLS 1.2 or newer; a changed certificate is used without dropping a connection', async (t) => {
  const clock = createFakeClock(Date.now());
  const { paths, ca, issue, write } = await createFiles(t);
  const { log, logged } = recordingLog();
  const certificate = await openApiCertificate({ ...paths, clock, log });
  t.teardown(certificate.close);
  const server = await startServer(t, { certificate });
  for (const version of ['TLSv1.2', 'TLSv1.3'])
    t.equal(
      (await request(server.port, '/v1/nodes', { ca, minVersion: version, maxVersion: version })).statusCode,
      200,
      version,
    );
  await t.rejects(
    request(server.port, '/v1/nodes', { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
  );
  await t.rejects(request(server.port, '/v1/nodes', {}), 'not signed by an authority of this machine');
  await t.rejects(fetch(`http://127.0.0.1:${String(server.port)}/v1/nodes`), 'no plain HTTP');

  const stream = await request(server.port, '/v1/events', { ca });
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const before = await serialOf(server.port, ca);
  const next = await issue();
  // First one file of the pair, as `cp` does it.
  writeFileSync(paths.certPath, next.certificatePem);
  await clock.advance(5_000);
  t.ok(await until(() => certificate.issues().length === 1), 'half a pair is an issue');
  t.match(certificate.issues(), [{ code: 'apiCertificate', text: /is not the key of the certificate/ }]);
  t.equal(await serialOf(server.port, ca), before, 'and the one before is still used');
  write(next);
  await clock.advance(5_000);
  t.ok(await until(async () => (await serialOf(server.port, ca)) !== before), 'the new one');
  t.same(certificate.issues(), []);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding()] }));
  t.ok(await until(() => text.includes('event: finding')), 'the stream from before goes on');
  t.same(
    logged.map(({ level }) => level),
    ['error', 'info'],
  );

  // Connections that say nothing do not push out the one that has authenticated.
  const idle = Array.from({ length: 300 }, () =>
    connect({ host: '127.0.0.1', port: server.port }).on('error', () => undefined),
  );
  await delay(300);
  t.equal((await request(server.port, '/v1/nodes', { ca })).statusCode, 200);
  t.notOk(stream.destroyed);
  for (const socket of idle) socket.destroy();
  stream.destroy();
  await clock.advance(360 * 86_400_000);
  t.match(certificate.issues(), [{ text: /expires in \d d|has expired/ }], 'said before it ends');
});

void t.test('a key that others can read, and a certificate that is missing, are refused at the start', async (t) => {
  const { paths } = await createFiles(t);
  const [clock, { log }] = [systemClock(), recordingLog()];
  await t.rejects(openApiCertificate({ ...paths, keyPath: '/nonexistent', clock, log }), { code: 'absent' });
  chmodSync(paths.keyPath, 0o644);
  await t.rejects(openApiCertificate({ ...paths, clock, log }), { code: 'exposed' });
});

void t.test(
  'a collector: plain HTTP on loopback only, otherwise TLS from its own CA; the command line follows',
  async (t) => {
    const start = async (flags: Readonly<Record<string, string>>) => {
      const dataDir = temporaryDirectory(t);
      const settings = await settingsWith('collector', { 'data-dir': dataDir, listen: '127.0.0.1:0', ...flags });
      const stop = new AbortController();
      const { promise: ready, resolve } = Promise.withResolvers<{ readonly api: { readonly port: number } }>();
      const { log } = recordingLog();
      const options = { settings, version: '0.1.0', clock: systemClock(), log, signal: stop.signal, onReady: resolve };
      const over = runCollector({
        ...options,
        databaseWorker: DATABASE_WORKER,
        inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
        standardOutput: process.stderr,
      });
      t.teardown(async () => {
        stop.abort();
        await over.catch(() => undefined);
      });
      const { api } = await Promise.race([ready, over.then(() => Promise.reject(new Error('ended')))]);
      return { dataDir, port: api.port };
    };
    await t.rejects(start({ api: '0.0.0.0:0', 'api-tls': 'off' }), {
      code: 'address',
      message: /plain HTTP at 0\.0\.0\.0/,
    });
    const { dataDir, port } = await start({ api: '0.0.0.0:0' });
    const address = `127.0.0.1:${String(port)}`;
    const run = (...flags: readonly string[]) => plimsoll(['token', 'show', '--data-dir', dataDir, ...flags]);
    const token = join(dataDir, 'operator-token');
    const elsewhere = ['--data-dir', temporaryDirectory(t), '--token-file', token];
    const [anyAddress, plain, unknown, named] = await Promise.all([
      run('--api', `0.0.0.0:${String(port)}`),
      run('--api', address),
      plimsoll(['token', 'show', '--api', address, '--api-tls', 'on', ...elsewhere]),
      plimsoll([
        'token',
        'show',
        '--api',
        address,
        '--api-tls',
        'on',
        '--api-tls-ca',
        join(dataDir, 'tls', 'ca.pem'),
        ...elsewhere,
      ]),
    ]);
    for (const good of [anyAddress, named]) t.match(good, { code: 0, stdout: /token file .* role admin/ });
    t.match(plain, { code: 2, stderr: /--api-tls on/ });
    t.match(unknown, { code: 2, stderr: /--api-tls-ca FILE/ });
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    t.match(socket.getPeerX509Certificate()?.subjectAltName, /127\.0\.0\.1/);
    socket.destroy();
  },
);
