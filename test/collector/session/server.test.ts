import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { startSessionServer } from '../../../collector/session/server.ts';
import { systemClock } from '../../../service/clock.ts';
import { all, nodeRow, T0 } from '../store/fleet.ts';
import { collectLines, startCollector } from './collector.ts';
import { delta, heartbeat, hello, on, snapshot } from './messages.ts';

await t.test('a store that fails for a while: no ack before the commit, no session lost', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const other = new DatabaseSync(collector.path);
  other.exec('BEGIN IMMEDIATE');
  node.say(snapshot(1, [on('a')]));
  node.say(delta(2, [on('b')]));
  while (!collector.lines.some(({ message }) => /trying again/.test(message)))
    await new Promise((resolve) => setTimeout(resolve, 5));
  t.same(node.heard(), [], 'nothing is acked');
  other.exec('ROLLBACK');
  other.close();
  let acked = 0;
  while (acked < 2) acked = Number((await node.hearA('ack')).sequence);
  t.equal((await all(collector.store)).length, 2);
});

await t.test('drain: nodes are asked to go, new ones are refused', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const drained = collector.server.drain(5000);
  t.match(await node.hearA('drain'), { spreadMs: 5000, reason: 'the collector is going down' });
  const late = await collector.connect('n2');
  t.match(await late.ended, { name: 'UNAVAILABLE' });
  node.call.end();
  t.match(await node.ended, { name: 'OK' });
  await drained;
});

await t.test('close: sessions end with a reason, nodes are offline in the store', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  node.say(heartbeat(0, [], { dropped: 9 }));
  node.say(snapshot(1, [on('a')]));
  await node.hearA('ack');
  await collector.server.close();
  t.match(await node.ended, { name: 'UNAVAILABLE', details: 'the collector is going down' });
  t.match(await collector.store.nodes(), [{ id: 'n1', connected: false, dropped: 9 }]);
  await collector.server.close();
});

await t.test('started again after it was killed: nobody is connected', async (t) => {
  const collector = await startCollector(t);
  await collector.server.close();
  await collector.store.putNodes([nodeRow({ connected: true, lastSeenMs: T0 + 5 })]);
  const server = await startSessionServer({
    isRevoked: () => false,
    listen: { host: '127.0.0.1', port: 0 },
    tls: {
      ca: collector.fleet.authority.certificatePem,
      cert: collector.fleet.server.certificatePem,
      key: collector.fleet.server.keyPem,
    },
    store: collector.store,
    eventBus: createEventBus(),
    replies: { onResult: () => false, onDisconnect: () => undefined },
    onNodeAhead: () => Promise.resolve(),
    clock: systemClock(),
    log: collectLines([]),
  });
  t.match(await collector.store.nodes(), [{ connected: false, offlineSinceMs: T0 + 5 }]);
  t.match(server.address, /^127\.0\.0\.1:\d+$/);
  await server.close();
});

await t.test('a port that is taken rejects with what the system says', async (t) => {
  const collector = await startCollector(t);
  const [host = '', port] = collector.server.address.split(':');
  const { authority, server } = collector.fleet;
  const again = startSessionServer({
    isRevoked: () => false,
    listen: { host, port: Number(port) },
    tls: { ca: authority.certificatePem, cert: server.certificatePem, key: server.keyPem },
    store: collector.store,
    eventBus: createEventBus(),
    replies: { onResult: () => false, onDisconnect: () => undefined },
    onNodeAhead: () => Promise.resolve(),
    clock: systemClock(),
    log: collectLines([]),
  });
  await t.rejects(again, { code: 'EADDRINUSE' });
});
