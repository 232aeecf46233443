import t from 'tap';
import { findProcesses } from '../../../../agent/inspector/container/processes.ts';
import type { ContainerProcesses } from '../../../../agent/inspector/container/processes.ts';
import { parseProcCgroup } from '../../../../agent/inspector/proc/cgroup.ts';
import type { CgroupMount } from '../../../../agent/inspector/proc/cgroup.ts';
import { readNamespaceMembers } from '../../../../agent/inspector/proc/namespace-members.ts';
import type { NamespaceMembers } from '../../../../agent/inspector/proc/namespace-members.ts';
import { seen } from '../../../../posture/observed.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { readProcessCgroups } from '../../../../agent/inspector/proc/process-cgroups.ts';
import type { Host } from '../../../../agent/host/host.ts';
import { namespaceLinks, statusWith, treeHost } from '../../../fixture/inspector/tree.ts';

const ID = 'ab'.repeat(32);
const NO_MEMBERS: NamespaceMembers = {
  processes: new Map(),
  namespaceOf: new Map(),
  deadLeaders: new Map(),
  problem: undefined,
};
const UNIFIED: readonly CgroupMount[] = [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/' }];

function find(
  host: Host,
  cgroupText: string,
  mounts: readonly CgroupMount[],
  members = NO_MEMBERS,
): Promise<ContainerProcesses> {
  const cache = createParseCache({ enabled: false });
  return findProcesses(host, {
    id: ID,
    init: 100,
    cgroupText,
    entries: parseProcCgroup(cgroupText),
    mounts,
    members,
    processesByContainer: () => readProcessCgroups({ host, cache }),
  });
}

t.test('version 2: the cgroup of the container and those below it', async (t) => {
  const top = `/sys/fs/cgroup/system.slice/docker-${ID}.scope`;
  const host = treeHost(t, {
    [`${top}/cgroup.procs`]: '',
    [`${top}/cgroup.stat`]: 'nr_descendants 2\nnr_dying_descendants 0\n',
    [`${top}/memory.max`]: 'max\n',
    // Named like a file of a controller, to hide from those who go by names.
    [`${top}/memory.hidden/cgroup.procs`]: '100\n102\n',
    [`${top}/memory.hidden/cgroup.stat`]: 'nr_descendants 1\n',
    [`${top}/memory.hidden/deep/cgroup.procs`]: '103\n',
    [`${top}/memory.hidden/deep/cgroup.stat`]: 'nr_descendants 0\n',
  });
  const found = await find(host, `0::/system.slice/docker-${ID}.scope/memory.hidden\n`, UNIFIED);
  t.same(
    found.pids.toSorted((one, other) => one - other),
    [100, 102, 103],
    'the search starts at the top of the container',
  );
  t.match(found, { isComplete: true, source: `${top}/cgroup.procs` });
});

t.test('version 1', async (t) => {
  const top = `/sys/fs/cgroup/pids/docker/${ID}`;
  const host = treeHost(t, {
    [`${top}/cgroup.procs`]: '100\n101\n',
    [`${top}/tasks`]: '100\n101\n',
    [`${top}/below/cgroup.procs`]: '105\n',
  });
  const mounts = [{ controllers: ['pids'], mountPoint: '/sys/fs/cgroup/pids', root: '/' }];
  const found = await find(host, `8:pids:/docker/${ID}\n`, mounts);
  t.match(found, { pids: [100, 101, 105], isComplete: true, source: `${top}/cgroup.procs` });
  t.equal(found.pids.length, 3);
});

t.test('processes that our pid namespace does not show are not counted as seen', async (t) => {
  const host = treeHost(t, {
    [`/sys/fs/cgroup/${ID}/cgroup.procs`]: '0\n100\n',
    [`/sys/fs/cgroup/${ID}/cgroup.stat`]: 'nr_descendants 0\n',
  });
  t.match(await find(host, `0::/${ID}\n`, UNIFIED), { pids: [100], isComplete: false });
});

t.test('without cgroup files: descendants, and what docker exec put beside them', async (t) => {
  const cgroup = '0::/user.slice\n';
  const process = (pid: number, children: string): Record<string, string> => ({
    [`/proc/${String(pid)}/status`]: statusWith({ PPid: '50' }),
    [`/proc/${String(pid)}/cgroup`]: cgroup,
    [`/proc/${String(pid)}/task/${String(pid)}/children`]: children,
  });
  const namespaces = { mnt: 5, pid: 6 };
  const host = treeHost(t, {
    ...process(1, '50 '),
    ...namespaceLinks(100, namespaces),
    ...process(50, '100 110 120 '),
    ...process(100, '101 '),
    ...process(101, ''),
    ...process(110, '111 '),
    ...process(111, ''),
    ...process(120, ''),
    '/proc/120/cgroup': '0::/another\n',
  });
  const found = await find(host, cgroup, []);
  t.same(
    found.pids.toSorted((one, other) => one - other),
    [100, 101, 110, 111],
  );
  t.ok(found.isComplete);
});

t.test('with nothing to go by: the first process alone, and not complete', async (t) => {
  const host = treeHost(t, { '/proc/100/status': statusWith({}), '/proc/100/task/100/status': statusWith({}) });
  t.match(await find(host, '', []), { pids: [100], isComplete: false });
});

t.test('a cgroup that does not name the container is not taken for it', async (t) => {
  const host = treeHost(t, {
    '/sys/fs/cgroup/shared/cgroup.procs': '100\n7\n8\n',
    '/proc/100/status': statusWith({ PPid: '1' }),
    '/proc/100/task/100/children': '',
  });
  t.same((await find(host, '0::/shared\n', UNIFIED)).pids, [100]);
});

t.test('too many cgroups below: not complete', async (t) => {
  const top = `/sys/fs/cgroup/${ID}`;
  const below = Array.from({ length: 300 }, (_, index) => [`${top}/c${String(index)}/cgroup.procs`, '']);
  const host = treeHost(t, {
    [`${top}/cgroup.procs`]: '100\n',
    ...(Object.fromEntries(below) as Record<string, string>),
  });
  t.match(await find(host, `0::/${ID}\n`, UNIFIED), { pids: [100], isComplete: false });
});

/** `/proc/PID` of a process in these cgroups and namespaces. */
function process(
  pid: number,
  cgroup: string,
  namespaces: Readonly<Record<string, number>>,
  children = '',
): Record<string, string> {
  const directory = `/proc/${String(pid)}`;
  return {
    [`${directory}/status`]: statusWith({ PPid: '1' }),
    [`${directory}/comm`]: 'sleep\n',
    [`${directory}/cgroup`]: cgroup,
    [`${directory}/task/${String(pid)}/children`]: children,
    ...(namespaceLinks(pid, namespaces) as Record<string, string>),
  };
}

/** In a tree whose node has the mount namespace 1. */
const membersOf = (host: Host): Promise<NamespaceMembers> =>
  readNamespaceMembers({ host, cache: createParseCache({ enabled: false }) }, seen(1, '/proc/1/ns/mnt'));

t.test('the first process has left the cgroup of the container', async (t) => {
  const own = { mnt: 5, pid: 6 };
  const of = (...cgroups: readonly string[]): string => cgroups.map((line) => `${line}\n`).join('');
  const parents: readonly (readonly [string, string])[] = [
    ['Docker, cgroupfs', of(`8:pids:/docker/${ID}`, '0::/')],
    ['Docker, systemd', of(`0::/system.slice/docker-${ID}.scope`)],
    ['a parent of its own', of(`0::/shop.slice/shop-db.slice/docker-${ID}.scope`)],
    ['Podman', of(`0::/machine.slice/libpod-${ID}.scope/container`)],
    ['containerd', of(`0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-${ID}.scope`)],
    ['CRI-O', of(`8:pids:/kubepods/burstable/pod1/crio-${ID}`)],
  ];
  for (const [name, session] of parents) {
    const host = treeHost(t, {
      ...process(1, '0::/init.scope\n', { mnt: 1, pid: 2 }, '100 '),
      ...process(100, '0::/\n', own, '101 '),
      ...process(101, '0::/\n', { mnt: 7, pid: 6 }),
      // In the cgroup that the engine made, with namespaces of its own.
      ...process(110, session, { mnt: 8, pid: 9 }, '111 '),
      ...process(111, '0::/\n', { mnt: 8, pid: 9 }),
      // In the namespaces alone.
      ...process(120, '0::/user.slice\n', own),
      ...process(130, '0::/\n', { mnt: 1, pid: 2 }),
      ...process(140, `0::/docker/${'cd'.repeat(32)}\n`, { mnt: 10, pid: 6 }),
    });
    const found = await find(host, '0::/\n', UNIFIED, await membersOf(host));
    t.same(
      found.pids.toSorted((one, other) => one - other),
      [100, 101, 110, 111, 120],
      name,
    );
    t.ok(found.isComplete, name);
    host.replace({ '/proc/1/status': undefined, '/proc/1/cgroup': undefined });
    t.match(
      await find(
        {
          ...host,
          list: (path, limits) =>
            path === '/proc'
              ? Promise.resolve({ ok: false, code: 'denied', reason: 'hidden' })
              : host.list(path, limits),
        },
        '0::/\n',
        UNIFIED,
      ),
      {
        pids: [100, 101],
        isComplete: false,
      },
    );
  }
});

t.test('a process in the namespaces of the container and outside of its cgroup', async (t) => {
  const top = `/sys/fs/cgroup/docker/${ID}`;
  const own = { mnt: 5, pid: 6 };
  const host = treeHost(t, {
    [`${top}/cgroup.procs`]: '100\n',
    [`${top}/cgroup.stat`]: 'nr_descendants 0\n',
    ...process(100, `0::/docker/${ID}\n`, own),
    ...process(200, '0::/user.slice\n', own),
    ...process(201, '0::/user.slice\n', { mnt: 5, pid: 2 }),
    '/proc/202/status': statusWith({ State: 'Z (zombie)', Threads: '2' }),
    '/proc/202/task/203/status': statusWith({}),
    ...(namespaceLinks('202/task/203', own) as Record<string, string>),
  });
  const members: NamespaceMembers = {
    processes: new Map([[5, [100, 200, 201, 202, 299]]]),
    namespaceOf: new Map([100, 200, 201, 202, 299].map((pid) => [pid, 5])),
    deadLeaders: new Map([[202, '/proc/202/task/203']]),
    problem: undefined,
  };
  const found = await find(host, `0::/docker/${ID}\n`, UNIFIED, members);
  t.match(found, { pids: [100, 200, 202], isComplete: true });
  host.replace({ '/proc/200/ns/mnt': undefined });
  t.match((await found.listAgain(false)).pids, [100, 202], 'one that ended');
  const hidden = await find(host, `0::/docker/${ID}\n`, UNIFIED, { ...NO_MEMBERS, problem: 'hidden' });
  t.match(hidden, { pids: [100], isComplete: false });
});
