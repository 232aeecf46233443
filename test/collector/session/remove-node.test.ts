import { DatabaseSync } from 'node:sqlite';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import t from 'tap';
import { all } from '../store/fleet.ts';
import { startCollector } from './collector.ts';
import { delta, heartbeat, hello, on, snapshot } from './messages.ts';

await t.test('a node without a session is removed, and comes back as a new one', async (t) => {
  const collector = await startCollector(t);
  const { server, store } = collector;
  const first = await collector.connect('n1');
  first.say(hello());
  await first.hearA('welcome');
  first.say(snapshot(1, [on('a'), on('b', { verdict: 'pass' })]));
  await first.hearA('ack');
  t.match(await server.remove('n1', '127.0.0.1'), { outcome: 'connected', node: { name: 'web-1' } });
  t.equal((await all(store)).length, 2, 'nothing happened');
  first.call.end();
  await first.ended;
  await collector.item((item) => item.type === 'node' && !item.node.connected);

  const [one, other] = await Promise.all([server.remove('n1', '127.0.0.1'), server.remove('n1', '::1')]);
  t.match(one, { outcome: 'removed', node: { id: 'n1', name: 'web-1' }, findings: 2, resolved: 1 });
  t.same(other, { outcome: 'unknown' }, 'asked for twice, done once');
  const told = collector.items.slice(-2);
  t.match(told, [
    { type: 'finding', event: { action: 'resolved', cause: 'nodeRemoved', finding: { subject: { id: 'a' } } } },
    { type: 'nodeRemoved', nodeId: 'n1' },
  ]);
  t.same(await all(store), []);
  t.same(await store.nodes(), []);
  t.same(server.nodes(), []);
  const lines = collector.lines.filter(({ message }) => message === 'node removed');
  t.match(lines, [{ level: 'info', fields: { nodeId: 'n1', name: 'web-1', by: '127.0.0.1', resolved: 1 } }]);

  // It goes on where it was, and knows nothing of this.
  const second = await collector.connect('n1');
  second.say(hello({ ackedSequence: 1 }));
  const welcome = await second.hearA('welcome');
  t.equal(welcome.resync, true);
  t.notOk(welcome.committedSequence, 'no state is claimed that is not there');
  second.say(delta(2, [on('c')]));
  second.say(heartbeat(2, [on('a'), on('b', { verdict: 'pass' }), on('c')]));
  second.say(snapshot(3, [on('a'), on('c')]));
  t.match(await second.hearA('ack'), { sequence: 3 }, 'what came before the snapshot had no place');
  t.match(await store.replicationState('n1'), { epoch: 'e1', committedSequence: 3, findings: 2 });
  await collector.item((item) => item.type === 'node' && item.node.agentRssBytes === 1);
  t.match(await store.nodes(), [{ id: 'n1', connected: true }]);
  const actions = (await store.outbox(0, 100))
    .filter(isFindingEvent)
    .map(({ action, finding }) => `${action} ${finding.subject.id}`);
  t.same(actions.slice(0, 2), ['opened a', 'resolved a']);
  t.same(actions.slice(2).sort(), ['opened a', 'opened c']);
});

await t.test('what a session left in the queue comes first, and a new session waits', async (t) => {
  const collector = await startCollector(t);
  const { server, store } = collector;
  const first = await collector.connect('n1');
  first.say(hello());
  await first.hearA('welcome');
  // Another process holds the file: what is said now waits to be stored.
  const lock = new DatabaseSync(collector.path);
  lock.exec('BEGIN IMMEDIATE');
  first.say(snapshot(1, [on('a')]));
  first.call.end();
  while (!collector.lines.some(({ message }) => message.startsWith('the store does not take commits')))
    await new Promise((resolve) => setTimeout(resolve, 5));
  first.close();
  await first.ended;
  await new Promise((resolve) => setTimeout(resolve, 50));

  const removed = server.remove('n1', 'test');
  const second = await collector.connect('n1');
  second.say(hello());
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(second.heard(), [], 'it is not welcome yet');
  lock.exec('ROLLBACK');
  lock.close();
  t.match(await removed, { outcome: 'removed', findings: 1, resolved: 1 }, 'the snapshot did not come after');
  t.match(await second.hearA('welcome'), { resync: false });
  second.say(snapshot(2, [on('b')]));
  await second.hearA('ack');
  const actions = (await store.outbox(0, 100))
    .filter(isFindingEvent)
    .map(({ action, finding }) => `${action} ${finding.subject.id}`);
  t.same(actions, ['opened a', 'resolved a', 'opened b']);
  t.match(await store.nodes(), [{ id: 'n1', connected: true }]);
});

await t.test('nobody is removed who is not known, or while the collector goes down', async (t) => {
  const collector = await startCollector(t);
  t.same(await collector.server.remove('n1', 'test'), { outcome: 'unknown' });
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  await collector.server.close();
  t.match(await collector.server.remove('n1', 'test'), { outcome: 'notNow', reason: /going down/ });
  t.match(await collector.store.nodes(), [{ id: 'n1' }]);
});
