import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../../agent/host/linux.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { servedEndpoints } from '../../../../agent/runtime/docker/served-endpoints.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import type { MadeProcess } from '../../../fixture/inspector/daemon.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';
import { noDockerd, startDockerd } from './own-dockerd.ts';
import type { Test } from 'tap';
import type { Host } from '../../../../agent/host/host.ts';

interface FakeProcess extends Omit<MadeProcess, 'cmdline'> {
  readonly cmdline: readonly string[];
  /** Paths that a socket of it is bound to. */
  readonly bound?: readonly string[];
}

const USUAL = '/run/docker.sock';

/** A node of files: processes by pid, and daemon.json where it has one. */
function node(t: Test, processes: Readonly<Record<string, FakeProcess>>, daemonJson?: string): TreeHost {
  const tree: Tree[] = [];
  for (const [pid, { cmdline, bound = [USUAL], ...made }] of Object.entries(processes)) {
    const inodes = bound.map((_, index) => Number(pid) * 100 + index);
    const line = (path: string, index: number): string =>
      `00000000de66e4c4: 00000002 00000000 00010000 0001 01 ${String(inodes[index])} ${path}\n`;
    const words = cmdline.map((word) => `${word}\0`).join('');
    tree.push(
      processTree(Number(pid), { sockets: inodes, unix: bound.map(line).join(''), cmdline: words, ...made }),
      Object.fromEntries(bound.map((path) => [path, ''])),
    );
  }
  const file = daemonJson === undefined ? {} : { '/etc/docker/daemon.json': daemonJson };
  return treeHost(t, Object.assign({}, NODE_TREE, file, ...tree));
}

const served = async (host: Host, asked: readonly string[] = []): Promise<readonly string[]> =>
  (await servedEndpoints({ host, cache: createParseCache() }, new Set(asked))) ?? ['processes are not visible'];

/** The first engine where nobody names one. */
const choose = async (host: Host): Promise<string> => (await served(host))[0] ?? 'unix:///var/run/docker.sock';

void t.test('one endpoint of each dockerd that is not asked already', async (t) => {
  const host = node(t, {
    '5': {
      cmdline: ['dockerd', '-H', 'tcp://0.0.0.0:2376', '-H', 'unix:///run/five.sock'],
      bound: ['/run/five.sock'],
    },
    '6': { cmdline: ['dockerd'] },
    '7': { cmdline: ['dockerd', '-H', 'tcp://0.0.0.0:2377'], bound: [] },
  });
  const [usual, five, seven] = [
    'unix:///var/run/docker.sock',
    'unix:///run/five.sock',
    'tcp://127.0.0.1:2377',
  ] as const;
  t.strictSame(await served(host), [usual, five, seven]);
  t.strictSame(await served(host, ['unix:///run/docker.sock']), [five, seven], 'another name of the same socket');
  t.strictSame(await served(host, ['unix:///run/five.sock']), [usual, seven]);
  t.strictSame(await served(host, ['tcp://localhost:2377', 'unix:///typo']), [usual, five]);
});

void t.test('ways in which dockerd is told', async (t) => {
  const usual = 'unix:///var/run/docker.sock';
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['-H', 'unix:///x.sock'], 'unix:///x.sock'],
    [['-Hunix:///x.sock'], 'unix:///x.sock'],
    [['-H=unix:///x.sock'], 'unix:///x.sock'],
    [['--host', 'unix:///x.sock'], 'unix:///x.sock'],
    [['--host=unix:///x.sock'], 'unix:///x.sock'],
    [['-H', 'tcp://0.0.0.0:2375', '-H', 'unix:///x.sock'], 'unix:///x.sock'],
    [['-H', 'fd://', '--containerd=/run/containerd/containerd.sock'], usual],
    [['-H', 'unix://'], usual],
    [['-H', 'tcp://0.0.0.0:2375'], 'tcp://127.0.0.1:2375'],
    [['-H', 'tcp://:2376'], 'tcp://127.0.0.1:2376'],
    [['-H', 'tcp://[::]:2376'], 'tcp://[::1]:2376'],
    [['-H'], usual],
    [[], usual],
  ];
  for (const [index, [flags, expected]] of cases.entries()) {
    await t.test(flags.join(' ') || 'no flag', async (t) => {
      const dockerd = { cmdline: ['/usr/bin/dockerd', ...flags], bound: [USUAL, '/x.sock'] };
      t.equal(await choose(node(t, { [String(index + 2)]: dockerd })), expected);
    });
  }
});

