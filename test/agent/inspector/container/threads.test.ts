import t from 'tap';
import { readThreads, MAX_THREADS } from '../../../../agent/inspector/container/threads.ts';
import { toThreadFacts } from '../../../../agent/inspector/container/thread-facts.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';

const DEFAULT_CAPS = '00000000a80425fb';
const ALL_CAPS = '000001ffffffffff';

t.test('the weakest of all threads decides, and says where it was seen', async (t) => {
  const host = treeHost(t, {
    '/proc/100/status': statusWith({ Threads: '3', NoNewPrivs: '1' }),
    '/proc/100/task/100/status': 'never read: it is the same thread',
    '/proc/100/task/101/status': statusWith({ NoNewPrivs: '1', Seccomp_filters: '3' }),
    '/proc/100/task/102/status': statusWith({ NoNewPrivs: '0', Seccomp: '0', Seccomp_filters: '0' }),
    '/proc/200/status': statusWith({ Name: 'sh', NoNewPrivs: '1', CapEff: ALL_CAPS, CapPrm: ALL_CAPS }),
  });
  const readings = await readThreads(host, 100, [100, 200]);
  t.ok(readings?.isComplete);
  if (readings === undefined) return;
  const facts = toThreadFacts(readings);
  t.match(facts.seccomp, {
    state: 'seen',
    value: { mode: 'disabled', filters: 0, threads: 4, weakest: '/proc/100/task/102/status' },
    source: '/proc/100/task/102/status',
  });
  t.same(facts.noNewPrivs, { state: 'seen', value: false, source: '/proc/100/task/102/status' });
  t.match(facts.capabilities, {
    value: { effective: ALL_CAPS, permitted: ALL_CAPS, bounding: DEFAULT_CAPS },
    source: '/proc/200/status',
  });
  t.match(facts.programs, { value: ['sleep', 'sh'] });
});

t.test('of two filters the smaller number, and strict is the strongest mode', async (t) => {
  const host = treeHost(t, {
    '/proc/100/status': statusWith({ Seccomp: '1', Seccomp_filters: '0' }),
    '/proc/101/status': statusWith({ Seccomp: '2', Seccomp_filters: '2' }),
    '/proc/102/status': statusWith({ Seccomp: '2', Seccomp_filters: '1' }),
  });
  const readings = await readThreads(host, 100, [101, 102]);
  t.match(readings && toThreadFacts(readings).seccomp, {
    value: { mode: 'filter', filters: 1, weakest: '/proc/102/status' },
  });
});

t.test('what ended meanwhile is left out; without the first process there is no container', async (t) => {
  const host = treeHost(t, {
    '/proc/100/status': statusWith({ Threads: '2' }),
    '/proc/100/task/100/status': '',
    '/proc/100/task/101/status': '',
    '/proc/101/status': statusWith({ State: 'Z (zombie)', Seccomp: '0' }),
  });
  const readings = await readThreads(host, 100, [101, 102]);
  t.match(readings, { isComplete: true, threads: [{ path: '/proc/100/status' }] });
  t.equal(readings?.threads.length, 1);
  t.equal(await readThreads(host, 300, [100]), undefined);
  t.equal(await readThreads(host, 101, []), undefined, 'a zombie is no container');
});

t.test('a dead leader with live threads', async (t) => {
  const host = treeHost(t, {
    '/proc/100/status': statusWith({ State: 'Z (zombie)', Threads: '2', Seccomp: '2' }),
    '/proc/100/task/100/status': '',
    '/proc/100/task/101/status': statusWith({ Seccomp: '0' }),
  });
  const readings = await readThreads(host, 100, []);
  t.match(readings && toThreadFacts(readings).seccomp, { value: { mode: 'disabled', threads: 1 } });
});

t.test('more threads than are read: not complete', async (t) => {
  const tasks = Array.from({ length: MAX_THREADS + 1 }, (_, index) => [
    `/proc/100/task/${String(100 + index)}/status`,
    statusWith({}),
  ]);
  const host = treeHost(t, {
    '/proc/100/status': statusWith({ Threads: String(MAX_THREADS + 1) }),
    ...(Object.fromEntries(tasks) as Record<string, string>),
  });
  const readings = await readThreads(host, 100, []);
  t.equal(readings?.threads.length, MAX_THREADS);
  t.equal(readings?.isComplete, false);
});

t.test('exactly as many threads as are read: complete', async (t) => {
  const pids = Array.from({ length: MAX_THREADS - 1 }, (_, index) => 101 + index);
  const host = treeHost(
    t,
    Object.fromEntries([100, ...pids].map((pid) => [`/proc/${String(pid)}/status`, statusWith({})])),
  );
  t.match(await readThreads(host, 100, pids), { isComplete: true });
  host.write({ '/proc/9000/status': statusWith({}) });
  t.match(await readThreads(host, 100, [...pids, 9000]), { isComplete: false });
});

t.test('a file that is no status', async (t) => {
  const host = treeHost(t, { '/proc/100/status': 'nonsense\n' });
  const readings = await readThreads(host, 100, []);
  t.match(readings, { isComplete: false, threads: [] });
  t.match(readings && toThreadFacts(readings).seccomp, {
    state: 'unreadable',
    source: '/proc/100/status',
    reason: 'its content is not understood',
  });
});

t.test('kernels without a line', async (t) => {
  const host = treeHost(t, {
    '/proc/100/status': statusWith({}).replaceAll(/^(?:Seccomp|Seccomp_filters|NoNewPrivs):.*\n/gm, ''),
  });
  const readings = await readThreads(host, 100, []);
  const facts = readings && toThreadFacts(readings);
  t.match(facts?.seccomp, { state: 'absent' });
  t.match(facts?.noNewPrivs, { state: 'unreadable', reason: /NoNewPrivs/ });
});
