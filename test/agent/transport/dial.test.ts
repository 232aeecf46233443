import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import { dial, KEEPALIVE } from '../../../agent/transport/dial.ts';
import { openStream } from '../../../agent/transport/stream.ts';
import { emptyMemory, makeTls, startTinyCollector } from './tiny-collector.ts';

void t.test('closed while it connects, it lets go of the connection', async (t) => {
  const tls = await makeTls(t);
  const silent = createServer();
  t.teardown(() => silent.close());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { call, close } = dial({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port }, tls.agent);
  const stream = openStream(call);
  const [socket] = (await once(silent, 'connection')) as [Socket];
  socket.on('error', () => undefined);
  // The handshake has begun, and is never answered.
  await once(socket, 'data');
  stream.cancel('test');
  close();
  await once(socket, 'close');
  t.pass('the other end sees it go');
});

void t.test('a connection that falls silent is given up, also where no message is sent', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const ends: Socket[] = [];
  const relay = createServer((node) => {
    const other = connect(collector.port, '127.0.0.1');
    for (const end of [node, other]) end.on('error', () => undefined);
    ends.push(node, other);
    node.pipe(other).pipe(node);
  });
  t.teardown(() => relay.close());
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as AddressInfo;
  const { call, close } = dial({ host: '127.0.0.1', port }, tls.agent, { intervalMs: 50, timeoutMs: 300 });
  t.teardown(close);
  const stream = openStream(call);
  const welcomed = new Promise((resolve) => stream.onMessage(resolve));
  void stream.send({ hello: { agentVersion: '1', nodeName: 'n', capabilities: [], epoch: 'e', ackedSequence: 0 } });
  t.match(await welcomed, { welcome: {} }, 'while it answers, it stays');
  // Nothing arrives any more, and nobody is told.
  for (const end of ends) end.unpipe().pause();
  t.match(await stream.ended, { code: 14 }, 'UNAVAILABLE');
  for (const end of ends) end.destroy();
});

void t.test('a dead session is noticed within half a minute', (t) => {
  t.ok(KEEPALIVE.intervalMs + KEEPALIVE.timeoutMs <= 30_000);
  t.end();
});
