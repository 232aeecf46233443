import { cpSync } from 'node:fs';
import t from 'tap';
import type { QueryAnswerer } from '../../../agent/transport/query-answerer.ts';
import { digestOf } from '../../../posture/digest.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { finding, spoolDirectory, startLinkNode, until } from './link-node.ts';
import type { Said } from './link-node.ts';
import { breakOff, emptyMemory, makeTls, startTinyCollector } from './tiny-collector.ts';
import type { Memory } from './tiny-collector.ts';

function saidIn({ findings }: Memory): Said {
  return Object.fromEntries(
    [...findings.values()].map(({ subject, evidence }) => [subject.name, evidence[0]?.seen ?? '']),
  );
}

void t.test('first contact: Hello, Inventory, everything once, then only what changes', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said: { a: '0', b: '0' } });
  await until('the first transfer', () => collector.memory.committed > 0 && collector.heartbeats.length > 0);
  t.match(collector.messages[0]?.hello, { agentVersion: '0.0.0-test', nodeName: 'web-3', capabilities: ['query'] });
  t.ok(collector.messages.some(({ inventory }) => inventory?.operatingSystem === 'Debian 13'));
  t.same(saidIn(collector.memory), { a: '0', b: '0' });

  node.say({ a: '2', b: '0', c: '0' });
  node.say({ a: '2', c: '0' });
  await until('the changes', () => collector.memory.committed === 3);
  t.same(saidIn(collector.memory), { a: '2', c: '0' });
  t.same(collector.memory.log, ['s1', '2', '3']);
  await until('a heartbeat', () => collector.heartbeats.at(-1)?.sequence === 3);
  const expected = digestOf([finding('a', '2'), finding('c', '0')]);
  t.match(collector.heartbeats.at(-1), { digest: expected, findings: 2, pending: 0, dropped: 0 });
  t.same(collector.violations, []);
  await node.stop();
  t.equal(node.spool.status().pending, 0);
});

void t.test('a collector that is away: work goes on, and what happened comes in order, once', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const first = await startTinyCollector(tls.collector, memory);
  const node = startLinkNode(t, { tls: tls.agent, port: first.port, said: { a: '0' } });
  await until('the first transfer', () => memory.committed === 1 && node.spool.status().acked === 1);
  first.kill();
  node.say({ a: '0', b: '0' });
  node.say({ a: '0' });
  node.say({ a: '2' });
  await until('the loss is noticed', () => !node.link.status().connected);
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  await until('the changes', () => memory.committed === 4);
  t.same(memory.log, ['s1', '2', '3', '4'], 'what was opened and closed meanwhile is told too');
  t.same(saidIn(memory), { a: '2' });
  t.same(second.violations, []);
});

void t.test('what ended before the first connection is told all the same', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const directory = spoolDirectory(t);
  const first = await startTinyCollector(tls.collector, memory);
  const before = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: {} });
  await until('the first transfer', () => before.spool.status().acked === 1);
  await before.stop();
  first.kill();
  const said = { short: '0', long: '0', other: '0' };
  const node = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said });
  node.say({ long: '0', other: '0' });
  node.say({ long: '0', other: '1' });
  node.say({ long: '0', other: '2' });
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  await until('everything', () => node.spool.status().pending === 0 && node.spool.status().resync === undefined);
  const told = second.messages.flatMap(({ delta }) => (delta === undefined || delta === null ? [] : [delta]));
  const names = told.map(({ snapshot, put, gone }) =>
    snapshot === true
      ? 'all'
      : `${(put ?? []).map(({ subject, evidence }) => `${subject?.name ?? ''}=${evidence?.[0]?.seen ?? ''}`).join()} -${String(gone?.length ?? 0)}`,
  );
  t.same(names, ['short=0 -0', ' -1', 'other=0 -0', 'other=1 -0', 'other=2 -0', 'all']);
  t.same(saidIn(memory), { long: '0', other: '2' });
  t.same(second.violations, []);
});

