import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import { noDockerd, startDockerd } from '../runtime/docker/own-dockerd.ts';
import { makeCredentials, VALID_DAYS } from './certificates.ts';
import type { AddressInfo, Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { Test } from 'tap';
import type { ProbedService } from '../../../agent/probe/ping.ts';
import type { ProbeOutcome } from '../../../agent/probe/prober.ts';
import { freePort } from '../../fixture/free-port.ts';

const ec = await makeCredentials('ec');
const rsa = await makeCredentials('rsa');

/** Lets the server listen on a free port of loopback until the test ends. */
async function listen(t: Test, server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => server.close());
  server.on('connection', (socket) => socket.on('error', () => socket.destroy()));
  return (server.address() as AddressInfo).port;
}

const probe = (
  port: number,
  address = '127.0.0.1',
  timeoutMs = 2000,
  service: ProbedService = 'docker',
): Promise<ProbeOutcome> => createProber({ timeoutMs }).probe(address, port, service);

/** An HTTPS server that answers OK to everybody whom its TLS lets in. */
async function probeHttps(t: Test, options: TlsOptions): Promise<ProbeOutcome> {
  const server = createHttpsServer({ ...ec.server, ca: ec.ca, ...options }, (_request, response) => response.end('OK'));
  return probe(await listen(t, server));
}

void t.test('weak cipher suites of TLS 1.2', async (t) => {
  const accepts = async (ciphers: string): Promise<unknown> => {
    const server = createHttpsServer({ ...rsa.server, ciphers, maxVersion: 'TLSv1.2' }, (_request, response) =>
      response.end('OK'),
    );
    const outcome = await probe(await listen(t, server));
    return outcome.ok ? outcome.value.weakCipherSuites : outcome.reason;
  };
  t.equal(await accepts('ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305'), false);
  t.equal(await accepts('ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256'), true, 'without forward secrecy');
  t.equal(await accepts('ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA'), true, 'CBC');
  const modern = createHttpsServer({ ...rsa.server, minVersion: 'TLSv1.3' }, (_request, response) =>
    response.end('OK'),
  );
  t.match(await probe(await listen(t, modern)), { ok: true, value: { weakCipherSuites: null } });
});

void t.test('client certificates, by version', async (t) => {
  const wanted = [
    [{}, 'notRequested', 'HTTP 200 from /_ping', 'HTTP 200 from /_ping'],
    [{ requestCert: true, rejectUnauthorized: false }, 'requested', 'HTTP 200 from /_ping', 'HTTP 200 from /_ping'],
    // RFC 8446 section 6.2: certificate_required is 116; before, OpenSSL says handshake_failure, 40.
    [{ requestCert: true, rejectUnauthorized: true }, 'required', 'alert 40', 'alert 116'],
  ] as const;
  for (const [options, clientCertificate, oldAnswer, newAnswer] of wanted) {
    await t.test(clientCertificate, async (t) => {
      const only = (version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): TlsOptions => ({
        ...options,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
        t.match(
          await probeHttps(t, only(version)),
          {
            ok: true,
            value: {
              protocol: 'tls',
              clientCertificate,
              versions: [version],
              answer: version === 'TLSv1.3' ? newAnswer : oldAnswer,
              certificate: { subject: 'O=Example, CN=node-1' },
            },
          },
          version,
        );
      }
      t.match(await probeHttps(t, options), { value: { clientCertificate, versions: ['TLSv1.2', 'TLSv1.3'] } }, 'both');
    });
  }
});

// gRPC servers (containerd) speak HTTP/2 only, and agree on it by ALPN: node:http2 does both.
void t.test('a server of HTTP/2', async (t) => {
  const wanted = [
    [{}, 'notRequested', 'HTTP/2 settings'],
    [{ requestCert: true, rejectUnauthorized: false }, 'requested', 'HTTP/2 settings'],
    [{ requestCert: true, rejectUnauthorized: true }, 'required', /alert (?:40|116)/],
  ] as const;
  for (const [options, clientCertificate, answer] of wanted) {
    const port = await listen(t, createSecureServer({ ...ec.server, ca: ec.ca, ...options }));
    const value = { protocol: 'tls', clientCertificate, answer };
    t.match(await probe(port, '127.0.0.1', 2000, 'containerd'), { ok: true, value }, clientCertificate);
  }
  const open = await listen(t, createHttp2Server());
  t.match(await probe(open, '127.0.0.1', 2000, 'containerd'), {
    value: { protocol: 'http', answer: 'HTTP/2 settings' },
  });
});

void t.test('each service is asked for its own path', async (t) => {
  const paths: string[] = [];
  const server = createHttpServer((request, response) => {
    paths.push(request.url ?? '');
    response.writeHead(404).end();
  });
  const port = await listen(t, server);
  for (const service of ['etcd', 'etcdMetrics', 'streaming'] as const) await probe(port, '127.0.0.1', 2000, service);
  t.same(paths, ['/version', '/health', '/']);
});

void t.test('versions that a server takes', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.2', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  t.match(await probeHttps(t, old), { value: { versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2'] } });
  t.match(await probeHttps(t, { ...old, maxVersion: 'TLSv1.3' }), {
    value: { versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] },
  });
  t.match(await probeHttps(t, { ...rsa.server, ca: rsa.ca }), { value: { versions: ['TLSv1.2', 'TLSv1.3'] } });
});

