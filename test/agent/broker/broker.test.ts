import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createBrokerObserver } from '../../../agent/broker/broker-observer.ts';
import { BROKER_PROTOCOL } from '../../../agent/broker/message.ts';
import { UNTHROTTLED } from '../../../agent/budget/throttle-profile.ts';
import { brokerDiagnostic } from '../../../agent/diagnostics/broker.ts';
import type { BrokerSubject } from '../../../agent/diagnostics/broker.ts';
import { observeAll, observeContainer } from '../../../agent/inspector/observe.ts';
import { openLiveNode } from '../../../agent/live-node.ts';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Change } from '../../../posture/judge.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import type { Logger } from '../../../service/log.ts';
import { noAgent } from '../../fixture/facts.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { docker, IMAGE, noDocker, SOCKET } from '../watch/docker.ts';
import { until } from '../watch/watched.ts';
import { connectRaw, HELLO, startBroker } from './broker-node.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const NODE_ID = 'fedcba9876543210fedcba9876543210';

interface Update {
  readonly facts: Facts;
  readonly change: Change | undefined;
}

function observe(t: Test, path: string, clock: Clock = systemClock()) {
  const controller = new AbortController();
  const { signal } = controller;
  const observer = createBrokerObserver({
    path,
    nodeId: NODE_ID,
    prober: createProber(),
    agent: noAgent,
    clock,
    log: SILENT,
    signal,
  });
  const updates: Update[] = [];
  const observation = observer.watch({
    onChange: (facts, change) => void updates.push({ facts, change }),
    pace: () => UNTHROTTLED,
  });
  t.teardown(() => controller.abort());
  return { observer, observation, updates };
}

function nodeTree(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-broker-root-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'etc/ssh'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  return root;
}

function read(root: string, dockerHost = 'unix:///nonexistent/docker.sock') {
  const node = { hostRoot: root, dockerHost, nodeName: '', dataDir: '/nonexistent', agentVersion: '0.0.0-test' };
  return openLiveNode({ ...node, makeNodeId: () => Promise.resolve(NODE_ID), now: Date.now });
}

/** Without what differs from one read to the next. */
function stable({ clock: _clock, ...facts }: Facts): object {
  return JSON.parse(JSON.stringify(facts, (key, value: unknown) => (key === 'sinceMs' ? 0 : value))) as object;
}

void t.test('an agent behind a broker has the facts that it would read itself, and follows changes', async (t) => {
  const hostRoot = nodeTree(t);
  const broker = await startBroker(t, { hostRoot });
  const { observer, updates } = observe(t, broker.path);
  t.match(await observer.inventory(), { id: NODE_ID }, 'a node without a machine id has the one that the agent keeps');
  await until('the first facts', () => updates.length > 0);
  const first = updates[0] as Update;
  t.equal(first.change, undefined);
  t.same(stable(first.facts), stable(await observeAll(await read(hostRoot))));

  writeFileSync(join(hostRoot, 'etc/group'), 'root:x:0:\ndocker:x:7:\n');
  writeFileSync(join(hostRoot, 'etc/ssh/sshd_config'), 'PermitRootLogin yes\n');
  const last = (): Update => updates.at(-1) as Update;
  await until('the change', () => last().facts.sshd.files.length === 1);
  t.same(stable(last().facts), stable(await observeAll(await read(hostRoot))));
  t.ok(last().change?.facts.has('sshd') ?? false);
  t.equal(last().facts.kernel, first.facts.kernel, 'what did not change is the same object');
});

