import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { openHealthListener } from '../../service/health-listener.ts';

let reason: string | undefined = 'no policies';
const listener = await openHealthListener({ host: '127.0.0.1', port: 0 }, () => reason);
const { port } = listener.address;
const origin = `http://127.0.0.1:${String(port)}`;
t.teardown(listener.close);

const probe = async (path: string, method = 'GET') => {
  const response = await fetch(`${origin}${path}`, { method });
  return [response.status, await response.text()];
};

/** What the listener answers to these bytes until it closes the connection. */
async function send(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString();
}

t.test('probes', async (t) => {
  t.same(await probe('/livez'), [200, 'ok\n']);
  t.same(await probe('/readyz'), [503, 'not ready: no policies\n']);
  reason = undefined;
  t.same(await probe('/readyz'), [200, 'ok\n']);
  t.same(await probe('/readyz', 'HEAD'), [200, '']);
  for (const path of ['/', '/v1/status', '/livez/..', '/readyz?verbose'])
    t.same(await probe(path), [404, 'not found\n'], path);
  t.same(await probe('/livez', 'POST'), [404, 'not found\n']);
});

t.test('hostile clients', async (t) => {
  t.match(await send(`GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(64 * 1024)}\r\n\r\n`), /^HTTP\/1.1 431 /);
  t.match(await send('\u0000\u0001garbage\r\n\r\n'), /^HTTP\/1.1 400 /);
  const silent = Array.from({ length: 64 }, () => send(''));
  await setTimeout(200);
  t.ok((await Promise.all(silent)).every((answer) => answer === '' || answer.startsWith('HTTP/1.1 408')));
  t.same(await probe('/livez'), [200, 'ok\n'], 'answers after silent connections timed out');
});

t.test('a port that is taken', async (t) => {
  await t.rejects(
    openHealthListener({ host: '127.0.0.1', port }, () => undefined),
    { code: 'EADDRINUSE' },
  );
});
