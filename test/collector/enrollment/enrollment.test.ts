import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { fetchAuthority, requestEnrollment, requestRenewal } from '../../../agent/enrollment/enrollment-client.ts';
import { createEnrollment } from '../../../collector/enrollment/enrollment.ts';
import { MAX_TOKENS, openJoinTokens } from '../../../collector/enrollment/join-tokens.ts';
import { openRevocations } from '../../../collector/enrollment/revocations.ts';
import { startEnrollmentServer } from '../../../collector/enrollment/server.ts';
import type { Address } from '../../../service/config/kind.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import type { Issuer } from '../../../service/tls/issue.ts';
import { createSigningRequest, publicKeyPin } from '../../../service/tls/signing-request.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { collector, directoryOf } from '../run-collector.ts';
import { certificateFor } from '../session/node.ts';
import { recordingLog } from '../api/server.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A real enrolment listener with a CA of its own, and a clock that the test turns. */
async function startFleet(t: Test) {
  const directory = t.testdir();
  // TLS goes by the real time.
  const clock = createFakeClock(Date.now());
  const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['localhost', '127.0.0.1'] }, ca, Date.now());
  const tokens = await openJoinTokens(join(directory, 'tokens.json'), clock);
  const revocations = await openRevocations(join(directory, 'revoked.json'));
  const known = new Set<string>();
  const { log, logged } = recordingLog();
  const options = { tokens, revocations, isKnown: (id: string) => known.has(id), clock, log };
  const enrollment = createEnrollment({
    issuer: () => Promise.resolve(ca),
    trusted: () => ca.certificatePem,
    ...options,
  });
  const tls = { ca: ca.certificatePem, cert: server.certificatePem, key: server.keyPem, serverCa: ca.certificatePem };
  const listener = await startEnrollmentServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls: () => tls,
    enrollment,
    clock,
    log,
  });
  t.teardown(() => listener.close());
  const enroll = async (joinToken: string, nodeId: string, csr?: string) =>
    requestEnrollment(listener.address, ca.certificatePem, {
      joinToken,
      nodeId,
      csr: csr ?? (await createSigningRequest()).csrPem,
    });
  const createToken = async (nodeId = '', ttlMs = HOUR_MS) => (await tokens.create({ nodeId, ttlMs }))?.text ?? '';
  return { directory, clock, ca, tokens, revocations, known, logged, listener, enroll, createToken };
}

void t.test('a token enrols one node once, and only its hash is kept', async (t) => {
  const fleet = await startFleet(t);
  const token = await fleet.createToken();
  const { csrPem, keyPem } = await createSigningRequest();
  const joined = await fleet.enroll(token, 'web-1', csrPem);
  if (!joined.ok) return t.fail(joined.reason);
  const file = join(fleet.directory, 'tokens.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.notMatch(readFileSync(file, 'utf8'), token.split('.')[1] ?? 'x', 'the secret is not stored');
  t.notMatch(JSON.stringify(fleet.logged), token.split('.')[1] ?? 'x', 'nor logged');

  const certificate = new X509Certificate(joined.value.certificatePem);
  t.equal(certificate.subjectAltName, 'URI:spiffe://plimsoll.local/host/web-1');
  t.ok(certificate.verify(new X509Certificate(fleet.ca.certificatePem).publicKey));
  const validMs = Date.parse(certificate.validTo) - Date.now();
  t.ok(validMs > DAY_MS - 60_000 && validMs <= DAY_MS, 'valid for a day');
  writeFileSync(join(fleet.directory, 'ca.pem'), fleet.ca.certificatePem);
  writeFileSync(join(fleet.directory, 'node.pem'), joined.value.certificatePem);
  writeFileSync(join(fleet.directory, 'node-key.pem'), keyPem);
  const verified = execFileSync(
    'openssl',
    ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'ca.pem', 'node.pem'],
    { cwd: fleet.directory, encoding: 'utf8' },
  );
  t.equal(verified.trim(), 'node.pem: OK', 'OpenSSL accepts it as a client certificate');

  t.match(await fleet.enroll(token, 'web-1'), { ok: false, reason: /was used before/ });
  t.match(await fleet.enroll(token, 'web-2'), { ok: false, reason: /was used before/ });
  t.match(fleet.tokens.all(), [{ usedBy: 'web-1' }]);
  return undefined;
});

