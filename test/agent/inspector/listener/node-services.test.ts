import t from 'tap';
import type { Test } from 'tap';
import { listenerInspector } from '../../../../agent/inspector/listener/inspect.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../../agent/inspector/unobserved/failed-looks.ts';
import { listenersSchema } from '../../../../posture/fact/listener.ts';
import type { ListenersFact } from '../../../../posture/fact/listener.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen } from '../../../../posture/observed.ts';
import { containerdsFact, dockerFact, factsOf, noAgent, nodeFact } from '../../../fixture/facts.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { ONE_ENGINE } from '../../../fixture/one-engine.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
/** A line of proc_pid_net(5): `0100007F:094B` is 127.0.0.1:2379 on a little-endian machine. */
function table(...sockets: readonly (readonly [address: string, port: number, inode: number])[]): string {
  const lines = sockets.map(([address, port, inode], index) => {
    const hex = address === '127.0.0.1' ? '0100007F' : '00000000';
    const local = `${hex}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    return `   ${String(index)}: ${local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${String(inode)} 1 0 100 0 0 10 0`;
  });
  return `${[HEAD, ...lines].join('\n')}\n`;
}

const SOCKETS: readonly (readonly [address: string, port: number, inode: number])[] = [
  ['127.0.0.1', 2379, 11],
  ['0.0.0.0', 2380, 12],
  ['127.0.0.1', 2381, 13],
  ['0.0.0.0', 9000, 14],
  ['127.0.0.1', 40001, 21],
  ['0.0.0.0', 4999, 22],
  ['127.0.0.1', 1338, 23],
];
const TCP = table(...SOCKETS);
const ETCD: Tree = {
  ...processTree(30, {
    comm: 'etcd',
    exe: '/usr/local/bin/etcd',
    cmdline: 'etcd\0--listen-metrics-urls=http://0.0.0.0:9000\0',
    cgroup: `0::/kubepods/cri-containerd-${'a'.repeat(64)}.scope\n`,
    sockets: [11, 12, 13, 14],
  }),
  '/proc/30/net/tcp': TCP,
  '/proc/1/net/tcp': TCP,
};
const CONTAINERD: Tree = {
  '/usr/bin/containerd': '',
  ...processTree(70, { comm: 'containerd', exe: '/usr/bin/containerd', sockets: [21, 22, 23] }),
  '/proc/70/net/tcp': TCP,
};

async function listenersOf(
  t: Test,
  tree: Tree,
  overrides: Partial<Facts> = {},
): Promise<{ fact: ListenersFact; probed: readonly string[] }> {
  const probed: string[] = [];
  const access = {
    host: treeHost(t, { ...NODE_TREE, ...tree }),
    runtime: await serveDocker(t, {}),
    prober: {
      origin: () => Promise.resolve({ namespace: null, nodeAddress: '' }),
      probe: (address: string, port: number, service = 'docker') => {
        probed.push(`${service} ${address} ${String(port)}`);
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
  const docker = dockerFact({ process: absent('/proc'), present: absent('/usr/bin/dockerd') });
  const fact = await listenerInspector.inspect(access, factsOf({ docker, ...overrides }));
  t.ok(listenersSchema.parse(fact).ok);
  return { fact, probed };
}
const shown = (fact: ListenersFact): unknown =>
  fact.state === 'seen' && fact.value.map(({ service, id }) => `${service} ${id}`).sort();

t.test('etcd in a pod: clients, peers and metrics', async (t) => {
  const { fact, probed } = await listenersOf(t, ETCD);
  t.same(shown(fact), [
    'etcd tcp:0.0.0.0:2380',
    'etcd tcp:127.0.0.1:2379',
    'etcdMetrics tcp:0.0.0.0:9000',
    'etcdMetrics tcp:127.0.0.1:2381',
  ]);
  // Metrics on loopback are as they should be: nothing is sent there.
  t.same([...probed].sort(), ['etcd 127.0.0.1 2379', 'etcd 127.0.0.1 2380', 'etcdMetrics 127.0.0.1 9000']);
});

t.test('etcd in a network of its own is not on the node', async (t) => {
  const elsewhere = processTree(30, { comm: 'etcd', exe: '/etcd', namespaces: { net: 7 }, sockets: [11] });
  t.match((await listenersOf(t, { ...ETCD, ...elsewhere })).fact, { state: 'absent' });
});

t.test('a process that calls itself etcd hides no other', async (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`/proc/31/fd/${String(index)}`, `-> socket:[${String(100 + index)}]`]),
  );
  const sockets = Array.from({ length: 40 }, (_, index) => ['0.0.0.0', 20_000 + index, 100 + index] as const);
  const { fact } = await listenersOf(t, {
    ...ETCD,
    ...processTree(31, { comm: 'etcd', exe: '/tmp/x', status: { Uid: '1000\t1000\t1000\t1000' } }),
    ...many,
    '/proc/1/net/tcp': table(...SOCKETS, ...sockets),
  });
  t.ok(fact.state === 'seen' && fact.value.some(({ id }) => id === 'tcp:127.0.0.1:2379'));
  t.equal(fact.state === 'seen' && fact.value.length, 4 + 16);
});

t.test('sockets of etcd that cannot be read: its usual ports are unknown', async (t) => {
  const { fact } = await listenersOf(t, {
    ...processTree(30, { comm: 'etcd', exe: '/etcd' }),
    '/proc/30/net/tcp': TCP,
    '/proc/30/fd': '-> /proc/30/fd',
    '/proc/1/net/tcp': TCP,
  });
  t.match(fact, { state: 'seen' });
  for (const { probe } of fact.state === 'seen' ? fact.value : []) t.match(probe, { state: /unreadable|absent/ });
});

t.test('containerd: its API on TCP, and the streaming server', async (t) => {
  const config = '/etc/containerd/config.toml';
  const containerds = containerdsFact({
    daemons: seen(
      [
        {
          pid: 70,
          executable: '/usr/bin/containerd',
          package: absent('/var/lib/dpkg/status'),
          config,
          version: 2,
          files: [config],
          hasCri: true,
          settings: {
            'grpc.tcp_address': seen('0.0.0.0:4999', config),
            'metrics.address': seen('127.0.0.1:1338', config),
          },
          runtimes: seen([], config),
          insecureRegistries: seen([], config),
          proxyPlugins: seen([], config),
          disabledPlugins: seen([], config),
          credentialFiles: [],
        },
      ],
      '/proc',
    ),
  });
  const { fact, probed } = await listenersOf(t, CONTAINERD, { containerds });
  t.same(shown(fact), ['containerd tcp:0.0.0.0:4999', 'streaming tcp:127.0.0.1:40001']);
  t.same(probed, ['containerd 127.0.0.1 4999']);
});
