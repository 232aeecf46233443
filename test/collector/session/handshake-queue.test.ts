import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createHandshakeQueue } from '../../../collector/session/handshake-queue.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

/** Handshakes that may be in progress at a time, and for how long each counts (handshake-queue.ts). */
const MAX_RUNNING = 128;
const TURN_MS = 1000;

/** A port with a queue. Its handshakes never end on their own; `started` has what each peer sent, in order. */
async function openPort(t: Test, firstBytesTimeoutMs = 60_000) {
  const clock = createFakeClock();
  const started: string[] = [];
  const sockets: Socket[] = [];
  const start = (socket: Socket): void => {
    started.push(String(socket.read()));
    sockets.push(socket);
  };
  const queue = createHandshakeQueue({ start, firstBytesTimeoutMs, clock });
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

await t.test('a handshake starts with the first bytes, which it can read', async (t) => {
  const port = await openPort(t);
  const mute = await port.dial('');
  const peer = await port.dial('first ');
  await port.until(() => port.started.length === 1);
  t.same(port.started, ['first ']);
  mute.destroy();
  await port.until(() => port.closed() === 1);
  peer.write('second');
  await port.until(() => (port.sockets[0]?.readableLength ?? 0) === 6);
  t.equal(String(port.sockets[0]?.read()), 'second', 'and what comes later');
});

await t.test('a peer that says nothing, or more than a ClientHello, is cut off', async (t) => {
  const port = await openPort(t, 100);
  await port.dial('');
  await port.until(() => port.closed() === 1);
  await port.fill(MAX_RUNNING);
  await port.until(() => port.started.length === MAX_RUNNING);
  await port.dial('x'.repeat(64 * 1024));
  await port.until(() => port.closed() === 2);
  t.equal(port.started.length, MAX_RUNNING);
});

await t.test('beyond the limit: peers that give up cost no handshake, addresses take turns', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING, '127.0.0.2');
  await port.until(() => port.started.length === MAX_RUNNING);
  // All that comes now waits, since no handshake ends.
  const gone = await Promise.all([port.dial('gone', '127.0.0.3'), port.dial('gone', '127.0.0.3')]);
  await port.fill(20, '127.0.0.2');
  await port.dial('other', '127.0.0.4');
  gone[0]?.end();
  gone[1]?.resetAndDestroy();
  await port.until(() => port.closed() === 2);
  const [first, second] = port.sockets;
  if (first === undefined || second === undefined) throw new Error('no handshake was started');
  port.queue.complete(first);
  second.destroy();
  await port.until(() => port.started.length === MAX_RUNNING + 2);
  t.same(port.started.slice(MAX_RUNNING).toSorted(), ['busy', 'other'], 'one of each address');
});

await t.test('handshakes that their peers do not continue stop keeping others out after a second', async (t) => {
  const port = await openPort(t);
  await port.fill(MAX_RUNNING);
  await port.until(() => port.started.length === MAX_RUNNING);
  await port.dial('patient');
  await port.until(() => port.clock.waiting() === 1);
  await port.clock.advance(TURN_MS - 1);
  t.notOk(port.started.includes('patient'));
  await port.clock.advance(1);
  await port.until(() => port.started.includes('patient'));
  t.equal(port.closed(), 0, 'they are not cut off for it');
});