void t.test('a container that starts is seen through the broker', { skip: noDocker }, async (t) => {
  const dockerHost = `unix://${SOCKET}`;
  const broker = await startBroker(t, { dockerHost });
  const { observer, updates } = observe(t, broker.path);
  await until('the first facts', () => updates.length > 0);
  const LABELS = ['--label', 'tier=web', '--label', 'api.token=hunter2hunter2'];
  const name = `plimsoll-broker-${randomUUID().slice(0, 8)}`;
  const id = docker(SOCKET, 'run', '-d', '--name', name, '--cap-add', 'NET_ADMIN', ...LABELS, IMAGE, 'sleep', '600');
  t.teardown(() => docker(SOCKET, 'rm', '-f', id));
  const seen = () => {
    const containers = updates.at(-1)?.facts.containers;
    return containers?.state === 'seen' ? containers.value.find((container) => container.id === id) : undefined;
  };
  await until('the container', () => seen()?.capabilities.state === 'seen');
  const direct = await observeContainer(await read('/', dockerHost), {}, id);
  t.equal(direct.state, 'seen');
  if (direct.state !== 'seen') return;
  const labels = (await observer.readLabels())[id];
  t.match(labels, { state: 'seen', value: { tier: 'web', 'api.token': '[redacted]' } });
  const { capabilities, namespaces, declared, name: itsName } = direct.value;
  t.match(seen(), JSON.parse(JSON.stringify({ capabilities, namespaces, declared, name: itsName })));
  docker(SOCKET, 'rm', '-f', id);
  await until('its end', () => seen() === undefined);
});

void t.test('status, sysctls and probes', async (t) => {
  const broker = await startBroker(t);
  t.match(await broker.prober.probe('127.0.0.1', 1), { ok: false, reason: /no agent is connected/ });
  const { observer, updates } = observe(t, broker.path);
  await until('the first facts', () => updates.length > 0);
  const name = 'vm.swappiness';
  const sysctls = await observer.readSysctls([name, '../../../etc/shadow', 'x'.repeat(1000)]);
  t.match(sysctls[name], { state: 'seen', value: readFileSync('/proc/sys/vm/swappiness', 'utf8').trim() });
  t.match(sysctls['../../../etc/shadow'], { state: 'unreadable', reason: 'it is not the name of a sysctl' });
  const status = await observer.nodeStatus();
  const total = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  t.match(status, { memory: { state: 'seen', value: { totalBytes: Number(total) * 1024 } } });

  const server = createServer((_request, response) => response.end('OK')).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const probed = await broker.prober.probe('127.0.0.1', port);
  t.match(probed, { ok: true, value: { protocol: 'http', answer: 'HTTP 200 from /_ping' } });
  t.match(await broker.prober.probe('192.0.2.1', port), { ok: false, reason: /not an address of this node/ });
});

void t.test('a broker that restarts is found again, and nothing is new', async (t) => {
  const hostRoot = nodeTree(t);
  const first = await startBroker(t, { hostRoot });
  const { updates } = observe(t, first.path);
  await until('the first facts', () => updates.length > 0);
  const count = updates.length;
  await first.stop();
  await startBroker(t, { hostRoot, path: first.path });
  await until('facts of the second', () => updates.length > count);
  const changed = new Set(updates.at(-1)?.change?.facts);
  // The time, and since when /proc is missing from this tree.
  t.same(changed, new Set(['clock', 'unobserved']));
});

void t.test('without a broker the agent ends, with advice', async (t) => {
  const clock = createFakeClock();
  const { observation, observer, updates } = observe(t, '/nonexistent/broker.sock', clock);
  const lost = t.rejects(observation.done, { code: 'BROKER_LOST', message: /ENOENT/, hint: /plimsoll broker/ });
  void t.rejects(observer.inventory(), { code: 'BROKER_LOST' });
  for (let second = 0; second < 70; second += 1) await clock.advance(1000);
  await lost;
  t.equal(updates.length, 0);
});

void t.test('the socket is for the group of the broker and for one agent', async (t) => {
  const broker = await startBroker(t, { hostRoot: nodeTree(t) });
  t.equal(statSync(broker.path).mode & 0o777, 0o660);
  t.equal(statSync(join(broker.path, '..')).mode & 0o777, 0o750);
  const one = await connectRaw(t, broker.path);
  one.send(HELLO);
  await until('a welcome', () => one.received().includes('"welcome"'));
  const other = await connectRaw(t, broker.path);
  other.send(HELLO);
  await until('the other is closed', other.isClosed);
  t.match(other.received(), /"refused".*another agent is connected/);
  const silent = await connectRaw(t, broker.path);
  await until('one that says nothing is closed', silent.isClosed);
  t.notOk(one.isClosed());
  await t.rejects(startBroker(t, { path: broker.path }), { message: /another broker listens/ });

  const open = mkdtempSync(join(tmpdir(), 'plimsoll-open-'));
  t.teardown(() => rmSync(open, { recursive: true, force: true }));
  mkdirSync(join(open, 'run'));
  chmodSync(join(open, 'run'), 0o777);
  await t.rejects(startBroker(t, { path: join(open, 'run/broker.sock') }), { message: /everybody can write/ });
});

