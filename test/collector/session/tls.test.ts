import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import t from 'tap';
import type { Issued } from '../../../service/tls/issue.ts';
import { startCollector } from './collector.ts';
import type { TestCollector } from './collector.ts';
import { dial, newFleet } from './node.ts';
import { hello } from './messages.ts';

const YEAR_MS = 365 * 86_400_000;

await t.test('only certificates of this fleet that name a node get in', async (t) => {
  const collector = await startCollector(t);
  const { fleet } = collector;
  const foreign = await newFleet();
  const refused: readonly (readonly [string, Issued | undefined])[] = [
    ['no certificate', undefined],
    ['of another authority', await foreign.node('n1')],
    ['self-signed', foreign.authority],
    ['expired', await fleet.node('n1', Date.now() - 2 * YEAR_MS)],
    ['not valid yet', await fleet.node('n1', Date.now() + YEAR_MS)],
    ['of a collector', fleet.server],
  ];
  for (const [name, identity] of refused) {
    const options = { address: collector.server.address, ca: fleet.authority.certificatePem };
    const node = dial(identity === undefined ? options : { ...options, identity });
    node.say(hello());
    t.match(await node.ended, { name: 'UNAVAILABLE' }, name);
    t.same(node.heard(), [], 'and hears nothing');
  }
  const authority = await collector.connect('n1', { identity: fleet.authority });
  const { name } = await authority.ended;
  t.ok(name === 'UNAVAILABLE' || name === 'UNAUTHENTICATED', 'the authority is no node');
  t.same(await collector.store.nodes(), [], 'none of them left a trace');
  t.ok(collector.lines.some(({ message }) => message === 'a connection was refused'));

  const good = await collector.connect('n1');
  good.say(hello());
  await good.hearA('welcome');
  t.same(collector.server.sessions.connected(), ['n1']);
});

await t.test('who a node is comes from its certificate alone', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n7');
  node.say(hello({ nodeName: 'n1' }));
  await node.hearA('welcome');
  t.match(await collector.store.nodes(), [{ id: 'n7', name: 'n1' }]);
});

await t.test('TLS 1.3 and HTTP/2, nothing less', async (t) => {
  const collector = await startCollector(t);
  const { certificatePem: cert, keyPem: key } = await collector.fleet.node('n1');
  const identity = { cert, key, ALPNProtocols: ['h2'] };
  t.equal(await handshake(collector, { ...identity, minVersion: 'TLSv1.3' }), 'TLSv1.3 h2');
  t.match(await handshake(collector, { ...identity, maxVersion: 'TLSv1.2' }), /alert protocol version|ECONNRESET/);
  t.match(
    await handshake(collector, { ...identity, ALPNProtocols: ['http/1.1'] }),
    /no application protocol|ECONNRESET/,
  );
});

await t.test('a peer that speaks no TLS is cut off, the others go on', async (t) => {
  const collector = await startCollector(t);
  const [host = '', port] = collector.server.address.split(':');
  const socket = connectTcp(Number(port), host);
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(100));
  await once(socket, 'close');
  const node = await collector.connect('n1');
  node.say(hello());
  t.ok(await node.hearA('welcome'));
});

async function handshake(collector: TestCollector, options: ConnectionOptions): Promise<string> {
  const [host = '', port] = collector.server.address.split(':');
  const ca = collector.fleet.authority.certificatePem;
  const socket = connect({ host, port: Number(port), ca, servername: 'localhost', ...options });
  try {
    await once(socket, 'secureConnect');
    return `${String(socket.getProtocol())} ${String(socket.alpnProtocol)}`;
  } catch (error) {
    return String(error);
  } finally {
    socket.destroy();
  }
}
