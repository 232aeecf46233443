import t from 'tap';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import { toWire } from '../../../proto/finding-codec.ts';
import { all } from '../store/fleet.ts';
import { startCollector } from './collector.ts';
import { delta, heartbeat, hello, on, snapshot } from './messages.ts';

await t.test('a node tells its findings: acked once they are stored, published on the event bus', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  const welcome = await node.hearA('welcome');
  t.match(welcome, { heartbeatIntervalMs: 30_000 });
  t.notOk(welcome.committedSequence || welcome.resync, 'nothing is committed, and everything comes in its order');
  t.ok(Math.abs(Number(welcome.serverTimeMs) - Date.now()) < 60_000);
  node.say(snapshot(1, [on('a'), on('b', { verdict: 'pass' })]));
  t.match(await node.hearA('ack'), { sequence: 1 });
  t.match(await collector.store.replicationState('n1'), { epoch: 'e1', committedSequence: 1, findings: 2 });
  node.say(delta(2, [on('c')], { gone: [on('a').id] }));
  t.match(await node.hearA('ack'), { sequence: 2 });
  t.match(await all(collector.store), [
    { nodeId: 'n1', nodeName: 'web-1', subject: { id: 'c' } },
    { subject: { id: 'b' } },
  ]);
  const told = collector.items.flatMap((item) =>
    item.type === 'finding' ? `${item.event.action} ${item.event.finding.subject.id}` : [],
  );
  t.same(told, ['opened a', 'resolved a', 'opened c']);
  node.call.end();
  t.match(await node.ended, { name: 'OK' });
});

await t.test('what ended before the first contact of a node has a history', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  node.say(delta(1, [on('short')]));
  node.say(delta(2, [], { gone: [on('short').id] }));
  node.say(heartbeat(2, []));
  node.say(snapshot(3, [on('a')]));
  // One ack can stand for several deltas; a request for everything would fail this.
  while ((await node.hearA('ack')).sequence !== 3);
  const { entries } = await collector.store.history({ limit: 10 });
  t.same(
    entries.map(({ action, subjectName }) => `${action} ${subjectName}`),
    ['opened name-of-a', 'resolved name-of-short', 'opened name-of-short'],
  );
  const late = await collector.connect('n2');
  late.say(hello());
  await late.hearA('welcome');
  late.say(delta(2, [on('b')]));
  t.match(await late.hearA('resync'), { reason: /missing/ }, 'what it had dropped before is asked for as a whole');
});

await t.test('a delta in parts counts as one, and only when its last part is there', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const part = (index: number, names: readonly string[], last = false): void =>
    node.say({ delta: { sequence: 9, part: index, last, snapshot: true, put: names.map((name) => toWire(on(name))) } });
  part(0, ['a', 'b']);
  part(1, ['c']);
  node.say(heartbeat(0, []));
  await collector.item((item) => item.type === 'node' && item.node.agentRssBytes === 1);
  t.equal(await collector.store.replicationState('n1'), undefined, 'nothing yet');
  part(2, [], true);
  t.match(await node.hearA('ack'), { sequence: 9 });
  t.equal((await all(collector.store)).length, 3);
});

await t.test('connecting again: what is committed is told, what was sent twice is stored once', async (t) => {
  const collector = await startCollector(t);
  const first = await collector.connect('n1');
  first.say(hello());
  await first.hearA('welcome');
  first.say(snapshot(1, [on('a')]));
  first.say(delta(2, [on('b')]));
  first.call.end();
  t.match(await first.ended, { name: 'OK' }, 'what was sent before the end is still answered');
  t.equal(first.heard().at(-1)?.ack?.sequence, 2);

  const second = await collector.connect('n1');
  second.say(hello({ ackedSequence: 1 }));
  const welcome = await second.hearA('welcome');
  t.match(welcome, { committedSequence: 2 });
  t.notOk(welcome.resync);
  second.say(delta(2, [on('b')]));
  t.match(await second.hearA('ack'), { sequence: 2 }, 'a duplicate is acked');
  second.say(delta(3, [on('c')]));
  t.match(await second.hearA('ack'), { sequence: 3 });
  t.equal((await collector.store.outbox(0, 100)).filter(isFindingEvent).length, 3);
});

await t.test('a gap, a new epoch and a store that knows less than the node: all findings are asked for', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  node.say(delta(1, [on('z')]));
  node.say(snapshot(5, [on('a')]));
  t.match(await node.hearA('ack'), { sequence: 5 }, 'what came before the snapshot had no place');
  node.say(delta(7, [on('b')]));
  t.match(await node.hearA('resync'), { reason: 'deltas after 5 are missing' });
  node.say(delta(8, [on('c')]));
  node.say(snapshot(9, [on('a'), on('b'), on('c')]));
  t.match(await node.hearA('ack'), { sequence: 9 }, 'asked once, not for each delta');
  t.equal((await all(collector.store)).length, 3);
  node.call.end();
  await node.ended;

  const reborn = await collector.connect('n1');
  reborn.say(hello({ epoch: 'e2' }));
  t.match(await reborn.hearA('welcome'), { resync: true });
  reborn.say(snapshot(1, [on('a')]));
  t.match(await reborn.hearA('ack'), { sequence: 1 });
  reborn.call.end();
  await reborn.ended;

  const ahead = await collector.connect('n1');
  ahead.say(hello({ epoch: 'e2', ackedSequence: 3 }));
  t.match(await ahead.hearA('welcome'), { resync: true, committedSequence: 1 });
});