void t.test('the certificate', async (t) => {
  const facts = (outcome: ProbeOutcome): unknown => outcome.ok && outcome.value.certificate;
  const common = { subject: 'O=Example, CN=node-1', issuer: 'CN=test ca', notBeforeMs: 0, selfSigned: false };
  const now = Date.now();
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only = { minVersion: version, maxVersion: version };
    const ofEc = facts(await probeHttps(t, only));
    t.match(ofEc, { ...common, keyType: 'ec', keyBits: 384 }, version);
    const { notAfterMs } = ofEc as { notAfterMs: number };
    t.ok(Math.abs(notAfterMs - now - VALID_DAYS * 86_400_000) < 600_000, 'the end of its time');
    const ofRsa = facts(await probeHttps(t, { ...rsa.server, ca: rsa.ca, ...only, requestCert: true }));
    t.match(ofRsa, { ...common, keyType: 'rsa', keyBits: 2048 }, `${version}, though we were refused`);
  }
});

void t.test('a proxy that refuses in HTTP', async (t) => {
  const server = createHttpsServer(
    { ...ec.server, ca: ec.ca, requestCert: true, rejectUnauthorized: false },
    (_request, response) => response.writeHead(400).end('No required SSL certificate was sent'),
  );
  const answer = await probe(await listen(t, server));
  t.match(answer, { value: { clientCertificate: 'required', answer: 'HTTP 400 from /_ping' } });
  const plain = createHttpsServer(ec.server, (_request, response) => response.writeHead(400).end());
  t.match(await probe(await listen(t, plain)), { value: { clientCertificate: 'notRequested' } });
});

void t.test('TLS that answers nothing is not called closed', async (t) => {
  const silent = createTlsServer(
    { ...ec.server, ca: ec.ca, requestCert: true, rejectUnauthorized: false },
    (socket) => {
      socket.on('error', () => socket.destroy());
    },
  );
  const answer = await probe(await listen(t, silent), '127.0.0.1', 200);
  t.match(answer, { value: { protocol: 'tls', clientCertificate: 'unknown', answer: 'no answer' } });
});

void t.test('clear text', async (t) => {
  const paths: (string | undefined)[] = [];
  const server = createHttpServer((request, response) => {
    paths.push(`${String(request.method)} ${String(request.url)}`);
    response.end('OK');
  });
  t.strictSame(await probe(await listen(t, server)), {
    ok: true,
    value: {
      protocol: 'http',
      clientCertificate: 'unknown',
      answer: 'HTTP 200 from /_ping',
      versions: [],
      weakCipherSuites: null,
      certificate: null,
    },
  });
  t.strictSame(paths, ['GET /_ping'], 'nothing else is asked');
  const port = (server.address() as AddressInfo).port;
  t.match(await createProber().probe('127.0.0.1', port, 'kubelet'), {
    ok: true,
    value: { answer: 'HTTP 200 from /healthz' },
  });
  t.strictSame(paths, ['GET /_ping', 'GET /healthz'], 'each service has one path');
});

