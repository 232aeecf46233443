import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import type { ApiServer } from '../collector/api/server.ts';

const CROWD = 400;

/** A raw connection that says `text` and nothing else; it reads nothing unless it is resumed. */
async function open(t: Test, { port }: ApiServer, text = ''): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return socket;
}

async function crowd(t: Test, server: ApiServer, text = ''): Promise<readonly Socket[]> {
  return Promise.all(Array.from({ length: CROWD }, () => open(t, server, text)));
}

/** The operator asks over a new connection, and has an answer soon. */
async function isServed(server: ApiServer): Promise<boolean> {
  const started = performance.now();
  const response = await server.fetch('/v1/summary', {
    headers: { authorization: `Bearer ${TOKEN}`, connection: 'close' },
    signal: AbortSignal.timeout(3000),
  });
  await response.text();
  return response.status === 200 && performance.now() - started < 3000;
}

const HEAD = 'GET /v1/summary HTTP/1.1\r\nhost: x\r\n';
const AUTHORIZED = `authorization: Bearer ${TOKEN}\r\n`;

await t.test('connections that never finish a request are closed after the time-outs', async (t) => {
  const server = await startServer(t);
  const started = performance.now();
  const slow = await Promise.all([
    open(t, server),
    open(t, server, HEAD),
    open(t, server, `POST /v1/query HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}content-length: 10\r\n\r\n{`),
  ]);
  const drip = setInterval(() => slow[1].write('x-a: b\r\n'), 200);
  const ends = slow.map(async (socket) => {
    socket.resume();
    await once(socket, 'close');
    return performance.now() - started;
  });
  // The other tests of this file run meanwhile, so that the wait costs nothing.
  t.teardown(() => clearInterval(drip));

  await t.test(`${String(CROWD)} idle connections`, async (t) => {
    const server = await startServer(t);
    await crowd(t, server);
    for (let times = 0; times < 5; times += 1) t.ok(await isServed(server));
  });

  await t.test(`${String(CROWD)} connections with headers that never end`, async (t) => {
    const server = await startServer(t);
    const sockets = await crowd(t, server, HEAD + AUTHORIZED);
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('x-a: b\r\n');
    }, 100);
    t.teardown(() => clearInterval(drip));
    for (let times = 0; times < 5; times += 1) t.ok(await isServed(server));
  });

  await t.test(`${String(CROWD)} connections with bodies that never end, and a wrong token`, async (t) => {
    const server = await startServer(t);
    await crowd(
      t,
      server,
      'POST /v1/console/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{"code":"',
    );
    await crowd(t, server, `${HEAD}authorization: Bearer wrong\r\ncontent-length: 60000\r\n\r\n{`);
    for (let times = 0; times < 5; times += 1) t.ok(await isServed(server));
  });

  await t.test(`${String(CROWD)} connections that ask for much and read nothing`, async (t) => {
    const server = await startServer(t);
    const before = process.memoryUsage.rss();
    for (const socket of await crowd(t, server, 'GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(50)))
      socket.pause();
    for (let times = 0; times < 5; times += 1) t.ok(await isServed(server));
    const grown = (process.memoryUsage.rss() - before) / 1024 / 1024;
    t.ok(grown < 200, `${grown.toFixed()} MiB more, of both sides together`);
  });

  await t.test(
    'every event stream of a principal taken by a reader that reads nothing, and idle connections',
    async (t) => {
      const server = await startServer(t);
      const readers = await Promise.all(
        Array.from({ length: 32 }, () => open(t, server, `GET /v1/events HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}\r\n`)),
      );
      await Promise.all(readers.map((socket) => once(socket, 'readable')));
      await crowd(t, server);
      for (let times = 0; times < 5; times += 1) t.ok(await isServed(server));
      t.ok(
        readers.every((socket) => !socket.destroyed),
        'those who have authenticated are not closed for the others',
      );
    },
  );

  await t.test('connections without end', async (t) => {
    const server = await startServer(t);
    let flooding = true;
    const flood = async (): Promise<void> => {
      while (flooding) await open(t, server).catch(() => undefined);
    };
    const floods = Array.from({ length: 20 }, flood);
    for (let times = 0; times < 20; times += 1) if (!(await isServed(server))) t.fail('not served');
    flooding = false;
    await Promise.all(floods);
  });

  const ages = await Promise.all(ends);
  t.ok(
    ages.every((ms) => ms < 17_000),
    `closed after ${ages.map((ms) => ms.toFixed()).join(', ')} ms`,
  );
  t.ok(Math.max(...ages.slice(0, 2)) < 12_500, 'without headers after 10 s');
});
