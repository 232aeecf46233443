import t from 'tap';
import type { Test } from 'tap';
import { readContainerThreads } from '../../../../agent/inspector/container/container-threads.ts';
import type { ContainerThreads } from '../../../../agent/inspector/container/container-threads.ts';
import type { Surroundings } from '../../../../agent/inspector/container/node-view.ts';
import { joinCapabilities, toThreadFacts } from '../../../../agent/inspector/container/thread-facts.ts';
import { MAX_THREADS } from '../../../../agent/inspector/container/threads.ts';
import { readNodeNamespaces } from '../../../../agent/inspector/proc/node-namespaces.ts';
import type { NamespaceMembers } from '../../../../agent/inspector/proc/namespace-members.ts';
import type { Host } from '../../../../agent/host/host.ts';
import { INITIAL, namespaceLinks, statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const ID = 'ab'.repeat(32);
const NO_MEMBERS: NamespaceMembers = {
  processes: new Map(),
  namespaceOf: new Map(),
  deadLeaders: new Map(),
  problem: undefined,
};
const CGROUP = `/sys/fs/cgroup/${ID}`;
const CGROUP_TEXT = `0::/${ID}\n`;
const DEFAULT_CAPS = '00000000a80425fb';
const ALL_CAPS = '000001ffffffffff';
const NO_FILTER = { Seccomp: '0', Seccomp_filters: '0' };

const NODE: Tree = namespaceLinks(1, INITIAL);

/** A thread (`100`, or `100/task/101`) with these lines in its status. */
function thread(path: number | string, lines: Readonly<Record<string, string>> = {}): Tree {
  return { [`/proc/${String(path)}/status`]: statusWith(lines), ...namespaceLinks(path, INITIAL) };
}

/** The processes of the container as its cgroup lists them. */
function listed(...pids: readonly number[]): Tree {
  return {
    [`${CGROUP}/cgroup.procs`]: pids.map((pid) => `${String(pid)}\n`).join(''),
    [`${CGROUP}/cgroup.stat`]: 'nr_descendants 0\n',
    ...Object.fromEntries(pids.map((pid) => [`/proc/${String(pid)}/cgroup`, CGROUP_TEXT])),
  };
}

async function readThreads(host: Host, init: number): Promise<ContainerThreads | undefined> {
  const node: Surroundings = { namespaces: await readNodeNamespaces(host), cgroups: [], labelFile: undefined };
  return readContainerThreads(
    { host, node },
    {
      id: ID,
      init,
      cgroupText: CGROUP_TEXT,
      entries: [{ controllers: [], path: `/${ID}` }],
      mounts: [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/' }],
      members: NO_MEMBERS,
      processesByContainer: () => Promise.resolve({ ok: true, value: new Map() }),
    },
  );
}

/** A host on which something happens just before the file `path` is read for the `time`th time. */
function happening(host: Host, path: string, onRead: (time: number) => void): Host {
  let time = 0;
  return {
    ...host,
    readFile: (asked, limits) => {
      if (asked === path) onRead((time += 1));
      return host.readFile(asked, limits);
    },
  };
}

t.test('the weakest of all threads decides, and says where it was seen', async (t) => {
  const host = treeHost(t, {
    ...NODE,
    ...listed(100, 200),
    ...thread(100, { Threads: '3', NoNewPrivs: '1' }),
    '/proc/100/task/100/status': 'never read: it is the same thread',
    ...thread('100/task/101', { NoNewPrivs: '1', Seccomp_filters: '3' }),
    ...thread('100/task/102', { NoNewPrivs: '0', ...NO_FILTER }),
    ...thread(200, { Name: 'sh', NoNewPrivs: '1', CapEff: ALL_CAPS, CapPrm: ALL_CAPS }),
  });
  const found = await readThreads(host, 100);
  t.match(found, { problem: undefined, processes: 2, source: `${CGROUP}/cgroup.procs` });
  const threads = found?.threads ?? [];
  const facts = toThreadFacts(threads, undefined);
  t.match(facts.seccomp, {
    state: 'seen',
    value: { mode: 'disabled', filters: 0, threads: 4, weakest: '/proc/100/task/102/status' },
    source: '/proc/100/task/102/status',
  });
  t.same(facts.noNewPrivs, { state: 'seen', value: false, source: '/proc/100/task/102/status' });
  t.match(joinCapabilities(threads, undefined), {
    value: { effective: ALL_CAPS, permitted: ALL_CAPS, bounding: DEFAULT_CAPS },
    source: '/proc/200/status',
  });
  t.match(facts.programs, { value: ['sleep', 'sh'] });
});

t.test('of two filters the smaller number, and strict is the strongest mode', async (t) => {
  const host = treeHost(t, {
    ...NODE,
    ...listed(100, 101, 102),
    ...thread(100, { Seccomp: '1', Seccomp_filters: '0' }),
    ...thread(101, { Seccomp: '2', Seccomp_filters: '2' }),
    ...thread(102, { Seccomp: '2', Seccomp_filters: '1' }),
  });
  const found = await readThreads(host, 100);
  t.match(toThreadFacts(found?.threads ?? [], undefined).seccomp, {
    value: { mode: 'filter', filters: 1, weakest: '/proc/102/status' },
  });
});

t.test('what ended meanwhile is left out; without the first process there is no container', async (t) => {
  const tree = treeHost(t, {
    ...NODE,
    ...listed(100, 101, 102),
    ...thread(100),
    ...thread(101, { State: 'Z (zombie)', ...NO_FILTER }),
    '/proc/102/status': '',
  });
  const host = happening(tree, '/proc/102/status', () => tree.replace({ [`${CGROUP}/cgroup.procs`]: '100\n101\n' }));
  const found = await readThreads(host, 100);
  t.match(found, { problem: undefined, threads: [{ directory: '/proc/100' }] });
  t.equal(found?.threads.length, 1);
  t.equal(await readThreads(host, 101), undefined, 'a zombie is no container');
  tree.replace({ '/proc/100/status': undefined, [`${CGROUP}/cgroup.procs`]: '' });
  t.equal(await readThreads(host, 100), undefined);
});

t.test('each process starts the next and ends: never seen, never passed', async (t) => {
  const tree = treeHost(t, { ...NODE, ...listed(100, 201), ...thread(100) });
  const host = happening(tree, `${CGROUP}/cgroup.procs`, (time) =>
    tree.replace({ [`${CGROUP}/cgroup.procs`]: `100\n${String(200 + time)}\n` }),
  );
  t.match(await readThreads(host, 100), {
    problem: { path: `${CGROUP}/cgroup.procs`, reason: 'processes change faster than they can be read' },
    threads: [{ directory: '/proc/100' }],
  });
});

t.test('each process starts the next, slowly enough to be read: all of them count', async (t) => {
  const pids = Array.from({ length: 20 }, (_, index) => 201 + index);
  const tree = treeHost(t, {
    ...NODE,
    ...listed(100, ...pids),
    ...thread(100),
    ...Object.assign({}, ...pids.map((pid) => thread(pid, NO_FILTER))),
  });
  const host = happening(tree, `${CGROUP}/cgroup.procs`, (time) =>
    tree.replace({ [`${CGROUP}/cgroup.procs`]: `100\n${String(200 + time)}\n` }),
  );
  const found = await readThreads(host, 100);
  t.match(found?.problem, { reason: 'processes change faster than they can be read' });
  t.match(toThreadFacts(found?.threads ?? [], undefined).seccomp, { value: { mode: 'disabled' } });
});

t.test('a process that starts while the others are read is read as well', async (t) => {
  const tree = treeHost(t, { ...NODE, ...listed(100), ...thread(100) });
  const host = happening(tree, '/proc/100/status', (time) => {
    if (time === 1) tree.replace({ ...listed(100, 101), ...thread(101, NO_FILTER) } as Record<string, string>);
  });
  const found = await readThreads(host, 100);
  t.match(found, { problem: undefined, processes: 2, threads: [{ pid: 100 }, { pid: 101 }] });
});

t.test('a number that went to a process of another container does not count', async (t) => {
  const tree = treeHost(t, { ...NODE, ...listed(100, 101), ...thread(100), ...thread(101, NO_FILTER) });
  const host = happening(tree, '/proc/101/status', () => tree.replace({ [`${CGROUP}/cgroup.procs`]: '100\n' }));
  t.match(await readThreads(host, 100), { problem: undefined, processes: 1, threads: { length: 1 } });
});

t.test('a dead leader with live threads', async (t) => {
  const host = treeHost(t, {
    ...NODE,
    ...listed(100),
    '/proc/100/status': statusWith({ State: 'Z (zombie)', Threads: '2' }),
    '/proc/100/task/100/status': 'never read',
    ...thread('100/task/101', NO_FILTER),
  });
  const found = await readThreads(host, 100);
  t.match(found, { threads: [{ directory: '/proc/100/task/101', pid: 100 }] });
  t.match(toThreadFacts(found?.threads ?? [], undefined).seccomp, { value: { mode: 'disabled', threads: 1 } });
});

t.test('one of many threads that differ in nothing but their names has another user id', async (t) => {
  const tasks = Array.from({ length: 50 }, (_, index) =>
    thread(`100/task/${String(101 + index)}`, { Name: `worker ${String(index % 3)}` }),
  );
  const host = treeHost(t, {
    ...NODE,
    ...listed(100),
    ...thread(100, { Threads: '52' }),
    '/proc/100/task/100/status': 'never read',
    ...Object.assign({}, ...tasks),
    ...thread('100/task/151', { Uid: '0\t0\t0\t7', Name: 'other' }),
  });
  const found = await readThreads(host, 100);
  t.match(found, { problem: undefined, threads: [{ alike: 51 }, { alike: 1, status: { uids: [0, 0, 0, 7] } }] });
  const facts = toThreadFacts(found?.threads ?? [], undefined);
  t.match(facts.seccomp, { value: { threads: 52 } });
  t.match(facts.programs, { value: ['sleep', 'worker 0', 'worker 1', 'worker 2', 'other'] });
});

t.test('each thread starts the next and ends', async (t) => {
  const tree = treeHost(t, {
    ...NODE,
    ...listed(100),
    ...thread(100, { Threads: '2' }),
    '/proc/100/task/100/status': '',
    '/proc/100/task/101/status': '',
  });
  t.match(await readThreads(tree, 100), {
    problem: { path: '/proc/100/task', reason: 'processes change faster than they can be read' },
  });
});

/** Processes with these threads, all alike, and without namespaces: thousands of files would take long to make. */
function manyThreads(t: Test, threads: ReadonlyMap<number, readonly number[]>): Host {
  const host = treeHost(t, listed(...threads.keys()));
  const statuses = new Map(
    [...threads].map(([pid, { length }]) => [pid, Buffer.from(statusWith({ Threads: String(length) }))]),
  );
  return {
    ...host,
    readFile: (path, limits) => {
      const [, pid] = /^\/proc\/(\d+)(?:\/task\/\d+)?\/status$/.exec(path) ?? [];
      const status = statuses.get(Number(pid));
      return status === undefined ? host.readFile(path, limits) : Promise.resolve({ ok: true, value: status });
    },
    list: (path, limits) => {
      const [, pid] = /^\/proc\/(\d+)\/task$/.exec(path) ?? [];
      const tasks = threads.get(Number(pid));
      return tasks === undefined ? host.list(path, limits) : Promise.resolve({ ok: true, value: tasks.map(String) });
    },
    readLink: () => Promise.resolve({ ok: false, code: 'absent', reason: 'ENOENT' }),
  };
}

t.test('more threads than are read: not complete', async (t) => {
  const threads = Array.from({ length: MAX_THREADS + 1 }, (_, index) => 100 + index);
  const found = await readThreads(manyThreads(t, new Map([[100, threads]])), 100);
  t.match(found?.threads, [{ directory: '/proc/100', alike: MAX_THREADS }], 'what is alike is kept once');
  t.match(found?.problem, { reason: `the container has more than ${String(MAX_THREADS)} threads` });
});

t.test('exactly as many threads as are read: complete', async (t) => {
  const pids = Array.from({ length: 64 }, (_, index) => 100 * (1 + index));
  const threadsOf = (pid: number): readonly number[] => Array.from({ length: MAX_THREADS / 64 }, (_, at) => pid + at);
  const found = await readThreads(manyThreads(t, new Map(pids.map((pid) => [pid, threadsOf(pid)]))), 100);
  t.match(found, { problem: undefined, processes: 64 });
});

t.test('a file that is no status', async (t) => {
  const host = treeHost(t, { ...NODE, ...listed(100), '/proc/100/status': 'nonsense\n' });
  const found = await readThreads(host, 100);
  t.match(found, { threads: [], problem: { path: '/proc/100/status' } });
  t.match(found && toThreadFacts(found.threads, found.problem).seccomp, {
    state: 'unreadable',
    source: '/proc/100/status',
    reason: 'its content is not understood',
  });
});

t.test('kernels without a line', async (t) => {
  const without = statusWith({}).replaceAll(/^(?:Seccomp|Seccomp_filters|NoNewPrivs):.*\n/gm, '');
  const host = treeHost(t, { ...NODE, ...listed(100), ...thread(100) });
  host.replace({ '/proc/100/status': without });
  const found = await readThreads(host, 100);
  const facts = toThreadFacts(found?.threads ?? [], undefined);
  t.match(facts.seccomp, { state: 'absent' });
  t.match(facts.noNewPrivs, { state: 'unreadable', reason: /NoNewPrivs/ });
});
