import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { DEFAULT_QUOTA } from '../../collector/session/node-quota.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issued } from '../../service/tls/issue.ts';
import { startLinkNode, until } from '../agent/transport/link-node.ts';
import { startCollector } from '../collector/session/collector.ts';
import type { TestCollector } from '../collector/session/collector.ts';
import { dial } from '../collector/session/node.ts';
import { delta, heartbeat, hello, on, snapshot } from '../collector/session/messages.ts';
import { all } from '../collector/store/fleet.ts';

interface Process {
  readonly pid: number;
  readonly port: number;
  readonly ca: string;
  readonly node: (nodeId: string) => Promise<Issued>;
}

/** A collector as a process of its own, so that its memory is nobody else's. */
async function startProcess(t: Test): Promise<Process> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-attack-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const program = new URL('../../bin/plimsoll.js', import.meta.url).pathname;
  const flags = ['--data-dir', directory, '--listen', '127.0.0.1:0', '--api', '127.0.0.1:0', '--log-format', 'json'];
  const child = spawn(process.execPath, [program, 'collector', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stderr })) {
    const listen = /"listen":"127\.0\.0\.1:(\d+)"/.exec(line)?.[1];
    if (listen === undefined) continue;
    child.stderr.resume();
    const read = (name: string): string => readFileSync(join(directory, 'tls', name), 'utf8');
    const authority = { certificatePem: read('ca.pem'), keyPem: read('ca-key.pem') };
    return {
      pid: child.pid ?? 0,
      port: Number(listen),
      ca: authority.certificatePem,
      node: (nodeId) => issueCertificate({ kind: 'node', nodeId }, authority, Date.now()),
    };
  }
  throw new Error('the collector did not start');
}

/** Resident memory in MiB, as the kernel counts it. */
function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** Established connections to the port, as the kernel counts them (proc_pid_net_tcp(5): local address, state 01). */
function connectionsOf({ pid, port }: Process): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync(`/proc/${String(pid)}/net/tcp`, 'utf8')
    .trim()
    .split('\n')
    .slice(1);
  return lines.filter((line) => {
    const [, address, , state] = line.trim().split(/\s+/);
    return address?.endsWith(local) === true && state === '01';
  }).length;
}