void t.test('peers that speak something else, or nothing', async (t) => {
  const saying = (bytes: string | Buffer): Server => createServer((socket) => void socket.end(bytes));
  const other = {
    ok: true,
    value: { protocol: 'other', clientCertificate: 'unknown', answer: 'neither HTTP nor TLS' },
  };
  t.match(await probe(await listen(t, saying('SSH-2.0-OpenSSH_9.9\r\n'))), other);
  t.match(await probe(await listen(t, saying(Buffer.alloc(1024, 0xff)))), other);
  t.match(await probe(await listen(t, saying(Buffer.of(0x16, 0x03, 0x03, 0xff, 0xff, 1)))), other, 'a record too long');
  t.match(await probe(await listen(t, saying(Buffer.of(0x16, 0x03, 0x03, 0x00, 0x02, 1)))), other, 'half a record');
  t.match(await probe(await listen(t, saying(''))), { ok: false, reason: /closed without an answer/ });
  const mute = createServer((socket) => void socket.resume());
  t.match(await probe(await listen(t, mute), '127.0.0.1', 50), { ok: false, reason: 'no answer within 50 ms' });
  const flood = createServer((socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x61)));
    };
    socket.on('drain', pour);
    pour();
  });
  t.match(await probe(await listen(t, flood)), other, 'a flood without a line');
  const resetting = createServer((socket) => void socket.resetAndDestroy());
  t.match(await probe(await listen(t, resetting)), { ok: false, reason: /./ });
  // A ServerHello for the first client, a reset for all that come after it.
  let clients = 0;
  const alert = Buffer.of(21, 3, 3, 0, 2, 2, 70);
  const moody = createServer((socket) => {
    clients += 1;
    if (clients === 1) socket.end(alert);
    else socket.resetAndDestroy();
  });
  t.match(await probe(await listen(t, moody)), {
    value: { protocol: 'tls', versions: [], clientCertificate: 'unknown', certificate: null },
  });
});

void t.test('only this node is spoken to', async (t) => {
  const server = createHttpServer((_request, response) => response.end('OK'));
  const port = await listen(t, server, '0.0.0.0');
  for (const address of ['0.0.0.0', '::', '127.0.0.1', '::ffff:127.0.0.1', '127.1.2.3']) {
    t.match(await probe(port, address), { ok: true, value: { protocol: 'http' } }, address);
  }
  const external = Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry?.internal === false && entry.family === 'IPv4');
  if (external !== undefined) t.match(await probe(port, external.address), { ok: true }, 'an address of an interface');
  // Addresses for documentation (RFC 5737, RFC 3849) and what is none.
  for (const address of ['192.0.2.1', '2001:db8::1', '169.254.169.254', 'localhost', 'example.org', '', '1.2.3']) {
    t.match(await probe(port, address), { ok: false, reason: /not an address of this node/ }, address);
  }
  server.close();
  t.match(await probe(1, '127.0.0.1'), { ok: false, reason: /no connection: ECONNREFUSED/ });
});

void t.test('a real dockerd', { skip: noDockerd }, async (t) => {
  const files = (directory: string): readonly string[] => {
    mkdirSync(join(directory, 'tls'));
    writeFileSync(join(directory, 'tls/ca.pem'), ec.ca);
    writeFileSync(join(directory, 'tls/cert.pem'), ec.server.cert);
    writeFileSync(join(directory, 'tls/key.pem'), ec.server.key, { mode: 0o600 });
    return [
      `--tlscacert=${directory}/tls/ca.pem`,
      `--tlscert=${directory}/tls/cert.pem`,
      `--tlskey=${directory}/tls/key.pem`,
    ];
  };
  const cases = [
    ['clear text', ['--tls=false'], { protocol: 'http', answer: 'HTTP 200 from /_ping', versions: [] }],
    [
      '--tlsverify=false',
      ['--tlsverify=false'],
      { protocol: 'tls', clientCertificate: 'notRequested', answer: 'HTTP 200 from /_ping' },
    ],
    // Go answers a client without a certificate with bad_certificate (42) or, in TLS 1.3, certificate_required (116).
    ['--tlsverify', ['--tlsverify'], { protocol: 'tls', clientCertificate: 'required', answer: /^alert (42|116)$/ }],
  ] as const;
  for (const [name, flags, value] of cases) {
    await t.test(name, async (t) => {
      const port = await freePort();
      const dockerd = await startDockerd((directory) => [
        `--host=tcp://127.0.0.1:${String(port)}`,
        ...flags,
        ...(value.protocol === 'tls' ? files(directory) : []),
      ]);
      t.teardown(() => dockerd.stop());
      const outcome = await probe(port);
      t.match(outcome, { ok: true, value });
      if (value.protocol === 'tls') {
        t.match(outcome, {
          value: { versions: ['TLSv1.2', 'TLSv1.3'], certificate: { subject: 'O=Example, CN=node-1', keyBits: 384 } },
        });
      }
    });
  }
});
