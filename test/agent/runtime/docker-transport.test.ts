import type { Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createDockerRuntime } from '../../../agent/runtime/docker.ts';
import { startEngine } from './engine-socket.ts';

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

void t.test('one after the other use one connection, at the same time one each', async (t) => {
  const { endpoint, connections } = await engine(t, (socket) => void socket.write(ANSWER));
  const runtime = createDockerRuntime({ endpoint });
  for (let call = 0; call < 5; call += 1) t.strictSame(await runtime.info(), { ok: true, value: {} });
  t.equal(connections(), 1);
  await Promise.all([runtime.info(), runtime.version(), runtime.listContainers()]);
  t.equal(connections(), 3);
});

void t.test('a connection that the engine closed meanwhile is not the end of a call', async (t) => {
  const { endpoint, connections } = await engine(t, (socket, connection, request) => {
    // On the first one the second request finds nobody.
    if (connection === 1 && request === 2) socket.destroy();
    else socket.write(ANSWER);
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.info(), { ok: true });
  t.match(await runtime.info(), { ok: true }, 'asked once more, on another connection');
  t.equal(connections(), 2);
});

void t.test('a fresh connection that breaks is a failure at once', async (t) => {
  const { endpoint, connections } = await engine(t, (socket) => socket.destroy());
  t.match(await createDockerRuntime({ endpoint }).info(), { ok: false, code: 'failed' });
  t.equal(connections(), 1);
});

void t.test('an answer that began and broke off is not asked for again', async (t) => {
  const { endpoint, connections } = await engine(t, (socket, _connection, request) => {
    if (request === 1) socket.write(ANSWER);
    else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{');
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.info(), { ok: true });
  t.match(await runtime.info(), { ok: false, code: 'failed', reason: /before the answer was complete/ });
  t.equal(connections(), 1);
});

void t.test('what an engine says unasked, or beyond its answer, is nobody’s answer', async (t) => {
  const { endpoint } = await engine(t, (socket, _connection, request) => {
    socket.write(request === 1 ? `${ANSWER}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"forged"` : ANSWER);
  });
  const runtime = createDockerRuntime({ endpoint });
  t.match(await runtime.info(), { ok: true, value: {} });
  t.strictSame(await runtime.version(), { ok: true, value: {} });
});

void t.test('after a deadline the connection goes, and with it the late answer', async (t) => {
  const { endpoint } = await engine(t, (socket, connection) => {
    if (connection > 1) socket.write(ANSWER);
    else setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"late"'), 60);
  });
  const runtime = createDockerRuntime({ endpoint, timeoutMs: 30 });
  t.match(await runtime.info(), { ok: false, code: 'timeout' });
  const patient = createDockerRuntime({ endpoint });
  t.strictSame(await patient.info(), { ok: true, value: {} });
});
