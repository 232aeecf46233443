import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { networkOf } from '../../service/connection-limit.ts';
import { createHandshakeQueue } from '../../service/handshake-queue.ts';
import { createFakeClock } from './fake-clock.ts';

/** Handshakes that may be in progress at a time, and for how long each counts (handshake-queue.ts). */
const MAX_RUNNING = 128;
const MAX_RUNNING_OF_NETWORK = 64;
const TURN_MS = 1000;

/** A port with a queue. Its handshakes never end on their own; `started` has what each peer sent, in order. */
async function openPort(t: Test, helloTimeoutMs = 60_000) {
  const clock = createFakeClock();
  const started: string[] = [];
  const sockets: Socket[] = [];
  const start = (socket: Socket): void => {
    started.push(String(socket.read()));
    sockets.push(socket);
  };
  const queue = createHandshakeQueue({ start, helloTimeoutMs, clock });
  let closed = 0;
  const server = createServer((socket) => {
    queue.add(socket);
    socket.once('close', () => (closed += 1));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const peers: Socket[] = [];
  t.teardown(() => {
    for (const socket of [...peers, ...sockets]) socket.destroy();
    server.close();
  });
  /** Connects one after the other, so that the order of what arrives is known. */
  const dial = async (text: string, localAddress = '127.0.0.1'): Promise<Socket> => {
    const peer = connect({ port, host: '127.0.0.1', localAddress });
    peer.on('error', () => undefined);
    peers.push(peer);
    await once(peer, 'connect');
    if (text !== '') await new Promise<void>((resolve) => void peer.write(text, () => resolve()));
    return peer;
  };
  const until = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) await sleep(5);
  };
  const fill = async (count: number, localAddress?: string): Promise<void> => {
    for (let index = 0; index < count; index += 1) await dial('busy', localAddress);
  };
  return { clock, queue, started, sockets, dial, fill, until, closed: () => closed };
}

/** A record of TLS with a handshake message, as a ClientHello begins (RFC 8446, section 5.1), with 4 bytes of content. */
const RECORD = Buffer.from('160301000401000000', 'hex');

await t.test('a handshake starts with a whole ClientHello, which it can read', async (t) => {
  const port = await openPort(t);
  const mute = await port.dial('');
  const slow = await port.dial('');
  for (const byte of RECORD.subarray(0, -1))
    await new Promise<void>((sent) => slow.write(Buffer.of(byte), () => sent()));
  const peer = await port.dial('first ');
  await port.until(() => port.started.length === 1);
  t.same(port.started, ['first '], 'what is no TLS is refused by TLS');
  slow.write(RECORD.subarray(-1));
  await port.until(() => port.started.length === 2);
  t.equal(port.started[1], String(RECORD), 'all of its pieces');
  mute.destroy();
  await port.until(() => port.closed() === 1);
  peer.write('second');
  await port.until(() => (port.sockets[0]?.readableLength ?? 0) === 6);
  t.equal(String(port.sockets[0]?.read()), 'second', 'and what comes later');
});

await t.test('a peer that says nothing, too little for too long, or more than a ClientHello, is cut off', async (t) => {
  const port = await openPort(t, 10_000);
  await port.dial('');
  const slow = await port.dial('');
  await port.until(() => port.clock.waiting() === 2);
  for (let second = 1; second < 10; second += 1) {
    if (second < RECORD.length) slow.write(RECORD.subarray(second - 1, second));
    await port.clock.advance(1000);
  }
  t.equal(port.closed(), 0);
  await port.clock.advance(1000);
  await port.until(() => port.closed() === 2);
  t.same(port.started, []);
  await port.fill(MAX_RUNNING_OF_NETWORK);
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK);
  await port.dial('x'.repeat(64 * 1024));
  await port.until(() => port.closed() === 3);
  t.equal(port.started.length, MAX_RUNNING_OF_NETWORK);
});

await t.test('beyond the limit: peers that give up cost no handshake, networks take turns', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING_OF_NETWORK, '127.0.0.2');
  await port.fill(MAX_RUNNING_OF_NETWORK, '127.0.0.3');
  await port.until(() => port.started.length === MAX_RUNNING);
  // All that comes now waits, since no handshake ends.
  const gone = await Promise.all([port.dial('gone', '127.0.0.4'), port.dial('gone', '127.0.0.4')]);
  await port.fill(20, '127.0.0.2');
  await port.dial('other', '127.0.0.5');
  gone[0]?.end();
  gone[1]?.resetAndDestroy();
  await port.until(() => port.closed() === 2);
  const [first, second] = port.sockets;
  if (first === undefined || second === undefined) throw new Error('no handshake was started');
  port.queue.complete(first);
  port.queue.complete(second);
  await port.until(() => port.started.length === MAX_RUNNING + 2);
  t.same(port.started.slice(MAX_RUNNING).toSorted(), ['busy', 'other'], 'one of each network');
});

await t.test('one network leaves half of the handshakes to others', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING + 10, '127.0.0.2');
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK);
  await port.dial('other', '127.0.0.3');
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK + 1);
  t.equal(port.started.at(-1), 'other', 'at once, although others wait longer');
});

await t.test('handshakes that fail are limited: one that ends without success counts for its second', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING_OF_NETWORK);
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK);
  for (const socket of port.sockets) socket.destroy();
  await port.until(() => port.closed() === MAX_RUNNING_OF_NETWORK);
  await port.fill(10);
  await port.until(() => port.clock.waiting() === 1);
  t.equal(port.started.length, MAX_RUNNING_OF_NETWORK, 'a ClientHello that is repeated costs no further signature');
  await port.clock.advance(TURN_MS);
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK + 10);
});

await t.test('handshakes that their peers do not continue stop keeping others out after a second', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING_OF_NETWORK);
  await port.until(() => port.started.length === MAX_RUNNING_OF_NETWORK);
  await port.dial('patient');
  await port.until(() => port.clock.waiting() === 1);
  await port.clock.advance(TURN_MS - 1);
  t.notOk(port.started.includes('patient'));
  await port.clock.advance(1);
  await port.until(() => port.started.includes('patient'));
  t.equal(port.closed(), 0, 'they are not cut off for it');
});

await t.test('a host with many IPv6 addresses is one network', (t) => {
  // Texts as `inet_ntop` writes them (RFC 5952), with the first 64 bits written out by hand.
  const cases = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8::ffff:1:2:3', '2001:db8:0:0'],
    ['2001:db8:0:1::', '2001:db8:0:1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['1::4:5:6:7:8', '1:0:0:4'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
  ] as const;
  for (const [address, network] of cases) t.equal(networkOf(address), network, address);
  t.end();
});
