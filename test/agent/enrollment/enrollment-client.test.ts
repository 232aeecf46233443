import { X509Certificate } from 'node:crypto';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { fetchAuthority, requestEnrollment } from '../../../agent/enrollment/enrollment-client.ts';
import type { Address } from '../../../service/config/kind.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { publicKeyPin } from '../../../service/tls/signing-request.ts';

const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());

/** A TLS server that presents these certificates after its own. */
async function listen(t: Test, chain: readonly string[], onConnection: (socket: TLSSocket) => void): Promise<Address> {
  const sockets = new Set<TLSSocket>();
  const listener: Server = createServer(
    // Without SECLEVEL=0, OpenSSL refuses to present a key that it does not know.
    { cert: [server.certificatePem, ...chain].join(''), key: server.keyPem, ciphers: 'DEFAULT:@SECLEVEL=0' },
    (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    },
  );
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { host: '127.0.0.1', port: (listener.address() as AddressInfo).port };
}

/** The certificate of the CA, with an algorithm of its public key that nobody knows (1.2.840.10045.2.127). */
function withUnknownKey(): string {
  const der = Buffer.from(new X509Certificate(authority.certificatePem).raw);
  const ecPublicKey = Buffer.from('06072a8648ce3d0201', 'hex');
  const at = der.indexOf(ecPublicKey);
  der.writeUInt8(0x7f, at + ecPublicKey.length - 1);
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

void t.test('a certificate with a public key of an unknown algorithm is no CA that was pinned', async (t) => {
  const hostile = withUnknownKey();
  t.throws(() => new X509Certificate(hostile).publicKey, 'OpenSSL does not read this key');
  const pin = publicKeyPin(authority.certificatePem);
  const alone = await fetchAuthority(await listen(t, [hostile], () => {}), [pin]);
  t.match(alone, { ok: false, reason: /presents has the key hash/ });
  const honest = await fetchAuthority(await listen(t, [authority.certificatePem], () => {}), [pin]);
  t.match(honest, { ok: true, value: authority.certificatePem.trim() });
});

void t.test('a collector that accepts a request and says nothing', async (t) => {
  const address = await listen(t, [], () => {});
  const outcome = await requestEnrollment(
    address,
    authority.certificatePem,
    { joinToken: 'x', nodeId: 'web-1', csr: '' },
    300,
  );
  t.match(outcome, { ok: false, reason: `127.0.0.1:${String(address.port)}: no answer within 0.3 s` });
});

void t.test('a collector that stops in the middle of its response', async (t) => {
  const address = await listen(t, [], (socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{')),
  );
  const body = { joinToken: 'x', nodeId: 'web-1', csr: '' };
  const outcome = await requestEnrollment(address, authority.certificatePem, body, 300);
  t.match(outcome, { ok: false, reason: /no answer within 0\.3 s$/ });
});