void t.test('what is refused, and why', async (t) => {
  const fleet = await startFleet(t);
  const expired = await fleet.createToken('', 60_000);
  await fleet.clock.advance(60_000);
  t.match(await fleet.enroll(expired, 'web-1'), { ok: false, reason: /has expired/ });

  const bound = await fleet.createToken('db-1');
  t.match(await fleet.enroll(bound, 'db-2'), { ok: false, reason: /created for another node/ });
  t.match(await fleet.enroll(bound, 'db-1'), { ok: true });

  const [id = ''] = (await fleet.createToken()).split('.');
  const wrongSecret = await fleet.enroll(`${id}.${'A'.repeat(43)}`, 'web-1');
  const noSuchToken = await fleet.enroll(`${'a'.repeat(10)}.${'A'.repeat(43)}`, 'web-1');
  t.match(wrongSecret, { ok: false, reason: /not valid/ });
  t.same(wrongSecret, noSuchToken, 'a wrong secret does not tell that the token exists');

  const deleted = await fleet.createToken();
  await fleet.tokens.remove(deleted.split('.')[0] ?? '');
  t.match(await fleet.enroll(deleted, 'web-1'), { ok: false, reason: /not valid/ });

  fleet.known.add('payroll');
  const free = await fleet.createToken();
  t.match(await fleet.enroll(free, 'payroll'), { ok: false, reason: /--node payroll/ }, 'no taking over of a node');
  for (const nodeId of ['../payroll', 'a b', 'x/y', '..', 'ü'])
    t.match(await fleet.enroll(free, nodeId), { ok: false, reason: /not allowed/ }, nodeId);
  t.match(await fleet.enroll(free, 'web-9'), { ok: true }, 'a refused request does not use the token up');
  t.ok(
    fleet.logged.filter(({ level, message }) => level === 'warn' && message === 'a certificate was refused').length >=
      9,
    'each refusal is logged',
  );
});

void t.test('one token, and one new node, cannot be used twice at the same time', async (t) => {
  const fleet = await startFleet(t);
  const token = await fleet.createToken();
  const same = await Promise.all(Array.from({ length: 8 }, (_, index) => fleet.enroll(token, `n${String(index)}`)));
  t.equal(same.filter(({ ok }) => ok).length, 1);
  const tokens = await Promise.all(Array.from({ length: 4 }, () => fleet.createToken()));
  const twins = await Promise.all(tokens.map((each) => fleet.enroll(each, 'twin')));
  t.equal(twins.filter(({ ok }) => ok).length, 1, 'two machines do not become one node');
});

void t.test('signing requests: of OpenSSL, of other kinds, with claims, damaged', async (t) => {
  const fleet = await startFleet(t);
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', [...args], { cwd: fleet.directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const request = (...options: readonly string[]) =>
    openssl('req', '-new', '-nodes', '-keyout', 'key.pem', '-subj', '/CN=Plimsoll collector', ...options);
  const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const claims = request(
    ...p256,
    '-addext',
    'subjectAltName=DNS:localhost',
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'extendedKeyUsage=serverAuth',
  );
  const issued = await fleet.enroll(await fleet.createToken(), 'web-1', claims);
  if (!issued.ok) return t.fail(issued.reason);
  const certificate = new X509Certificate(issued.value.certificatePem);
  t.equal(
    certificate.subjectAltName,
    'URI:spiffe://plimsoll.local/host/web-1',
    'the names of the request do not count',
  );
  t.equal(certificate.ca, false);
  t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'client authentication only');
  t.equal(certificate.subject, 'CN=Plimsoll node web-1');

  const token = await fleet.createToken();
  const damaged = Buffer.from(claims.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  damaged[damaged.length - 3] = (damaged.at(-3) ?? 0) ^ 0xff;
  const another = ['-addext', 'subjectAltName=DNS:x,URI:spiffe://plimsoll.local/host/payroll'];
  const bad: Readonly<Record<string, string>> = {
    'the identity of another node': request(...p256, ...another),
    'RSA key': request('-newkey', 'rsa:2048'),
    'P-384 key': request('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'),
    'Ed25519 key': request('-newkey', 'ed25519'),
    'wrong signature': `-----BEGIN CERTIFICATE REQUEST-----\n${damaged.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`,
    'a certificate': fleet.ca.certificatePem,
    text: 'x'.repeat(100),
    'nested garbage': `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.alloc(2_000, 0x30).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`,
  };
  for (const [name, csr] of Object.entries(bad))
    t.match(await fleet.enroll(token, 'web-2', csr), { ok: false, reason: /signing request/ }, name);
  t.match(
    fleet.logged.find(({ fields }) => String(fields['reason']).includes('payroll')),
    {
      message: 'a certificate was refused',
      fields: { reason: /asks for the identity .*host\/payroll.*, and its sender is .*host\/web-2$/ },
    },
  );
  const own = request(...p256, '-addext', 'subjectAltName=URI:spiffe://plimsoll.local/host/web-2');
  t.match(
    await fleet.enroll(token, 'web-2', own),
    { ok: true },
    'the token is still good, and its own name is no claim',
  );
  return undefined;
});

