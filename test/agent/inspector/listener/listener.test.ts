import t from 'tap';
import type { Test } from 'tap';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../../agent/inspector/unobserved/failed-looks.ts';
import { apiListeners, streamPorts } from '../../../../agent/inspector/listener/choose.ts';
import { listenerInspector } from '../../../../agent/inspector/listener/inspect.ts';
import type { ProbeOrigin } from '../../../../agent/probe/prober.ts';
import { parseTcpListeners } from '../../../../agent/inspector/proc/proc-net-tcp.ts';
import { listenersSchema } from '../../../../posture/fact/listener.ts';
import type { ListenersFact } from '../../../../posture/fact/listener.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { containerFact } from '../../../fixture/container.ts';
import { dockerApi, dockerFact, factsOf, noAgent, nodeFact } from '../../../fixture/facts.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { ONE_ENGINE } from '../../../fixture/one-engine.ts';

const HELD = parseTcpListeners(`${recordedText('net/tcp')}${recordedText('net/tcp6')}`);

t.test('which of the ports that dockerd holds are its API', (t) => {
  const ports = (
    docker = dockerFact(),
    published: readonly number[] = [],
    activated: readonly number[] = [],
  ): number[] => {
    const declared = {
      ports: published.map((hostPort) => ({ containerPort: '80/tcp', hostIp: '0.0.0.0', hostPort })),
    };
    const question = { docker, containers: [containerFact({ declared })], activatedPorts: activated };
    const found = new Set(apiListeners(HELD, question).map(({ port }) => port));
    return [...found].toSorted((one, other) => one - other);
  };
  t.same(ports(), [2024, 2222, 4243, 4244, 4245], 'a port that nothing explains may be the API');
  t.same(ports(dockerFact(), [2024, 4243]), [2222, 4244, 4245], 'published ports of containers are not');
  t.same(ports(dockerFact(), [2024], [2024]), [2024, 2222, 4243, 4244, 4245], 'unless docker.socket opens it');
  const told = (
    flags: Readonly<Record<string, readonly string[]>>,
    swarm = 'inactive',
  ): ReturnType<typeof dockerFact> =>
    dockerFact({
      api: dockerApi({ swarm }),
      process: seen({ pid: 7, uid: 0, startedAtMs: 0, executable: '', flags, environment: {} }, '/proc/7'),
    });
  t.same(ports(told({ 'metrics-addr': ['127.0.0.1:4243'] })), [2024, 2222, 4244, 4245]);
  t.same(ports(told({ host: ['tcp://127.0.0.1:4243/'] }), [4243]), [2024, 2222, 4243, 4244, 4245]);
  t.end();
});

t.test('streams of a socket unit', (t) => {
  t.same(
    streamPorts(['/run/docker.sock', '2375', '127.0.0.1:2376', '[::1]:2377', '@abstract', 'vsock:2:99']),
    [2375, 2376, 2377],
  );
  t.end();
});

const TABLES: Tree = {
  '/proc/812/net/tcp': recordedText('net/tcp'),
  '/proc/812/net/tcp6': recordedText('net/tcp6'),
  // Of 127.0.0.1:4243 and [::]:4245.
  '/proc/812/fd/3': '-> socket:[102772]',
  '/proc/812/fd/4': '-> socket:[102774]',
  '/proc/812/fd/5': '-> /dev/null',
};

async function listenersOf(
  t: Test,
  tree: Tree,
  facts: Facts,
  origin: ProbeOrigin = { namespace: null, nodeAddress: '' },
): Promise<{ fact: ListenersFact; probed: readonly string[] }> {
  const probed: string[] = [];
  const access = {
    // A node shows its first process.
    host: treeHost(t, { '/proc/1/comm': 'systemd\n', ...tree }),
    runtime: await serveDocker(t, {}),
    prober: {
      origin: () => Promise.resolve(origin),
      probe: (address: string, port: number) => {
        probed.push(`${address} ${String(port)}`);
        return Promise.resolve({ ok: false as const, reason: 'refused' });
      },
    },
    inventory: () => Promise.resolve(nodeFact()),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    failedLooks: createFailedLooks(),
    now: () => 0,
  };
  const fact = await listenerInspector.inspect(access, facts);
  t.ok(listenersSchema.parse(fact).ok);
  return { fact, probed };
}

