import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import {
  ensureAuthority,
  ensureNodeCertificate,
  ensureServerCertificate,
  serverNames,
} from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';

const NOW = Date.now();
const DAY = 86_400_000;

function freshDirectory(test: { teardown: (run: () => void) => void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-tls-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'tls');
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}

void t.test('makes an authority and leaves once, with private keys for the owner only', async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  t.equal(await ensureServerCertificate(authority, ['localhost', '127.0.0.1'], NOW), true);
  t.equal(await ensureNodeCertificate(authority, 'a1b2', NOW), true);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  for (const name of ['ca-key.pem', 'collector-key.pem', 'agent-key.pem'])
    t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);

  const again = await ensureAuthority(directory, NOW);
  t.equal(again.certificatePem, authority.certificatePem, 'a second start finds it again');
  t.equal(await ensureServerCertificate(again, ['localhost', '127.0.0.1'], NOW), false);
  t.equal(await ensureNodeCertificate(again, 'a1b2', NOW), false);
});

void t.test('certificates say what RFC 5280 and SPIFFE want', async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  const ca = new X509Certificate(authority.certificatePem);
  t.equal(ca.ca, true);
  t.equal(ca.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.ok(Date.parse(ca.validTo) - NOW > 3649 * DAY);
  const node = new X509Certificate(
    (await issueCertificate({ kind: 'node', nodeId: 'node-7' }, authority, NOW)).certificatePem,
  );
  t.equal(node.subjectAltName, 'URI:spiffe://plimsoll.local/host/node-7');
  t.same(node.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'id-kp-clientAuth and nothing else');
  t.equal(node.ca, false);
  t.ok(node.checkIssued(ca));
  t.ok(Date.parse(node.validTo) - NOW <= 366 * DAY);
});

void t.test('openssl verifies them', { skip: hasOpenssl() ? false : 'openssl is not installed' }, async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  await ensureServerCertificate(authority, ['localhost', '127.0.0.1', '::1'], NOW);
  await ensureNodeCertificate(authority, 'a1b2', NOW);
  const verify = (purpose: string, file: string, ...more: string[]): string => {
    const ca = join(directory, 'ca.pem');
    const args = ['verify', '-x509_strict', '-CAfile', ca, '-purpose', purpose, ...more, join(directory, file)];
    return execFileSync('openssl', args, { encoding: 'utf8' });
  };
  t.match(verify('sslserver', 'collector.pem', '-verify_hostname', 'localhost'), /OK/);
  t.match(verify('sslserver', 'collector.pem', '-verify_ip', '127.0.0.1'), /OK/);
  t.match(verify('sslclient', 'agent.pem'), /OK/);
  t.throws(() => verify('sslserver', 'agent.pem'), 'a node cannot pose as a collector');
  t.throws(() => verify('sslclient', 'collector.pem'), 'a collector cannot pose as a node');
});

void t.test('both ends agree on TLS 1.3 with them, and refuse a foreign node', async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  await ensureServerCertificate(authority, serverNames('127.0.0.1', 'web-3', []), NOW);
  await ensureNodeCertificate(authority, 'a1b2', NOW);
  const paths = (name: string) => ({
    ca: join(directory, 'ca.pem'),
    cert: join(directory, `${name}.pem`),
    key: join(directory, `${name}-key.pem`),
  });
  const served = { ...(await loadTlsFiles(paths('collector'))), minVersion: 'TLSv1.3', requestCert: true } as const;
  const server = createServer(served, (socket) => {
    socket.on('error', () => undefined);
    socket.end(socket.authorized ? `hello ${String(socket.getPeerX509Certificate()?.subjectAltName)}` : 'no');
  });
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };

  const own = await loadTlsFiles(paths('agent'));
  const answer = await readAll(connect({ host: '127.0.0.1', port, ...own, minVersion: 'TLSv1.3' }));
  t.equal(answer, 'hello URI:spiffe://plimsoll.local/host/a1b2');

  const foreign = await ensureAuthority(freshDirectory(t), NOW);
  const { certificatePem, keyPem } = await issueCertificate({ kind: 'node', nodeId: 'a1b2' }, foreign, NOW);
  const stranger = connect({ host: '127.0.0.1', port, ca: own.ca, cert: certificatePem, key: keyPem });
  // In TLS 1.3 a client learns of its refusal after its handshake: as an alert, a reset or the end.
  t.equal(await readAll(stranger).catch(() => ''), '', 'it gets no answer');
});

async function readAll(socket: TLSSocket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

void t.test('leaves are made anew when little time is left, names differ or the key is another', async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  await ensureServerCertificate(authority, ['localhost'], NOW);
  t.equal(await ensureServerCertificate(authority, ['localhost'], NOW + 250 * DAY), false, '31 % left');
  t.equal(await ensureServerCertificate(authority, ['localhost'], NOW + 260 * DAY), true, '28 % left');
  t.equal(await ensureServerCertificate(authority, ['localhost', '10.0.0.7'], NOW + 260 * DAY), true, 'a new name');
  t.equal(await ensureServerCertificate(authority, ['localhost'], NOW), true, 'not valid yet: the clock was ahead');
  await ensureNodeCertificate(authority, 'one', NOW);
  t.equal(await ensureNodeCertificate(authority, 'two', NOW), true, 'another node');
  const other = await issueCertificate({ kind: 'node', nodeId: 'two' }, authority, NOW);
  writeFileSync(join(directory, 'agent-key.pem'), other.keyPem);
  t.equal(await ensureNodeCertificate(authority, 'two', NOW), true, 'a key of another certificate');
});

void t.test('what cannot be used is refused, with the file and what to do', async (t) => {
  const directory = freshDirectory(t);
  const authority = await ensureAuthority(directory, NOW);
  const key = join(directory, 'ca-key.pem');
  chmodSync(key, 0o640);
  await t.rejects(ensureAuthority(directory, NOW), { code: 'exposed', message: /chmod 600 .*ca-key\.pem/ });
  chmodSync(key, 0o600);
  chmodSync(directory, 0o777);
  await t.rejects(ensureAuthority(directory, NOW), { code: 'exposed', message: /chmod 700/ });
  chmodSync(directory, 0o700);
  await t.rejects(ensureAuthority(directory, NOW + 4000 * DAY), { code: 'expired' });
  await t.rejects(issueCertificate({ kind: 'node', nodeId: '../etc' }, authority, NOW), { code: 'name' });
  await t.rejects(loadTlsFiles({ ca: join(directory, 'ca.pem'), cert: join(directory, 'agent.pem'), key }), {
    code: 'absent',
    message: /agent\.pem/,
  });
  writeFileSync(key, 'not a key');
  await t.rejects(ensureAuthority(directory, NOW), { code: 'invalid' });
  rmSync(key);
  await t.rejects(ensureAuthority(directory, NOW), { code: 'absent', message: /ca-key\.pem is missing/ });
  t.equal(readFileSync(join(directory, 'ca.pem'), 'utf8'), authority.certificatePem, 'it was not replaced');
});

void t.test('a crash between key and certificate of the first start is made good', async (t) => {
  const directory = freshDirectory(t);
  await ensureAuthority(directory, NOW);
  rmSync(join(directory, 'ca.pem'));
  await ensureAuthority(directory, NOW);
  t.ok(existsSync(join(directory, 'ca.pem')));
});