void t.test('a data directory restored from an old copy uses no sequence twice', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const directory = spoolDirectory(t);
  const copy = spoolDirectory(t);
  const first = await startTinyCollector(tls.collector, memory);
  const before = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: { a: '0' } });
  await until('the first transfer', () => before.spool.status().acked === 1);
  before.say({ a: '1' });
  await until('a change', () => before.spool.status().acked === 2);
  cpSync(directory, copy, { recursive: true });
  for (const seen of ['2', '3', '4']) before.say({ a: seen });
  await until('more changes', () => before.spool.status().acked === 5);
  await before.stop();
  first.kill();

  // It works alone for a while, is started again, and has given out more sequences than the collector knows.
  const alone = startLinkNode(t, { tls: tls.agent, port: first.port, directory: copy, said: { a: 'x' } });
  for (const seen of ['y', 'z', 'yy', 'zz', 'yyy']) alone.say({ a: seen });
  t.ok(alone.spool.status().last > 5);
  await alone.stop();
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  const restored = startLinkNode(t, { tls: tls.agent, port: first.port, directory: copy, said: { a: 'end' } });
  await until('everything', () => restored.spool.status().resync === undefined);
  t.same(saidIn(memory), { a: 'end' });
  t.match(memory.log.at(-1), /^s\d+$/, 'a full transfer with a sequence of its own');
  t.ok(Number(memory.log.at(-1)?.slice(1)) > 6, memory.log.join());
  t.same(
    memory.log.filter((entry) => entry.startsWith('duplicate')),
    [],
  );
  t.ok(restored.spool.status().dropped >= 5, 'and what could not be told is counted');
  t.ok(restored.logged.some((line) => line.includes('restored from an old copy')));
  t.equal(second.messages.find(({ hello }) => hello)?.hello?.sentSequence, 2, 'what the copy knows to be sent');
});

void t.test('an ack that is lost doubles nothing', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const collector = await startTinyCollector(tls.collector, memory, { behaviour: { breakAtAck: 2 } });
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said: { a: '0' } });
  await until('the first transfer', () => node.spool.status().acked === 1);
  node.say({ a: '1' });
  await until('the break', () => collector.sessions() === 2);
  node.say({ a: '2' });
  await until('the changes', () => node.spool.status().acked === 3);
  t.same(memory.log, ['s1', '2', '3'], 'the collector said at Welcome what it has');
});

void t.test('an agent that was started again sends what waited, then everything', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const directory = spoolDirectory(t);
  const first = await startTinyCollector(tls.collector, memory);
  const before = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: { a: '0' } });
  await until('the first transfer', () => before.spool.status().acked === 1);
  first.kill();
  before.say({ a: '0', b: '0' });
  before.say({ a: '0' });
  await before.stop();
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  const after = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: { a: '0', z: '0' } });
  await until('everything', () => after.spool.status().acked === 4);
  t.same(memory.log, ['s1', '2', '3', 's4']);
  t.same(saidIn(memory), { a: '0', z: '0' });
  t.same(second.violations, []);
});

void t.test('what happens while a full transfer is not committed is told too', async (t) => {
  const tls = await makeTls(t);
  const memory = emptyMemory();
  const directory = spoolDirectory(t);
  const first = await startTinyCollector(tls.collector, memory);
  const before = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: { a: '0' } });
  await until('the first transfer', () => before.spool.status().acked === 1);
  await before.stop();
  first.behaviour.ignores = true;
  const node = startLinkNode(t, { tls: tls.agent, port: first.port, directory, said: { a: '0', z: '0' } });
  const isThere = (sequence: number) => () => first.messages.some(({ delta }) => delta?.sequence === sequence);
  await until('the transfer of the second life', isThere(2));
  node.say({ a: '0', z: '0', b: '0' });
  await until('a change after it', isThere(3));
  first.kill();
  await until('the loss is noticed', () => !node.link.status().connected);
  node.say({ a: '0', z: '0' });
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  await until('everything', () => node.spool.status().acked === 5 && node.spool.status().resync === undefined);
  t.same(memory.log, ['s1', '2', '3', '4', 's5'], 'b was there for a while, and that is history');
  t.same(saidIn(memory), { a: '0', z: '0' });
  t.same(second.violations, []);
});