void t.test('renewal: for the node of the certificate only', async (t) => {
  const fleet = await startFleet(t);
  const { csrPem, keyPem } = await createSigningRequest();
  const joined = await fleet.enroll(await fleet.createToken(), 'web-1', csrPem);
  if (!joined.ok) return t.fail(joined.reason);
  const own = { ca: fleet.ca.certificatePem, cert: joined.value.certificatePem, key: keyPem };
  const renew = async (credentials = own) =>
    requestRenewal(fleet.listener.address, credentials, (await createSigningRequest()).csrPem);
  const renewed = await renew();
  t.match(renewed.ok && new X509Certificate(renewed.value.certificatePem).subjectAltName, /host\/web-1$/);

  const leaf = (issuer: Issuer, atMs: number) => certificateFor('web-1', issuer, { nowMs: atMs, validityMs: HOUR_MS });
  const credentialsOf = ({ certificatePem, keyPem }: Issuer) => ({ ca: own.ca, cert: certificatePem, key: keyPem });
  const server = await issueCertificate({ kind: 'server', names: ['localhost'] }, fleet.ca, Date.now());
  const stranger = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  t.match(await renew(credentialsOf(await leaf(stranger, Date.now()))), { ok: false }, 'another CA');
  t.match(
    await renew(credentialsOf(await leaf(stranger, Date.now() - 2 * HOUR_MS))),
    { ok: false },
    'another CA, expired',
  );
  t.match(await renew(credentialsOf(server)), { ok: false }, 'a server certificate');
  t.match(await renew(credentialsOf(fleet.ca)), { ok: false }, 'the CA itself');
  t.match(
    await renew(credentialsOf(await leaf(fleet.ca, Date.now() - 2 * DAY_MS))),
    { ok: true },
    'expired for two days',
  );
  t.match(
    await renew(credentialsOf(await leaf(fleet.ca, Date.now() - 9 * DAY_MS))),
    { ok: false },
    'expired for nine days',
  );
  const ahead = await leaf(fleet.ca, Date.now() + 15 * HOUR_MS);
  t.match(await renew(credentialsOf(ahead)), { ok: true }, 'not valid yet: a clock was ahead');
  t.match(await renew(credentialsOf(await leaf(stranger, Date.now() + 15 * HOUR_MS))), { ok: false }, 'of another CA');
  const without = await fetchJson(fleet.listener.address, own.ca, '/v1/renew', { csr: csrPem });
  t.equal(without.status, 401, 'no certificate at all');

  await fleet.revocations.revoke('web-1', Date.now());
  t.match(await renew(), { ok: false, reason: /revoked/ });
  t.match(await renew(credentialsOf(ahead)), { ok: false, reason: /revoked/ }, 'also where it is not valid yet');
  const again = await openRevocations(join(fleet.directory, 'revoked.json'));
  t.ok(again.isRevoked('web-1', Date.parse(new X509Certificate(own.cert).validFrom)), 'also after a restart');
  t.match(await fleet.enroll(await fleet.createToken(), 'web-1'), { ok: false, reason: /--node web-1/ });
  const back = await fleet.enroll(await fleet.createToken('web-1'), 'web-1');
  if (!back.ok) return t.fail(back.reason);
  const fromMs = Date.parse(new X509Certificate(back.value.certificatePem).validFrom);
  t.notOk(fleet.revocations.isRevoked('web-1', fromMs), 'a certificate issued right after the revocation is good');
  return undefined;
});

void t.test('a node accepts the CA with the pinned key only', async (t) => {
  const fleet = await startFleet(t);
  const pin = publicKeyPin(fleet.ca.certificatePem);
  const der = execFileSync('openssl', ['x509', '-pubkey', '-noout'], { input: fleet.ca.certificatePem });
  const spki = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: der });
  const hash = execFileSync('openssl', ['dgst', '-sha256', '-r'], { input: spki, encoding: 'utf8' }).split(' ')[0];
  t.equal(pin, `sha256:${hash ?? ''}`, 'the hash is the one that OpenSSL computes');
  t.same(await fetchAuthority(fleet.listener.address, [pin]), {
    ok: true,
    value: new X509Certificate(fleet.ca.certificatePem).toString(),
  });
  t.match(await fetchAuthority(fleet.listener.address, [`sha256:${'0'.repeat(64)}`]), {
    ok: false,
    reason: /intercepts/,
  });

  // Someone in between who has the public certificate of the CA, but no certificate from it.
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, other, Date.now());
  const tokens: string[] = [];
  const { createServer } = await import('node:https');
  const trap = createServer(
    { cert: `${leaf.certificatePem}\n${fleet.ca.certificatePem}`, key: leaf.keyPem },
    (message) => void message.on('data', (part) => tokens.push(String(part))),
  );
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  t.teardown(() => trap.close());
  const address = { host: '127.0.0.1', port: (trap.address() as { port: number }).port };
  const found = await fetchAuthority(address, [pin]);
  if (found.ok) {
    const sent = await requestEnrollment(address, found.value, { joinToken: 'secret', nodeId: 'n', csr: 'x' });
    t.match(sent, { ok: false });
  }
  t.same(tokens, [], 'it never sees a token');
});

