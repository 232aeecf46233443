import t from 'tap';
import type { Test } from 'tap';
import { observeContainer } from '../../../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import { seen } from '../../../../posture/observed.ts';
import { recordedInspect, recordedText } from '../../../fixture/inspector/read.ts';
import { INITIAL, namespaceLinks, statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';
import { accessOf } from '../../hostile/weak-node.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';

/*
 * A container that is looked at again: what was seen of it is taken only where every file still says the same. What an
 * access without any memory sees is what is right.
 */

const INSPECT = recordedInspect('default');
const ID = String(INSPECT['Id']);
const CGROUP = `/sys/fs/cgroup/docker/${ID}`;
const STATUS = recordedText('proc/default/status');

const NODE: Tree = {
  '/proc/1/mountinfo': '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
  '/proc/2/status': statusWith({ Name: 'kthreadd', PPid: '0' }).replaceAll(/^Vm.*\n/gm, ''),
  ...namespaceLinks(1, INITIAL),
  '/proc/100/status': STATUS,
  '/proc/100/cgroup': `0::/docker/${ID}\n`,
  '/proc/100/mountinfo': recordedText('proc/default/mountinfo'),
  '/proc/100/uid_map': recordedText('proc/default/uid_map'),
  ...namespaceLinks(100, { ...INITIAL, net: 4026532184, pid: 4026532183 }),
  '/proc/101/status': statusWith({ Name: 'worker', Pid: '101' }),
  [`${CGROUP}/cgroup.procs`]: '100\n',
  [`${CGROUP}/cgroup.stat`]: 'nr_descendants 0\nnr_dying_descendants 0\n',
  [`${CGROUP}/memory.max`]: 'max\n',
  [`${CGROUP}/pids.max`]: '100\n',
  '/sys/fs/cgroup/docker/memory.max': 'max\n',
};

interface Looked {
  readonly host: TreeHost;
  /** Looks with the memory of the looks before. */
  readonly again: () => Promise<ContainerFact>;
  /** Looks without any memory. */
  readonly fresh: () => Promise<ContainerFact>;
}

async function lookedAt(t: Test): Promise<Looked> {
  const host = treeHost(t, NODE);
  const inspect = { ...INSPECT, State: { ...(INSPECT['State'] as object), Pid: 100, Running: true } };
  const runtime = await serveDocker(t, { [`/containers/${ID}/json`]: inspect });
  const access = (): NodeAccess => ({ ...accessOf(host, runtime), runtime });
  const look = async (from: NodeAccess, before: ContainerFact | undefined): Promise<ContainerFact> => {
    const known = before === undefined ? {} : { containers: seen([before], 'test') };
    const observed = await observeContainer(from, known, ID);
    if (observed.state !== 'seen') throw new Error(observed.state);
    return observed.value;
  };
  const remembering = access();
  let last: ContainerFact | undefined;
  return {
    host,
    // The node around it is read anew each time, which else is read once for a burst of events.
    again: async () =>
      (last = await look({ ...remembering, cache: { ...remembering.cache, memoizeFor: (_, read) => read() } }, last)),
    fresh: () => look(access(), undefined),
  };
}

t.test('nothing changed: the very same fact', async (t) => {
  const { again, fresh } = await lookedAt(t);
  const first = await again();
  t.strictSame(first, await fresh());
  t.match(first, { pidsMax: { value: 100 }, processes: { value: 1 }, seccomp: { value: { mode: 'filter' } } });
  t.equal(await again(), first);
});

t.test('a map of users that is not written yet', async (t) => {
  const { host, again, fresh } = await lookedAt(t);
  host.replace({ '/proc/100/uid_map': '' });
  const first = await again();
  t.strictSame(first, await fresh());
  host.replace({ '/proc/100/uid_map': '         0     100000      65536\n' });
  t.strictSame(await again(), await fresh());
  t.not(await again(), first);
});

t.test('counters and sizes of a process are no change', async (t) => {
  const { host, again } = await lookedAt(t);
  const first = await again();
  const busy = {
    VmRSS: '    9999 kB',
    voluntary_ctxt_switches: '123456',
    State: 'R (running)',
    Cpus_allowed_list: '0',
  };
  host.replace({ '/proc/100/status': statusWith(busy) });
  t.equal(await again(), first);
});

const CHANGES: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  'no filter any more': { '/proc/100/status': statusWith({ Seccomp: '0', Seccomp_filters: '0' }) },
  'one filter more': { '/proc/100/status': statusWith({ Seccomp_filters: '2' }) },
  'another capability': { '/proc/100/status': statusWith({ CapEff: '00000000a80425ff' }) },
  no_new_privs: { '/proc/100/status': statusWith({ NoNewPrivs: '1' }) },
  'another user': { '/proc/100/status': statusWith({ Uid: '7\t7\t7\t7' }) },
  'another program': { '/proc/100/status': statusWith({ Name: 'miner' }) },
  'a status that is not understood': { '/proc/100/status': 'nothing\n' },
  'one process more': { [`${CGROUP}/cgroup.procs`]: '100\n101\n' },
  'one mount more': {
    '/proc/100/mountinfo': `${recordedText('proc/default/mountinfo')}999 998 8:1 / /host rw - ext4 /dev/sda1 rw\n`,
  },
  'a mount table that is gone': { '/proc/100/mountinfo': undefined },
  'a user namespace': {
    '/proc/100/uid_map': '         0     100000      65536\n',
    '/proc/100/ns/user': '-> user:[4026532777]',
  },
  'the network of the node': { '/proc/100/ns/net': `-> net:[${String(INITIAL.net)}]` },
  'a node with another network': { '/proc/1/ns/ipc': '-> ipc:[4026532999]' },
  'its own limit': { [`${CGROUP}/pids.max`]: 'max\n' },
  'a limit above': { '/sys/fs/cgroup/docker/memory.max': '1073741824\n' },
  'a limit above that cannot be read': { '/sys/fs/cgroup/docker/memory.max': 'much\n' },
};