t.test('ports that dockerd holds are probed, wildcards at loopback', async (t) => {
  const { fact, probed } = await listenersOf(t, TABLES, factsOf());
  t.match(fact, {
    state: 'seen',
    value: [
      {
        id: 'tcp:127.0.0.1:4243',
        port: 4243,
        loopback: true,
        pid: 812,
        probe: { state: 'unreadable', reason: 'refused' },
      },
      { id: 'tcp:[::]:4245', address: '::', loopback: false },
    ],
  });
  t.same([...probed].sort(), ['127.0.0.1 4243', '127.0.0.1 4245', '::1 4245']);
});

t.test('a rootless dockerd has a network of its own: its ports cannot be reached', async (t) => {
  const links = { '/proc/1/ns/net': '-> net:[1]', '/proc/812/ns/net': '-> net:[2]' };
  const origin = { namespace: 1, nodeAddress: '192.0.2.7' };
  const { fact, probed } = await listenersOf(t, { ...TABLES, ...links }, factsOf(), origin);
  t.match(fact, { value: [{ probe: { state: 'unreadable', reason: /network namespace/ } }, {}] });
  t.same(probed, []);
});

t.test('an agent in a pod probes the address of the node, and cannot probe loopback', async (t) => {
  const links = { '/proc/1/ns/net': '-> net:[1]', '/proc/812/ns/net': '-> net:[1]' };
  const origin = { namespace: 2, nodeAddress: '192.0.2.7' };
  const { fact, probed } = await listenersOf(t, { ...TABLES, ...links }, factsOf(), origin);
  t.match(fact, {
    value: [
      { id: 'tcp:127.0.0.1:4243', loopback: true, probe: { state: 'unreadable', reason: /loopback/ } },
      { id: 'tcp:[::]:4245', probe: { state: 'unreadable', reason: 'refused' } },
    ],
  });
  t.same(probed, ['192.0.2.7 4245']);
  const unreachable = await listenersOf(t, { ...TABLES, ...links }, factsOf(), { ...origin, nodeAddress: '' });
  t.same(unreachable.probed, [], 'without an address of the node nothing is probed');
  t.match(unreachable.fact, { value: [{}, { probe: { state: 'unreadable', reason: /network namespace/ } }] });
});

t.test('what cannot be seen is not "no port"', async (t) => {
  const { '/proc/812/fd/3': _a, '/proc/812/fd/4': _b, '/proc/812/fd/5': _c, ...tables } = TABLES;
  // A descriptor directory that is a file: there, but not to be listed.
  const closed = await listenersOf(t, { ...tables, '/proc/812/fd': '' }, factsOf());
  t.match(closed.fact, { state: 'unreadable', source: '/proc/812/fd' });
  const hidden = factsOf({ docker: dockerFact({ process: unreadable('/proc', 'hidden') }) });
  t.match((await listenersOf(t, {}, hidden)).fact, { state: 'unreadable', reason: 'hidden' });
});

t.test('no Docker, and a socket unit that opens a port for it', async (t) => {
  const gone = factsOf({ docker: dockerFact({ present: absent('unix:///x'), process: absent('/proc') }) });
  const tree: Tree = { '/proc/1/net/tcp': recordedText('net/tcp') };
  t.match((await listenersOf(t, tree, gone)).fact, { state: 'absent' });
  const activated: Tree = { ...tree, '/etc/systemd/system/docker.socket': '[Socket]\nListenStream=127.0.0.1:4243\n' };
  t.match((await listenersOf(t, activated, gone)).fact, { value: [{ port: 4243, pid: 1 }] });
  const both = await listenersOf(
    t,
    { ...TABLES, '/etc/systemd/system/docker.socket': '[Socket]\nListenStream=4243\n' },
    factsOf(),
  );
  t.match(both.fact, { value: [{ port: 4243, pid: 812 }, { port: 4245 }] }, 'each socket once');
});
