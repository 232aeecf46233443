import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { encodeAgentMessage, MAX_MESSAGE_BYTES } from '../../../proto/fleet.ts';
import { startCollector } from './collector.ts';
import type { TestCollector } from './collector.ts';
import { hello } from './messages.ts';

const PATH = '/plimsoll.v1.Fleet/Session';

function hostOf(collector: TestCollector): { readonly host: string; readonly port: number } {
  const [host = '', port] = collector.server.address.split(':');
  return { host, port: Number(port) };
}

/** A TLS connection with a valid certificate, over which anything can be said. */
async function secured(t: Test, collector: TestCollector): Promise<TLSSocket> {
  const { certificatePem: cert, keyPem: key } = await collector.fleet.node('n1');
  const ca = collector.fleet.authority.certificatePem;
  const socket = connectTls({ ...hostOf(collector), ca, cert, key, servername: 'localhost', ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** An HTTP/2 connection with a valid certificate. */
async function http2(t: Test, collector: TestCollector): Promise<ClientHttp2Session> {
  const socket = await secured(t, collector);
  const session = connectHttp2('https://localhost', { createConnection: () => socket });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

function request(session: ClientHttp2Session, headers: Record<string, string> = {}): ClientHttp2Stream {
  const all = { ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers', ...headers };
  const stream = session.request(all);
  stream.on('error', () => undefined);
  stream.resume();
  return stream;
}

/** The gRPC status of a stream, or how it ended without one. */
function statusOf(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    const read = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
      else if (Number(headers[':status']) !== 200) resolve(`HTTP ${String(headers[':status'])}`);
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('close', () => resolve(`closed with ${String(stream.rstCode)}`));
  });
}

/** One message as gRPC frames it. */
function frame(bytes: Buffer, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** After all of it a node is served as ever. */
async function works(t: Test, collector: TestCollector): Promise<void> {
  const node = await collector.connect('good');
  node.say(hello());
  t.ok(await node.hearA('welcome'), 'the others go on');
  node.close();
}

await t.test('peers that say nothing', async (t) => {
  // Long enough for a handshake on a busy machine.
  const collector = await startCollector(t, { handshakeTimeoutMs: 2000, idleConnectionMs: 2000 });
  const mute = connectTcp(hostOf(collector));
  const halfway = connectTcp(hostOf(collector));
  for (const socket of [mute, halfway]) socket.on('error', () => undefined);
  // The beginning of a ClientHello that never ends: type 22, TLS 1.0 record, 512 bytes to come.
  halfway.write(Buffer.from('16030102000100', 'hex'));
  await Promise.all([mute, halfway].map((socket) => once(socket, 'close')));
  t.pass('no handshake, and half a ClientHello: cut off');
  const silent = await secured(t, collector);
  silent.resume();
  await once(silent, 'close');
  t.pass('a certificate, but no session: closed');
  await works(t, collector);
});

await t.test('peers that speak garbage', async (t) => {
  const collector = await startCollector(t);
  const babbling = await secured(t, collector);
  babbling.resume();
  babbling.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(10));
  await once(babbling, 'close');
  t.pass('no HTTP/2');
  const broken = await secured(t, collector);
  broken.resume();
  // The preface of HTTP/2, then a frame of 16 MiB - 1 bytes, where 16 KiB are allowed (RFC 9113, section 4.2).
  broken.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('ffffff000000000001', 'hex')]),
  );
  broken.write(Buffer.alloc(100_000, 0xa5));
  await once(broken, 'close');
  t.pass('frames beyond the limit');
  const session = await http2(t, collector);
  t.equal(await statusOf(request(session, { ':path': '/plimsoll.v1.Fleet/Other' })), '12', 'UNIMPLEMENTED');
  t.equal(await statusOf(request(session, { ':path': '/' })), '12');
  t.equal(await statusOf(request(session, { 'content-type': 'text/html' })), 'HTTP 415');
  t.not(await statusOf(request(session, { 'x-long': 'x'.repeat(200_000) })), '0', 'headers without end');
  await works(t, collector);
});

await t.test('messages beyond the limit, also packed small', async (t) => {
  const collector = await startCollector(t);
  const session = await http2(t, collector);
  const long = request(session);
  // Only announced: it must be refused by its length, not by running out of patience.
  const head = Buffer.alloc(5);
  head.writeUInt32BE(MAX_MESSAGE_BYTES + 1, 1);
  long.write(head);
  t.equal(await statusOf(long), '8', 'RESOURCE_EXHAUSTED');
  const bomb = request(session, { 'grpc-encoding': 'gzip' });
  bomb.write(frame(gzipSync(Buffer.alloc(64 * 1024 * 1024)), true));
  t.equal(await statusOf(bomb), '8', '64 MiB in 64 KiB');
  const odd = request(session, { 'grpc-encoding': 'gzip' });
  odd.write(frame(Buffer.from('no gzip at all'), true));
  t.not(await statusOf(odd), '0', 'what cannot be unpacked');
  await works(t, collector);
});

await t.test('more than there is room for: streams of a connection, connections of the port', async (t) => {
  const collector = await startCollector(t, { maxSessions: 2 });
  const session = await http2(t, collector);
  t.equal(session.remoteSettings.maxConcurrentStreams, 4);
  const ends: Promise<string>[] = [];
  for (let index = 0; index < 3; index += 1) {
    const stream = request(session);
    stream.write(frame(encodeAgentMessage(hello())));
    ends.push(statusOf(stream));
  }
  t.ok(['8', '10'].includes(await Promise.race(ends)), 'more sessions than there may be, or replaced by the next');
  session.destroy();

  const crowd = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = connectTcp(hostOf(collector));
      const closed = once(socket, 'close').then(() => 'closed');
      socket.on('error', () => undefined);
      t.teardown(() => socket.destroy());
      await once(socket, 'connect').catch(() => undefined);
      return { socket, closed };
    }),
  );
  await Promise.all(crowd.slice(4).map(({ closed }) => closed));
  t.pass('beyond twice the sessions the rest is hung up on');
  for (const { socket } of crowd) socket.destroy();
});

await t.test('a fleet that connects at once: the kernel queues it', async (t) => {
  const collector = await startCollector(t);
  const { host, port } = hostOf(collector);
  const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'));
  // `LISTEN 0 4096 127.0.0.1:7443`: what is queued, and the most that can be.
  const [, , backlog] = execFileSync('ss', ['-Hltn', `sport = :${String(port)}`], { encoding: 'utf8' }).split(/\s+/);
  t.equal(Number(backlog), Math.min(4096, most));
  // In one turn of the event loop: the collector, in this process, accepts nothing meanwhile.
  const crowd = Array.from({ length: Math.min(1500, most) }, () => connectTcp({ host, port }));
  t.teardown(() => {
    for (const socket of crowd) socket.destroy();
  });
  for (const socket of crowd) socket.on('error', () => undefined);
  await Promise.all(crowd.map((socket) => once(socket, 'connect')));
  await works(t, collector);
});
