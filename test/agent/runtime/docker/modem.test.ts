import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import { createDockerModem } from '../../../../agent/runtime/docker/modem.ts';
import { startEngine } from './engine-socket.ts';
import { makeCertificates } from './engine-tls.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';

/** An engine that answers request by request; `onRequest` gets the number of the connection and of the request on it. */
async function engine(
  t: Test,
  onRequest: (socket: Socket, connection: number, request: number) => void,
): Promise<{ readonly endpoint: string; readonly connections: () => number }> {
  let connections = 0;
  const path = await startEngine(t, (socket) => {
    connections += 1;
    const connection = connections;
    let requests = 0;
    // A request of this client is one piece: it is short, and nothing else is on its way.
    socket.on('data', () => {
      requests += 1;
      onRequest(socket, connection, requests);
    });
  });
  return { endpoint: `unix://${path}`, connections: () => connections };
}

/** The version that an empty object gives. */
const EMPTY = { ok: true, value: { version: '', apiVersion: '' }, source: 'GET /version' };

void t.test('one after the other use one connection, at the same time one each', async (t) => {
  const { endpoint, connections } = await engine(t, (socket) => void socket.write(ANSWER));
  const runtime = createDockerRuntime({ endpoint });
  for (let call = 0; call < 5; call += 1) t.strictSame(await runtime.version(), EMPTY);
  t.equal(connections(), 1);
  await Promise.all([1, 2, 3].map(() => runtime.version()));
  t.equal(connections(), 3);
});

void t.test('a connection that the engine closed meanwhile is not the end of a call', async (t) => {
  const { endpoint, connections } = await engine(t, (socket, connection, request) => {
    // On the first one the second request finds nobody.
    if (connection === 1 && request === 2) socket.destroy();
    else socket.write(ANSWER);
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.version(), { ok: true });
  t.match(await runtime.version(), { ok: true }, 'asked once more, on another connection');
  t.equal(connections(), 2);
});

void t.test('a fresh connection that breaks is a failure at once', async (t) => {
  const { endpoint, connections } = await engine(t, (socket) => socket.destroy());
  t.match(await createDockerRuntime({ endpoint }).version(), { ok: false, code: 'failed' });
  t.equal(connections(), 1);
});

void t.test('an answer that began and broke off is not asked for again', async (t) => {
  const { endpoint, connections } = await engine(t, (socket, _connection, request) => {
    if (request === 1) socket.write(ANSWER);
    else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{');
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.version(), { ok: true });
  t.match(await runtime.version(), { ok: false, code: 'failed', reason: /before the answer was complete/ });
  t.equal(connections(), 1);
});

void t.test('what an engine says unasked, or beyond its answer, is nobody’s answer', async (t) => {
  const { endpoint } = await engine(t, (socket, _connection, request) => {
    socket.write(request === 1 ? `${ANSWER}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"forged"` : ANSWER);
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.version(), EMPTY);
  t.strictSame(await runtime.version(), EMPTY);
});

void t.test('after a deadline the connection goes, and with it the late answer', async (t) => {
  const { endpoint } = await engine(t, (socket, connection) => {
    if (connection > 1) socket.write(ANSWER);
    else setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"late"'), 60);
  });
  const runtime = createDockerRuntime({ endpoint, timeoutMs: 30 });
  t.match(await runtime.version(), { ok: false, code: 'timeout' });
  const patient = createDockerRuntime({ endpoint });
  t.strictSame(await patient.version(), EMPTY);
});

void t.test(
  'all kept connections were closed by a restart of the engine: each call still gets its answer',
  async (t) => {
    const { endpoint } = await engine(t, (socket, connection, request) => {
      if (connection <= 4 && request > 1) socket.destroy();
      else socket.write(ANSWER);
    });
    const runtime = createDockerRuntime({ endpoint });
    const four = () => Promise.all([1, 2, 3, 4].map(() => runtime.version()));
    await four();
    for (const reply of await four()) t.match(reply, { ok: true });
  },
);

void t.test('another protocol, or interim responses without end', async (t) => {
  const upgrading = await engine(t, (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  });
  t.match(await createDockerRuntime({ endpoint: upgrading.endpoint, timeoutMs: 300 }).version(), { ok: false });
  const interim = await engine(t, (socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)));
    };
    socket.on('drain', pour);
    pour();
  });
  t.match(await createDockerRuntime({ endpoint: interim.endpoint, timeoutMs: 300 }).version(), { ok: false });
});

void t.test('nothing but reading', (t) => {
  const modem = createDockerModem(() => ({ kind: 'unix', path: '/none' }), { timeoutMs: 10, maxBytes: 10 });
  modem.dial({ path: '/containers/create?', method: 'POST' }, (error) => {
    t.match(error, { message: /only reads/ });
    t.end();
  });
});

void t.test('TCP with TLS: both sides show certificates of one authority', async (t) => {
  const own = makeCertificates(t);
  const other = makeCertificates(t);
  const server = createServer(
    {
      ca: own.pem('ca.pem'),
      cert: own.pem('server-cert.pem'),
      key: own.pem('server-key.pem'),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_request, response) => response.end('{"Version":"1"}'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoint = `tcp://127.0.0.1:${String(port)}`;
  const client = (from: typeof own, ca = from) => ({
    ca: ca.pem('ca.pem'),
    cert: from.pem('cert.pem'),
    key: from.pem('key.pem'),
  });
  const runtime = createDockerRuntime({ endpoint, tls: () => Promise.resolve(client(own)) });
  t.strictSame(await runtime.version(), { ...EMPTY, value: { version: '1', apiVersion: '' } });
  t.strictSame(await runtime.version(), { ...EMPTY, value: { version: '1', apiVersion: '' } });

  const refused: readonly (readonly [string, ReturnType<typeof createDockerRuntime>])[] = [
    [
      'a client of another authority',
      createDockerRuntime({ endpoint, tls: () => Promise.resolve(client(other, own)) }),
    ],
    [
      'a server of another authority',
      createDockerRuntime({ endpoint, tls: () => Promise.resolve(client(own, other)) }),
    ],
    [
      'a certificate for another name',
      createDockerRuntime({
        endpoint: `tcp://localhost:${String(port)}`,
        tls: () => Promise.resolve(client(own)),
      }),
    ],
    ['plain HTTP', createDockerRuntime({ endpoint })],
    ['no certificates', createDockerRuntime({ endpoint, tls: () => Promise.reject(new Error('cert.pem is missing')) })],
  ];
  for (const [what, refusing] of refused) t.match(await refusing.version(), { ok: false, code: 'failed' }, what);
});

void t.test('a process that did not run for longer than the deadline still takes the answer', async (t) => {
  const { endpoint } = await engine(t, (socket) => void socket.write(ANSWER));
  const asked = createDockerRuntime({ endpoint, timeoutMs: 100 }).version();
  const until = performance.now() + 800;
  while (performance.now() < until);
  t.match(await asked, { ok: true });
});