void t.test('the listener bounds what it reads', async (t) => {
  const fleet = await startFleet(t);
  const { address } = fleet.listener;
  const { certificatePem: ca } = fleet.ca;
  t.equal((await fetchJson(address, ca, '/v1/enroll', { joinToken: 'x'.repeat(100_000) })).status, 400);
  t.equal((await fetchJson(address, ca, '/v1/enroll', {})).status, 400);
  t.equal((await fetchJson(address, ca, '/v1/nodes', {})).status, 404);
  const body = { joinToken: 'wrong', nodeId: 'n', csr: 'x' };
  for (let index = 0; index < 20; index += 1) await fetchJson(address, ca, '/v1/enroll', body);
  t.equal((await fetchJson(address, ca, '/v1/enroll', body)).status, 429, 'failures are limited');
  const token = await fleet.createToken();
  t.match(await fleet.enroll(token, 'web-1'), { ok: true }, 'a valid token is never rate-limited');

  const sockets = Array.from({ length: 300 }, () =>
    connect({
      socket: connectPlain({ ...address, localAddress: '127.0.0.9' }).on('error', () => undefined),
      rejectUnauthorized: false,
    }).on('error', () => undefined),
  );
  t.teardown(() => sockets.forEach((socket) => void socket.destroy()));
  // Handshakes that fail count for a second.
  const turning = setInterval(() => void fleet.clock.advance(100), 100);
  t.teardown(() => clearInterval(turning));
  t.match(await fleet.enroll(await fleet.createToken(), 'web-2'), { ok: true }, 'idle connections shut nobody out');
});

void t.test('a damaged list of revoked nodes stops the start', async (t) => {
  const directory = t.testdir({ 'a.json': '[{"nodeId":"n","atMs":', 'b.json': '[{"nodeId":1}]', 'c.json': '{}' });
  for (const name of ['a.json', 'b.json', 'c.json'])
    await t.rejects(openRevocations(join(directory, name)), { code: 'directory', hint: /backup/ }, name);
  const { all } = await openRevocations(join(directory, 'none.json'));
  t.same(all(), []);
});

async function fetchJson(
  address: Address,
  ca: string,
  path: string,
  body: unknown,
): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const call = request(
      { ...address, ca, path, method: 'POST', agent: false, headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0 });
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}

void t.test('the list of tokens is bounded by those that can be used', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(Date.now());
  const nowMs = clock.now();
  const kept = (id: number, usedMs: number) => ({
    id: String(id).padStart(10, '0'),
    hash: '0'.repeat(64),
    createdMs: nowMs,
    expiresMs: nowMs + HOUR_MS,
    nodeId: '',
    usedMs,
    usedBy: '',
  });
  const write = (name: string, usedMs: number): string => {
    const path = join(directory, name);
    writeFileSync(path, JSON.stringify(Array.from({ length: MAX_TOKENS }, (_, id) => kept(id, usedMs))));
    return path;
  };
  const used = await openJoinTokens(write('used.json', nowMs), clock);
  t.match(await used.create({ ttlMs: HOUR_MS, nodeId: '' }), { text: /\./ }, 'used ones make room');
  t.equal(used.all().length, MAX_TOKENS);
  t.equal(used.all()[0]?.id, '0000000001', 'the oldest goes');
  const unused = await openJoinTokens(write('unused.json', 0), clock);
  t.equal(await unused.create({ ttlMs: HOUR_MS, nodeId: '' }), undefined);
  t.equal(unused.all().length, MAX_TOKENS, 'none that can be used is dropped');
});

void t.test('a key that is not the key of the CA enrols nobody', async (t) => {
  const directory = directoryOf(t);
  const first = await collector(t, { 'data-dir': directory });
  await first.ready;
  await first.end();
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  for (const name of ['ca', 'collector', 'collector-key'])
    copyFileSync(join(directory, 'tls', `${name}.pem`), join(elsewhere, `${name}.pem`));
  writeFileSync(join(directory, 'tls', 'ca-key.pem'), other.keyPem);
  const flags = { 'tls-ca': 'ca', 'tls-cert': 'collector', 'tls-key': 'collector-key' };
  const paths = Object.fromEntries(Object.entries(flags).map(([flag, name]) => [flag, join(elsewhere, `${name}.pem`)]));
  const second = await collector(t, { 'data-dir': directory, enroll: '127.0.0.1:0', ...paths });
  await t.rejects(second.ready, { code: 'directory', message: /not the key of the CA in use/ });
});