await t.test('heartbeats: equal digests are silent, a difference is healed', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const findings = [on('a'), on('b')];
  node.say(snapshot(3, findings));
  await node.hearA('ack');
  node.say(heartbeat(3, findings));
  node.say(heartbeat(4, []));
  node.say(heartbeat(3, [on('a')]));
  t.match(await node.hearA('resync'), { reason: 'the digests of 1 and 2 findings differ' });
  node.say(heartbeat(3, [on('a')]));
  node.say(snapshot(4, [on('a')]));
  t.match(await node.hearA('ack'), { sequence: 4 }, 'asked once');
  node.say(heartbeat(4, [on('a', { evidence: [] })]));
  t.match(await node.hearA('resync'), { reason: 'the digests of 1 and 1 findings differ' });
  for (let times = 0; times < 3; times += 1) node.say(heartbeat(4, []));
  t.match(await node.hearA('resync'), { reason: /did not come/ }, 'asked again after a while');
  node.say(snapshot(5, [on('a')]));
  await node.hearA('ack');
  node.say(heartbeat(2, [on('a')]));
  t.match(await node.hearA('resync'), { reason: 'this node is at delta 2, the collector at 5' });
});

await t.test('what is known of a node: inventory, agent, connected or not', async (t) => {
  const collector = await startCollector(t);
  const node = await collector.connect('n1');
  node.say(hello({ nodeName: 'web-1' }));
  await node.hearA('welcome');
  const container = {
    id: 'c1',
    name: 'shop',
    image: 'shop:1',
    imageId: 'sha256:aa',
    startedAt: '2026-06-01T00:00:00Z',
  };
  node.say({
    inventory: {
      operatingSystem: 'Debian GNU/Linux 13',
      kernelRelease: '6.12.9',
      architecture: 'x86_64',
      cpus: 4,
      memoryBytes: 8_000_000_000,
      runtime: 'docker 26.1.5',
      securityModules: 'lockdown,capability',
      containers: [container],
    },
  });
  node.say(heartbeat(0, [], { rssBytes: 80_000_000, cpuMs: 1234, dropped: 5 }));
  await collector.item((item) => item.type === 'node' && item.node.dropped === 5);
  t.match(await collector.store.nodes(), [
    {
      id: 'n1',
      name: 'web-1',
      agentVersion: '0.1.0',
      operatingSystem: 'Debian GNU/Linux 13',
      memoryBytes: 8_000_000_000,
      containers: [container],
      connected: true,
      offlineSinceMs: 0,
      agentRssBytes: 80_000_000,
      agentCpuMs: 1234,
    },
  ]);
  node.close();
  await collector.item((item) => item.type === 'node' && !item.node.connected);
  const [row] = await collector.store.nodes();
  t.equal(row?.connected, false);
  t.ok((row?.offlineSinceMs ?? 0) > 0);
  t.same(collector.disconnected, ['n1']);
});

await t.test('live queries go out and answers come back', async (t) => {
  const collector = await startCollector(t);
  const { sessions } = collector.server;
  t.equal(sessions.send('n1', { query: { id: 'q' } }), false, 'not connected');
  const node = await collector.connect('n1');
  const old = await collector.connect('n2');
  node.say(hello());
  old.say(hello({ capabilities: [] }));
  await node.hearA('welcome');
  await old.hearA('welcome');
  t.same(sessions.connected(), ['n1'], 'an agent that cannot answer is not asked');
  t.equal(sessions.send('n1', { query: { id: 'q1', expression: 'kernel.lockdown' } }), true);
  t.match(await node.hearA('query'), { id: 'q1', expression: 'kernel.lockdown' });
  node.say({ queryResult: { queryId: 'q1', chunk: Buffer.from('"none"'), last: true, rows: 1 } });
  node.say(snapshot(1, []));
  await node.hearA('ack');
  t.match(collector.results, [{ nodeId: 'n1', result: { queryId: 'q1', last: true } }]);
});

await t.test('a second session of a node replaces the first', async (t) => {
  const collector = await startCollector(t);
  const first = await collector.connect('n1');
  first.say(hello());
  await first.hearA('welcome');
  const second = await collector.connect('n1');
  second.say(hello());
  await second.hearA('welcome');
  t.match(await first.ended, { name: 'ABORTED', details: /newer session/ });
  t.same(collector.disconnected, ['n1'], 'its queries are over');
  t.same(collector.server.sessions.connected(), ['n1']);
  t.ok(
    collector.lines.some(({ level, message }) => level === 'warn' && /replaces/.test(message)),
    'and it is reported',
  );
  second.say(snapshot(1, [on('a')]));
  await second.hearA('ack');
  t.equal((await collector.store.nodes())[0]?.connected, true, 'the end of the first does not make it offline');
});