async function openHttp2(t: Test, { port, ca }: Process, { certificatePem: cert, keyPem: key }: Issued) {
  const socket = connectTls({ host: '127.0.0.1', port, ca, cert, key, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  const session = connectHttp2('https://localhost', { createConnection: () => socket });
  session.on('error', () => undefined);
  return session;
}

function openStream(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/plimsoll.v1.Fleet/Session',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.on('response', (headers) => headers['grpc-status'] === undefined || over.add(stream));
  stream.on('trailers', () => over.add(stream));
  stream.on('close', () => over.add(stream));
  stream.resume();
  return stream;
}

/** Streams that the collector has ended: this end may still be open. */
const over = new WeakSet<ClientHttp2Stream>();

/** The head of a gRPC message of this length. */
function head(length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await t.test('one certificate, 120 half-open streams, each with nearly a message of 1 MiB', async (t) => {
  const collector = await startProcess(t);
  const stolen = await collector.node('n1');
  const address = `127.0.0.1:${String(collector.port)}`;
  const victim = dial({ address, ca: collector.ca, identity: stolen });
  victim.say(hello());
  await victim.hearA('welcome');
  await later(300);
  // What handshakes take once is not what streams hold.
  for (const session of await Promise.all(Array.from({ length: 30 }, () => openHttp2(t, collector, stolen))))
    session.destroy();
  await later(300);
  const before = rssOf(collector.pid);
  const sessions = await Promise.all(Array.from({ length: 30 }, () => openHttp2(t, collector, stolen)));
  const streams = sessions.flatMap((session) => Array.from({ length: 4 }, () => openStream(session)));
  const left = Buffer.alloc(1024 * 1024 - 1, 0xa5);
  for (const stream of streams) {
    stream.write(head(left.length + 1));
    stream.write(left);
  }
  let most = 0;
  for (let times = 0; times < 15; times += 1) {
    await later(100);
    most = Math.max(most, rssOf(collector.pid) - before);
  }
  t.ok(most < 40, `${most.toFixed(1)} MiB more`);
  const alive = connectionsOf(collector);
  t.ok(alive <= 4, `${String(alive)} connections of this node are left`);
  victim.say(snapshot(1, [on('a')]));
  t.match(await victim.hearA('ack'), { sequence: 1 }, 'the session that was there goes on');
  const other = dial({ address, ca: collector.ca, identity: await collector.node('n2') });
  other.say(hello());
  t.ok(await other.hearA('welcome'), 'other nodes are served');
  for (const node of [victim, other]) node.close();
});

await t.test('a Hello has at most 64 KiB; a stream that says it at once gets in beside half-open ones', async (t) => {
  const collector = await startProcess(t);
  const stolen = await collector.node('n1');
  const session = await openHttp2(t, collector, stolen);
  const long = openStream(session);
  long.write(head(64 * 1024 + 1));
  const [trailers] = (await once(long, 'response')) as [Record<string, string>];
  t.equal(trailers['grpc-status'], '8', 'RESOURCE_EXHAUSTED, before a byte of it came');
  const crowd = await openHttp2(t, collector, stolen);
  const halfOpen = Array.from({ length: 4 }, () => openStream(crowd));
  await until('two streams a node', () => halfOpen.filter((stream) => over.has(stream)).length === 2);
  const node = dial({ address: `127.0.0.1:${String(collector.port)}`, ca: collector.ca, identity: stolen });
  node.say(hello());
  t.ok(await node.hearA('welcome'));
  await until('the oldest made room', () => halfOpen.filter((stream) => over.has(stream)).length === 3);
  node.close();
});

await t.test('600 connections without a handshake do not keep a node out', async (t) => {
  const collector = await startProcess(t);
  const crowd = Array.from({ length: 600 }, () => {
    const socket = connectTcp({ host: '127.0.0.1', port: collector.port });
    socket.on('error', () => undefined);
    t.teardown(() => socket.destroy());
    return socket;
  });
  await Promise.all(crowd.map((socket) => once(socket, 'connect')));
  const identity = await collector.node('n1');
  const node = dial({ address: `127.0.0.1:${String(collector.port)}`, ca: collector.ca, identity });
  node.say(hello());
  t.ok(await node.hearA('welcome'));
  node.close();
});

/** Events in the outbox of a collector. */
async function eventsOf({ store }: TestCollector): Promise<number> {
  let [position, count] = [0, 0];
  for (;;) {
    const page = await store.outbox(position, 10_000);
    count += page.length;
    position = page.at(-1)?.position ?? position;
    if (page.length === 0) return count;
  }
}

await t.test('events without end: slowed down, refused, told, and nothing lost', async (t) => {
  const quota = { changes: { burst: 2_000, perSecond: 100 } };
  const collector = await startCollector(t, {}, undefined, quota);
  const flooding = await collector.connect('n1');
  flooding.say(hello());
  await flooding.hearA('welcome');
  const many = Array.from({ length: 500 }, (_, index) => on(String(index)));
  flooding.say(snapshot(1, []));
  const started = performance.now();
  for (let sequence = 2; sequence < 200; sequence += 1)
    flooding.say(sequence % 2 === 0 ? delta(sequence, many) : delta(sequence, [], { gone: many.map(({ id }) => id) }));
  const fine = await collector.connect('n2');
  fine.say(hello());
  await fine.hearA('welcome');
  const asked = performance.now();
  fine.say(snapshot(1, [on('a')]));
  await fine.hearA('ack');
  t.ok(performance.now() - asked < 1500, 'other nodes are served meanwhile');
  await later(1500);
  const seconds = (performance.now() - started) / 1000;
  const events = await eventsOf(collector);
  t.ok(events <= 2_000 + 100 * seconds + 2_000, `${String(events)} events in ${seconds.toFixed(1)} s`);
  t.match(collector.server.problems(), [{ kind: 'limited', nodeId: 'n1', reason: /exceeds its quota of changes/ }]);
  const acked = flooding.heard().flatMap(({ ack }) => ack?.sequence ?? []);
  t.equal(
    (await collector.store.replicationState('n1'))?.committedSequence,
    Math.max(...acked),
    'what is acked is stored',
  );
});

await t.test('a whole node at first sight is no flood; toggling its epoch is', async (t) => {
  const collector = await startCollector(t, {}, undefined, { changes: { burst: 300, perSecond: 1 } });
  const many = Array.from({ length: 500 }, (_, index) => on(String(index)));
  for (const [epoch, put] of [
    ['e1', many],
    ['e2', []],
  ] as const) {
    const node = await collector.connect('n1');
    node.say(hello({ epoch }));
    await node.hearA('welcome');
    node.say(snapshot(1, put));
    t.ok(await node.hearA('ack'));
    t.same(collector.server.problems(), []);
    node.close();
    await collector.item((item) => item.type === 'node' && !item.node.connected);
    await until('it is gone', () => collector.server.sessions.connected().length === 0);
  }
  const again = await collector.connect('n1');
  again.say(hello({ epoch: 'e3' }));
  t.match(await again.ended, { name: 'RESOURCE_EXHAUSTED', details: /come again in \d+ s/ });
});

await t.test('heartbeats, answers that nobody asked for and inventories without end', async (t) => {
  const collector = await startCollector(t, {}, undefined, { messages: { burst: 100, perSecond: 200 } });
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const chunk = Buffer.alloc(1000);
  for (let times = 0; times < 5_000; times += 1) {
    node.say(heartbeat(0, []));
    node.say({ queryResult: { queryId: 'made-up', chunk } });
    node.say({ inventory: { operatingSystem: 'x' } });
  }
  await later(1500);
  const writes = collector.items.filter((item) => item.type === 'node').length;
  t.ok(collector.results.length < 1_000, `${String(collector.results.length)} read`);
  t.ok(writes < 2_000, `${String(writes)} written`);
});

await t.test('sessions without end, and checks that do not exist', async (t) => {
  const collector = await startCollector(t, {}, undefined, { sessions: { burst: 5, perSecond: 0.01 }, maxChecks: 100 });
  const made = Array.from({ length: 101 }, (_, index) => on('a', { check: `made.up-${String(index)}` }));
  const inventing = await collector.connect('n2');
  inventing.say(hello());
  await inventing.hearA('welcome');
  inventing.say(snapshot(1, made));
  t.match(await inventing.ended, { name: 'RESOURCE_EXHAUSTED', details: /checks/ });
  const ends: string[] = [];
  for (let times = 0; times < 8; times += 1) {
    const node = await collector.connect('n1');
    node.say(hello());
    node.call.end();
    ends.push((await node.ended).name);
  }
  t.same(ends, ['OK', 'OK', 'OK', 'OK', 'OK', 'OK', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
  t.match(collector.server.problems(), [{ nodeId: 'n2' }, { nodeId: 'n1', reason: /sessions too often/ }]);
});

/** The agent's own link, with the identity of one node. */
async function startAgents(t: Test, directories: readonly (string | undefined)[]) {
  const collector = await startCollector(t);
  const { certificatePem: cert, keyPem: key } = await collector.fleet.node('n1');
  const tls = { ca: collector.fleet.authority.certificatePem, cert, key, expiresAtMs: Number.MAX_SAFE_INTEGER };
  const port = Number(collector.server.address.split(':')[1]);
  const start = (name: string, directory: string | undefined) =>
    startLinkNode(t, { tls, port, said: { [name]: 'x' }, ...(directory === undefined ? {} : { directory }) });
  const first = start('first', directories[0]);
  await until('the first is connected', () => collector.server.sessions.connected().length === 1);
  await until('its findings are there', () => first.spool.status().resync === undefined);
  return { collector, first, start };
}

const replacements = ({ lines }: TestCollector): number =>
  lines.filter(({ message }) => /replaces the first/.test(message)).length;

await t.test('two agents with one identity: the first keeps its session, the other is refused and told', async (t) => {
  const { collector, first, start } = await startAgents(t, []);
  const second = start('second', undefined);
  await until('it is told', () => collector.server.problems().length > 0);
  await later(1500);
  t.equal(replacements(collector), 0);
  t.match(collector.server.problems(), [
    { kind: 'identityConflict', nodeId: 'n1', connected: /^127/, refused: /^127/ },
  ]);
  t.same(
    (await all(collector.store)).map(({ subject }) => subject.id),
    ['first'],
  );
  t.equal(await eventsOf(collector), 1, 'no flood of events');
  t.ok(
    second.logged.some((line) => /another agent uses the identity/.test(line)),
    'the other one says why',
  );
  await first.stop();
  await until('once the first is gone, the other gets in', () => second.link.status().connected);
  await until('with its findings', () => second.spool.status().resync === undefined);
});

await t.test('a data directory that was copied: one replacement, then the same', async (t) => {
  const directory = t.testdir({ one: {}, copy: {} });
  const { collector, first, start } = await startAgents(t, [join(directory, 'one')]);
  cpSync(join(directory, 'one'), join(directory, 'copy'), { recursive: true });
  const second = start('second', join(directory, 'copy'));
  await until('it is told', () => collector.server.problems().length > 0);
  await until(
    'the first has its session back',
    () => first.spool.status().resync === undefined && second.logged.some((line) => /another agent/.test(line)),
  );
  const [before, events] = [replacements(collector), await eventsOf(collector)];
  await later(1500);
  t.ok(before <= 2, `${String(before)} replacements`);
  t.equal(replacements(collector), before);
  t.equal(await eventsOf(collector), events);
  t.same(
    (await all(collector.store)).map(({ subject }) => subject.id),
    ['first'],
  );
  t.ok(first.link.status().connected);
  await second.stop();
});

await t.test('an agent that is started again with its spool has its session at once', async (t) => {
  const directory = t.testdir();
  const { collector, first, start } = await startAgents(t, [directory]);
  const again = start('first', directory);
  await until('it is connected', () => replacements(collector) === 1);
  await first.stop();
  await until('it stays', () => again.link.status().connected);
  t.ok(DEFAULT_QUOTA.sessions.burst > 10, 'a few starts in a row are nothing');
});