/** What `plimsoll doctor` says of an agent with this broker, or `off`. */
async function diagnose(broker: string, over: Partial<BrokerSubject> = {}): Promise<DiagnosticResult> {
  const subject = { broker, usualSocket: '/nonexistent/broker.sock', version: '0.0.0-test', uid: 0 };
  return brokerDiagnostic.run({ ...subject, clock: systemClock(), ...over });
}

void t.test('doctor examines the broker beside its agent', async (t) => {
  const broker = await startBroker(t, { hostRoot: nodeTree(t) });
  const agent = await connectRaw(t, broker.path);
  agent.send(HELLO);
  await until('a welcome', () => agent.received().includes('"welcome"'));
  const effective = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''}`);
  // Bits 1, 2 and 19 of linux/capability.h: DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE.
  const isFull = process.getuid?.() === 0 && (effective & 6n) !== 0n && (effective & (1n << 19n)) !== 0n;
  if (isFull) t.match(await diagnose(broker.path), { outcome: 'ok', observed: /version 0\.0\.0-test.*capabilities/ });
  t.match(await diagnose(broker.path, { version: '9.0.0' }), {
    outcome: 'warning',
    observed: /it is version 0\.0\.0-test, this is 9\.0\.0/,
    advice: /restart both/,
  });
  t.notOk(agent.isClosed(), 'the agent stays connected');
  t.match(await diagnose('off', { usualSocket: broker.path }), { outcome: 'ok', observed: /not used.*--broker unix:/ });
  t.match(await diagnose('off'), { outcome: 'ok', observed: /reads the node itself/ });

  chmodSync(broker.path, 0o666);
  if (isFull) t.match(await diagnose(broker.path), { outcome: 'warning', observed: /every user can connect/ });
  chmodSync(join(broker.path, '..'), 0o777);
  t.match(await diagnose(broker.path), { outcome: 'problem', observed: /everybody can write to/ });
});

void t.test('doctor examines what is no broker, or one without rights', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-no-broker-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const place = (name: string): string => join(directory, name);
  t.match(await diagnose(place('none')), { outcome: 'problem', observed: /no socket/, advice: /plimsoll broker/ });
  writeFileSync(place('file'), '');
  t.match(await diagnose(place('file')), { outcome: 'problem', observed: /not a socket/ });
  const peer = async (name: string, answer: string): Promise<string> => {
    const server = createSocketServer((socket) => socket.on('error', () => {}).end(answer)).listen(place(name));
    t.teardown(() => server.close());
    await once(server, 'listening');
    return place(name);
  };
  const about = { kind: 'about', protocol: BROKER_PROTOCOL, version: '0.0.0-test', uid: 0, capabilities: '0' };
  const line = (over: object): string => `${JSON.stringify({ ...about, ...over })}\n`;
  // Bits of linux/capability.h: 2 DAC_READ_SEARCH, 19 SYS_PTRACE.
  const cases = [
    ['old', '', 'problem', /does not answer as a broker of this version/],
    ['garbage', 'hello\n', 'problem', /does not answer as a broker of this version/],
    ['protocol', line({ protocol: 1 }), 'problem', /version 1 of the protocol/],
    ['user', line({ uid: 1000, capabilities: '80004' }), 'warning', /^user 1000: container engines/],
    ['ptrace', line({ capabilities: '4' }), 'warning', /^without CAP_SYS_PTRACE: namespaces of containers/],
    ['search', line({ capabilities: '80000' }), 'warning', /^without CAP_DAC_READ_SEARCH: control sockets/],
  ] as const;
  for (const [name, answer, outcome, observed] of cases)
    t.match(await diagnose(await peer(name, answer)), { outcome, observed }, name);
});