for (const [name, change] of Object.entries(CHANGES))
  t.test(`seen at the next look: ${name}`, async (t) => {
    const { host, again, fresh } = await lookedAt(t);
    const first = await again();
    t.equal(await again(), first);
    host.replace(change);
    const changed = await again();
    t.not(changed, first);
    t.strictSame(changed, await fresh());
    t.equal(await again(), changed, 'and from then on it is that');
    const back = Object.keys(change).map((path) => [path, NODE[path] as string | undefined] as const);
    host.replace(Object.fromEntries(back));
    t.strictSame(await again(), first, 'and back');
  });

/** `/proc/net/tcp` with sockets in these states: `0A` listens, `01` is connected. Addresses as on a little-endian machine. */
const tcpTable = (...sockets: readonly (readonly [port: number, state: string, inode: number])[]): string =>
  [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    ...sockets.map(
      ([port, state, inode]) =>
        `   0: 00000000:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${String(inode)} 1 0000000000000000 100 0 0 10 0`,
    ),
    '',
  ].join('\n');

t.test('ports of the node that a container in its network listens on', async (t) => {
  const { host, again, fresh } = await lookedAt(t);
  t.match((await again()).hostPorts, { state: 'absent' }, 'a network of its own');
  host.replace({
    '/proc/100/ns/net': `-> net:[${String(INITIAL.net)}]`,
    '/proc/1/net/tcp': tcpTable([22, '0A', 70]),
    '/proc/1/net/tcp6': tcpTable(),
    '/proc/1/fd/3': '-> socket:[70]',
    '/proc/100/fd/3': '-> socket:[80]',
    '/proc/100/fd/4': '-> socket:[81]',
    '/proc/100/fd/5': '-> socket:[82]',
  });
  t.match((await again()).hostPorts, { state: 'seen', value: [] }, 'sshd is not its process');
  // It starts to listen: no event of the engine, and none of its own files changes.
  host.replace({ '/proc/1/net/tcp': tcpTable([22, '0A', 70], [80, '0A', 80], [81, '01', 81], [8080, '0A', 82]) });
  const listening = await again();
  t.match(listening.hostPorts, { value: [{ port: 80, address: '0.0.0.0', source: '/proc/100/fd' }] });
  t.strictSame(listening, await fresh());
  t.equal(await again(), listening);
  host.replace({ '/proc/1/net/tcp': tcpTable([22, '0A', 70], [8080, '0A', 82]) });
  t.match((await again()).hostPorts, { value: [] }, 'and no more');
  host.replace({ '/proc/1/net/tcp': undefined });
  t.not((await again()).hostPorts.state, 'seen');
});

t.test('a container cannot hide a port behind other open files', async (t) => {
  const { host, fresh } = await lookedAt(t);
  const others = Array.from(
    { length: 17_000 },
    (_, index) => [`/proc/100/fd/${String(index)}`, '-> /dev/null'] as const,
  );
  host.replace({
    ...Object.fromEntries(others),
    '/proc/100/ns/net': `-> net:[${String(INITIAL.net)}]`,
    '/proc/1/net/tcp': tcpTable([80, '0A', 80]),
    '/proc/1/net/tcp6': tcpTable(),
    '/proc/100/fd/17000': '-> socket:[80]',
  });
  t.match((await fresh()).hostPorts, { state: 'unreadable', reason: /more than 16384 open files/ });
});
