import t from 'tap';
import { findProcesses } from '../../../../agent/inspector/container/processes.ts';
import type { ContainerProcesses } from '../../../../agent/inspector/container/processes.ts';
import { parseProcCgroup } from '../../../../agent/inspector/proc/cgroup.ts';
import type { CgroupMount } from '../../../../agent/inspector/proc/cgroup.ts';
import type { Host } from '../../../../agent/host/host.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';

const ID = 'ab'.repeat(32);
const UNIFIED: readonly CgroupMount[] = [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/' }];

function find(host: Host, cgroupText: string, mounts: readonly CgroupMount[]): Promise<ContainerProcesses> {
  return findProcesses(host, { id: ID, init: 100, cgroupText, entries: parseProcCgroup(cgroupText), mounts });
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
  const host = treeHost(t, {
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
