import t from 'tap';
import {
  createLimitReader,
  effectiveLimit,
  MEMORY_LIMIT,
  parseLimit,
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