void t.test('a collector that lost its store, or asks for everything, gets everything', async (t) => {
  const tls = await makeTls(t);
  const first = await startTinyCollector(tls.collector, emptyMemory());
  const node = startLinkNode(t, { tls: tls.agent, port: first.port, said: { a: '0' } });
  await until('the first transfer', () => node.spool.status().acked === 1);
  first.kill();
  node.say({ a: '0', b: '0' });
  await until('the loss is noticed', () => !node.link.status().connected);
  const memory = emptyMemory();
  const second = await startTinyCollector(tls.collector, memory, { port: first.port });
  t.teardown(second.kill);
  await until('everything', () => memory.committed === 3);
  t.same(memory.log, ['s3'], 'the delta that waited is in it');
  t.same(saidIn(memory), { a: '0', b: '0' });
  memory.findings.delete([...memory.findings.keys()][0] ?? '');
  node.say({ a: '0', b: '1' });
  await until(
    'the difference is found and healed',
    () => node.spool.status().resync === undefined && memory.committed > 3,
  );
  second.call()?.write({ resync: { reason: 'test' } });
  await until('everything again', () => memory.log.filter((entry) => entry.startsWith('s')).length >= 2);
  t.same(saidIn(memory), { a: '0', b: '1' });
  t.same(second.violations, []);
});

void t.test('large states go in parts within the bounds', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const said = Object.fromEntries(Array.from({ length: 2300 }, (_, index) => [`c${String(index)}`, 'ä'.repeat(700)]));
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said });
  await until('everything', () => node.spool.status().acked === 1);
  t.equal(collector.memory.findings.size, 2300);
  node.say({});
  await until('all gone', () => node.spool.status().acked === 2);
  t.equal(collector.memory.findings.size, 0);
  t.ok(collector.largest() < 1024 * 1024);
  t.same(collector.violations, []);
});

void t.test('a finding that fits no message is cut so that both sides agree on it', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port });
  const evidence = Array.from({ length: 40 }, () => ({ source: '/x', seen: '€'.repeat(20_000), expected: '' }));
  const huge = { ...finding('huge', ''), evidence };
  await until('the first transfer', () => node.spool.status().acked === 1);
  node.link.publish(new Map([[huge.id, huge]]), { added: [huge], changed: [], gone: [] }, Date.now());
  await until('it is there', () => node.spool.status().acked === 2);
  await until('a heartbeat', () => collector.heartbeats.at(-1)?.sequence === 2);
  t.equal(collector.heartbeats.at(-1)?.digest, digestOf(collector.memory.findings.values()));
  t.same(collector.violations, []);
});

void t.test('live queries: parts, cancel, deadline, too many, a defect', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const aborted: string[] = [];
  const answerer: QueryAnswerer = {
    answer: async function* (query, signal) {
      if (query.expression === 'broken') throw new Error('defect');
      if (query.expression === 'wait')
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve());
        });
      if (signal.aborted) {
        aborted.push(query.id ?? '');
        return;
      }
      yield { chunk: Buffer.from('[1,') };
      yield { chunk: Buffer.from('2]'), last: true, rows: 2 };
    },
  };
  startLinkNode(t, { tls: tls.agent, port: collector.port, answerer });
  await until('a session', () => collector.heartbeats.length > 0);
  const ask = (id: string, expression: string, deadlineMs = 60_000): void => {
    collector.call()?.write({ query: { id, expression, deadlineMs } });
  };
  const resultsOf = (id: string) => collector.results.filter(({ queryId }) => queryId === id);
  ask('one', '1');
  await until('an answer', () => resultsOf('one').length === 2);
  t.equal(Buffer.concat(resultsOf('one').map(({ chunk }) => chunk ?? Buffer.alloc(0))).toString(), '[1,2]');
  ask('two', 'broken');
  await until('an error', () => resultsOf('two').length === 1);
  t.match(resultsOf('two')[0], { last: true, error: 'the agent could not answer' });
  ask('three', 'wait', 30);
  await until('the deadline', () => resultsOf('three').length === 1);
  t.match(resultsOf('three')[0], { last: true, error: 'not answered within 30 ms' });
  ask('four', 'x'.repeat(5000));
  await until('a refusal', () => resultsOf('four').length === 1);
  t.match(resultsOf('four')[0], { error: /longer than 4096/ });
  for (let index = 0; index < 8; index += 1) ask(`slow-${String(index)}`, 'wait');
  ask('nine', '1');
  await until('a refusal', () => resultsOf('nine').length === 1);
  t.match(resultsOf('nine')[0], { error: /too many/ });
  collector.call()?.write({ cancel: { queryId: 'slow-0' } });
  await until('the cancellation', () => aborted.includes('slow-0'));
  t.same(resultsOf('slow-0'), [], 'nobody waits for it');
  breakOff(collector.call());
  await until('the rest is given up', () => aborted.length === 9);
});

