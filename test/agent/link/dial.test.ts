import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import { dial } from '../../../agent/link/dial.ts';
import { openStream } from '../../../agent/link/stream.ts';
import { makeTls } from './tiny-collector.ts';

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