void t.test('hosts of the configuration file', async (t) => {
  const plain = { '9': { cmdline: ['dockerd'], bound: ['/j.sock'] } };
  await t.test('are used', async (t) => {
    t.equal(await choose(node(t, plain, '{"hosts":["unix:///j.sock"]}')), 'unix:///j.sock');
  });
  for (const broken of ['{', '[]', 'null', '{"hosts":7}', '{"hosts":[7]}']) {
    await t.test(`say nothing in ${broken}`, async (t) => {
      t.equal(await choose(node(t, plain, broken)), 'unix:///var/run/docker.sock');
    });
  }
  await t.test('are not used where others can write it', async (t) => {
    const host = node(t, plain, '{"hosts":["unix:///j.sock"]}');
    chmodSync(join(host.root, 'etc/docker'), 0o777);
    t.equal(await choose(host), 'unix:///var/run/docker.sock');
  });
});

void t.test('which of several', async (t) => {
  await t.test('the one at the usual place', async (t) => {
    const host = node(t, {
      '10': { cmdline: ['dockerd', '-H', 'unix:///tmp/build.sock'], bound: ['/tmp/build.sock'] },
      '11': { cmdline: ['dockerd', '-H', 'unix:///run/docker.sock'] },
    });
    t.equal(await choose(host), 'unix:///var/run/docker.sock');
  });
  await t.test('otherwise the first', async (t) => {
    const host = node(t, {
      '10': { cmdline: ['dockerd', '-H', 'unix:///tmp/ten.sock'], bound: ['/tmp/ten.sock'] },
      '9': { cmdline: ['dockerd', '-H', 'unix:///tmp/nine.sock'], bound: ['/tmp/nine.sock'] },
    });
    t.equal(await choose(host), 'unix:///tmp/nine.sock');
  });
  await t.test('a process that only calls itself dockerd is none', async (t) => {
    const impostors: readonly Partial<FakeProcess>[] = [
      { namespaces: { mnt: 2 } },
      { namespaces: { user: 2 } },
      { status: { NSpid: '10\t7' } },
      { status: { Uid: '1000\t1000\t1000\t1000' } },
      { cgroup: `0::/docker/${'ab'.repeat(32)}\n` },
      { exe: '/usr/bin/socat' },
      { exe: '/home/ann/dockerd' },
      { exe: null },
      { bound: [] },
    ];
    for (const made of impostors) {
      const trap = { cmdline: ['dockerd', '-H', 'unix:///run/trap.sock'], bound: ['/run/trap.sock'], ...made };
      t.equal(await choose(node(t, { '10': trap })), 'unix:///var/run/docker.sock', JSON.stringify(made));
    }
  });
  await t.test('a socket that others can replace leads nowhere', async (t) => {
    const host = node(t, { '10': { cmdline: ['dockerd', '-H', 'unix:///srv/x.sock'], bound: ['/srv/x.sock'] } });
    t.equal(await choose(host), 'unix:///srv/x.sock');
    chmodSync(join(host.root, 'srv'), 0o777);
    t.equal(await choose(host), 'unix:///var/run/docker.sock');
  });
  await t.test('none at all', async (t) => {
    t.strictSame(await served(node(t, {})), []);
    t.strictSame(await served(createLinuxHost({ root: t.testdir({}) })), ['processes are not visible']);
  });
});

void t.test('a real dockerd is found', { skip: noDockerd }, async (t) => {
  const dockerd = await startDockerd();
  t.teardown(() => dockerd.stop());
  const endpoint = await choose(createLinuxHost());
  // Another one may run on this machine at the usual place.
  t.ok([dockerd.endpoint, 'unix:///var/run/docker.sock'].includes(endpoint) || endpoint.startsWith('unix:///'));
});