void t.test('drain: the session ends in good order and another begins', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said: { a: '0' } });
  await until('the first transfer', () => node.spool.status().acked === 1);
  collector.call()?.write({ drain: { spreadMs: 100, reason: 'an upgrade' } });
  await until('a second session', () => collector.sessions() === 2);
  node.say({ a: '1' });
  await until('the change', () => collector.memory.committed === 2);
  t.same(collector.memory.log, ['s1', '2']);
});

void t.test('a collector that says nothing, or confirms nothing, is left', async (t) => {
  const tls = await makeTls(t);
  const clock = createFakeClock();
  const behaviour = { welcome: false, acks: false, heartbeatIntervalMs: 10_000 };
  const collector = await startTinyCollector(tls.collector, emptyMemory(), { behaviour });
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, clock, said: { a: '0' } });
  await until('Hello', () => collector.messages.length === 1);
  await clock.advance(30_000);
  await until('it is given up', () => node.link.status().lastFailure.includes('no Welcome within 30000 ms'));
  Object.assign(collector.behaviour, { welcome: true });
  await clock.advance(30_000);
  await until('the transfer', () => collector.memory.committed === 1);
  await clock.advance(71_000);
  await until('it is given up', () => node.link.status().lastFailure.includes('confirmed nothing'));
});

void t.test('what the collector refuses is not said again and again', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory(), { behaviour: { refuseSequence: 2 } });
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said: { a: '0' } });
  await until('the first transfer', () => node.spool.status().acked === 1);
  node.say({ a: '1' });
  await until('everything', () => node.spool.status().acked === 3);
  t.same(collector.memory.log, ['s1', 's3']);
  t.same(saidIn(collector.memory), { a: '1' });
});

void t.test('a foreign collector is not spoken to, and the reason is told', async (t) => {
  const tls = await makeTls(t);
  const foreign = await makeTls(t);
  const collector = await startTinyCollector(foreign.collector, emptyMemory());
  t.teardown(collector.kill);
  const node = startLinkNode(t, { tls: tls.agent, port: collector.port, said: { a: '0' } });
  await until('a failure', () => node.link.status().lastFailure !== '');
  t.match(node.link.status().lastFailure, /certificate|self-signed|signature/i);
  t.equal(collector.messages.length, 0);
  node.say({ a: '1' });
  t.equal(node.spool.status().pending, 2, 'it goes on working: what was first, and what is now');
});

void t.test('a certificate of the right authority for another address is refused', async (t) => {
  const tls = await makeTls(t);
  const collector = await startTinyCollector(tls.collector, emptyMemory());
  t.teardown(collector.kill);
  const byAddress = startLinkNode(t, { tls: tls.agent, port: collector.port, host: '127.0.0.2' });
  await until('a failure', () => byAddress.link.status().lastFailure !== '');
  const byName = startLinkNode(t, { tls: tls.agent, port: collector.port, host: 'localhost' });
  await until('the first transfer', () => byName.spool.status().acked > 0);
  t.equal(byAddress.spool.status().acked, 0);
});
