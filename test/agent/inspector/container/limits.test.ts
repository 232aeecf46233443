import t from 'tap';
import {
  containerEntries,
  countProcessors,
  CPU_LIMIT,
  CPU_SET,
  CPU_WEIGHT,
  createLimitReader,
  effectiveLimit,
  MEMORY_LIMIT,
  parseLimit,
  parseQuota,
  PIDS_LIMIT,
} from '../../../../agent/inspector/container/limits.ts';
import { parseProcCgroup } from '../../../../agent/inspector/proc/cgroup.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

const UNIFIED = [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/' }];
const LEGACY = [
  { controllers: ['memory'], mountPoint: '/sys/fs/cgroup/memory', root: '/' },
  { controllers: ['pids'], mountPoint: '/sys/fs/cgroup/pids', root: '/' },
];

t.test('one file', (t) => {
  t.equal(parseLimit('max\n'), -1);
  t.equal(parseLimit('67108864\n'), 67108864);
  t.equal(parseLimit('9223372036854771712\n'), -1, 'version 1 with pages of 4 KiB and no limit');
  t.equal(parseLimit('9223372036854710272\n'), -1, 'and with pages of 64 KiB');
  t.equal(parseLimit('-1'), -1);
  t.equal(parseLimit('many'), undefined);
  t.end();
});

t.test('version 2: the nearest ancestor that has a limit', async (t) => {
  const host = treeHost(t, {
    '/sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope/memory.max': 'max\n',
    '/sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max': '134217728\n',
    '/sys/fs/cgroup/kubepods.slice/memory.max': '8589934592\n',
    '/sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope/pids.max': 'max\n',
  });
  const entries = parseProcCgroup('0::/kubepods.slice/pod1.slice/c1.scope\n');
  const { read } = createLimitReader(host);
  t.same(await effectiveLimit(read, MEMORY_LIMIT, UNIFIED, entries), {
    state: 'seen',
    value: 134217728,
    source: '/sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max',
  });
  t.same(await effectiveLimit(read, PIDS_LIMIT, UNIFIED, entries), {
    state: 'seen',
    value: -1,
    source: '/sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope/pids.max',
  });
});

t.test('version 1 with its own file, and no limit anywhere', async (t) => {
  const host = treeHost(t, {
    '/sys/fs/cgroup/memory/docker/c1/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/docker/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/pids/docker/c1/pids.max': '50\n',
  });
  const entries = parseProcCgroup('4:memory:/docker/c1\n8:pids:/docker/c1\n0::/docker/c1\n');
  const { read } = createLimitReader(host);
  t.match(await effectiveLimit(read, MEMORY_LIMIT, LEGACY, entries), { state: 'seen', value: -1 });
  t.match(await effectiveLimit(read, PIDS_LIMIT, LEGACY, entries), { state: 'seen', value: 50 });
});

// Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst and cgroup-v1/cpusets.rst of Linux.
t.test('quotas and lists of processors', (t) => {
  t.equal(parseQuota('max 100000\n'), -1);
  t.equal(parseQuota('-1 100000'), -1);
  t.equal(parseQuota('50000 100000\n'), 500);
  t.equal(parseQuota('150000 50000'), 3000);
  for (const text of ['', '50000', '50000 0', 'x 100000', '50000 100000 1']) t.equal(parseQuota(text), undefined, text);
  t.equal(countProcessors('0\n'), 1);
  t.equal(countProcessors('0-2,5\n'), 4);
  for (const text of ['', '0-', '3-1', '0;1', 'all']) t.equal(countProcessors(text), undefined, text);
  t.end();
});

t.test('processors in version 2: the lowest quota counts, and the weight of the cgroup itself', async (t) => {
  const host = treeHost(t, {
    '/sys/fs/cgroup/cpuset.cpus.effective': '0-7\n',
    '/sys/fs/cgroup/a/cpu.max': '100000 100000\n',
    '/sys/fs/cgroup/a/cpu.weight': '50\n',
    '/sys/fs/cgroup/a/cpuset.cpus.effective': '0-3\n',
    '/sys/fs/cgroup/a/c1/cpu.max': '400000 100000\n',
    '/sys/fs/cgroup/a/c1/cpu.weight': '100\n',
  });
  const { read } = createLimitReader(host);
  const entries = parseProcCgroup('0::/a/c1\n');
  t.match(await effectiveLimit(read, CPU_LIMIT, UNIFIED, entries), { value: 1000, source: '/sys/fs/cgroup/a/cpu.max' });
  t.match(await effectiveLimit(read, CPU_WEIGHT, UNIFIED, entries), { value: 1000 });
  t.match(await effectiveLimit(read, CPU_SET, UNIFIED, entries), { value: 4 });
  t.match(await effectiveLimit(read, CPU_WEIGHT, UNIFIED, parseProcCgroup('0::/b')), { value: 1000 }, 'not enabled');
});

t.test('processors in version 1', async (t) => {
  const cpu = (path: string) => `/sys/fs/cgroup/cpu/docker/${path}`;
  const host = treeHost(t, {
    [cpu('c1/cpu.cfs_quota_us')]: '50000\n',
    [cpu('c1/cpu.cfs_period_us')]: '100000\n',
    [cpu('c1/cpu.shares')]: '512\n',
    [cpu('cpu.cfs_quota_us')]: '-1\n',
    [cpu('cpu.cfs_period_us')]: '100000\n',
    [cpu('c2/cpu.cfs_quota_us')]: '50000\n',
    '/sys/fs/cgroup/cpuset/docker/c1/cpuset.effective_cpus': '0,2\n',
  });
  const mounts = ['cpu', 'cpuset'].map((name) => ({
    controllers: [name],
    mountPoint: `/sys/fs/cgroup/${name}`,
    root: '/',
  }));
  const { read } = createLimitReader(host);
  const of = (id: string) => parseProcCgroup(`4:cpu:/docker/${id}\n5:cpuset:/docker/${id}\n`);
  t.match(await effectiveLimit(read, CPU_LIMIT, mounts, of('c1')), { state: 'seen', value: 500 });
  t.match(await effectiveLimit(read, CPU_WEIGHT, mounts, of('c1')), { value: 500 });
  t.match(await effectiveLimit(read, CPU_SET, mounts, of('c1')), { value: 2 });
  t.match(await effectiveLimit(read, CPU_LIMIT, mounts, of('c2')), { state: 'unreadable' }, 'a quota without a period');
});

t.test('limits that a container makes for itself below its own cgroup do not count', (t) => {
  const id = 'ab'.repeat(32);
  const paths = [`/docker/${id}/init.scope`, `/system.slice/docker-${id}.scope/x/y`, `/docker/${id}`, '/user.slice'];
  t.same(
    paths.map((path) => containerEntries(parseProcCgroup(`0::${path}\n`), id)[0]?.path),
    [`/docker/${id}`, `/system.slice/docker-${id}.scope`, `/docker/${id}`, '/user.slice'],
  );
  t.end();
});

t.test('what cannot be seen is not "no limit"', async (t) => {
  const host = treeHost(t, { '/sys/fs/cgroup/c1/memory.max/x': '' });
  const { read } = createLimitReader(host);
  t.match(await effectiveLimit(read, MEMORY_LIMIT, [], parseProcCgroup('0::/c1')), { state: 'unreadable' });
  t.match(await effectiveLimit(read, MEMORY_LIMIT, UNIFIED, parseProcCgroup('0::/../c1')), { state: 'unreadable' });
  t.match(await effectiveLimit(read, MEMORY_LIMIT, UNIFIED, parseProcCgroup('0::/c1')), {
    state: 'unreadable',
    source: '/sys/fs/cgroup/c1/memory.max',
  });
});
