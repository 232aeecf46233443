import t from 'tap';
import { createFailedLooks } from '../../../../agent/inspector/unobserved/failed-looks.ts';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import type { ContainerRuntime } from '../../../../agent/runtime/runtime.ts';
import { observe, observeContainer } from '../../../../agent/inspector/observe.ts';
import type { Host } from '../../../../agent/host/host.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import { containerSchema } from '../../../../posture/fact/container.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { mapObserved, seen } from '../../../../posture/observed.ts';
import type { Observed } from '../../../../posture/observed.ts';
import { factsOf } from '../../../fixture/facts.ts';
import {
  CGROUP_MOUNT,
  containerProcess,
  ID,
  inspectAnswer,
  NODE,
} from '../../../fixture/inspector/recorded-container.ts';
import { INITIAL, namespaceLinks, statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

function value(observed: Observed<ContainerFact>): ContainerFact {
  if (observed.state !== 'seen') throw new Error(`${observed.state} ${observed.source}`);
  return observed.value;
}

t.test('a running container', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  const access = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  const container = value(await observeContainer(access, {}, ID));
  t.ok(containerSchema.parse(container).ok);
  t.match(container, {
    id: ID,
    name: 'inspect-f',
    pid: 100,
    seccomp: { state: 'seen', value: { mode: 'filter', filters: 1 } },
    namespaces: { net: { value: { inode: 4026532184, host: false } }, ipc: { value: { host: true } } },
    uid: { state: 'seen', value: 0 },
  });
});

t.test('gone: not found, or not running', async (t) => {
  const host = treeHost(t, NODE);
  const missing = await accessTo(t, host, {});
  t.match(await observeContainer(missing, {}, ID), { state: 'absent' });
  const stopped = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(0, false) });
  t.match(await observeContainer(stopped, {}, ID), { state: 'absent' });
});

t.test('an engine that is gone or fails does not hide a new container of another engine', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  const serving = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  const failing = await accessTo(t, host, { [`/containers/${ID}/json`]: 500 });
  const gone = createDockerRuntime({ endpoint: 'unix:///nonexistent/docker.sock', timeoutMs: 300 });
  const ofUser = { ...serving.runtime, endpoint: 'unix:///run/user/1000/docker.sock' };
  const through = (runtime: ContainerRuntime, other: ContainerRuntime): NodeAccess => ({
    ...serving,
    runtime,
    engines: { named: new Set(), others: () => Promise.resolve([other]) },
    failedLooks: createFailedLooks(),
  });
  for (const [first, other] of [
    [gone, serving.runtime],
    [failing.runtime, serving.runtime],
    [gone, ofUser],
  ] as const) {
    const access = through(first, other);
    t.equal(value(await observeContainer(access, {}, ID)).pid, 100);
    t.strictSame(access.failedLooks.list(), []);
  }
  // The container may be one of the engine that fails: the engine of a user must not take it over.
  const access = through(failing.runtime, ofUser);
  t.match(await observeContainer(access, {}, ID), { state: 'unreadable' });
  t.match(access.failedLooks.list(), [{ kind: 'container', id: ID, engine: failing.runtime.endpoint }]);
});

t.test(
  'a container that has ended before it was looked at is gone, also beside an engine that nobody serves',
  async (t) => {
    const host = treeHost(t, NODE);
    const without = await accessTo(t, host, { [`/containers/${ID}/json`]: 404 });
    const failing = await accessTo(t, host, { [`/containers/${ID}/json`]: 500 });
    const absent = createDockerRuntime({ endpoint: 'unix:///nonexistent/docker.sock', timeoutMs: 300 });
    const ofUser = { ...without.runtime, endpoint: 'unix:///run/user/1000/docker.sock' };
    const look = async (...runtimes: readonly [ContainerRuntime, ContainerRuntime]) => {
      const [runtime, other] = runtimes;
      const engines = { named: new Set<string>(), others: () => Promise.resolve([other]) };
      const access = { ...without, runtime, engines, failedLooks: createFailedLooks() };
      const { state } = await observeContainer(access, {}, ID);
      return [state, access.failedLooks.list().length];
    };
    t.strictSame(await look(absent, without.runtime), ['absent', 0]);
    t.strictSame(await look(without.runtime, absent), ['absent', 0]);
    t.strictSame(await look(absent, absent), ['unreadable', 1], 'nobody answered');
    t.strictSame(await look(without.runtime, failing.runtime), ['unreadable', 1], 'an engine that fails may have it');
    t.strictSame(
      await look(absent, ofUser),
      ['unreadable', 1],
      'the engine of a user proves nothing about those of root',
    );
  },
);

t.test('the number of its first process went to another: asked again, over', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  let asked = 0;
  const access = await accessTo(t, host, {
    [`/containers/${ID}/json`]: () => {
      asked += 1;
      return asked === 1 ? inspectAnswer(300) : 404;
    },
  });
  host.write({
    '/proc/300/status': statusWith({ Seccomp: '0' }),
    '/proc/300/cgroup': '0::/system.slice/cron.service\n',
  });
  const brief = value(await observeContainer(access, {}, ID));
  t.match(brief, { seccomp: { state: 'unreadable', reason: /ended before/ } }, 'the other process is not read');
  asked = 0;
  const known = { containers: seen([brief], 'x') };
  t.match(await observeContainer(access, known, ID), { state: 'absent' }, 'one that was known is gone');
});

t.test('restarted in between: the new process is read, not the old', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  let asked = 0;
  const access = await accessTo(t, host, {
    [`/containers/${ID}/json`]: () => {
      asked += 1;
      return inspectAnswer(asked === 1 ? 99 : 100);
    },
  });
  t.equal(value(await observeContainer(access, {}, ID)).pid, 100);
});

/** runc in the place of the container's program: threads of it have no filter and every capability. */
const RUNC = statusWith({ Name: 'runc:[2:INIT]', Seccomp: '0', Seccomp_filters: '0', CapEff: '000001ffffffffff' });

t.test('while runc is still starting it, it is not judged by what runc may do', async (t) => {
  const tree = treeHost(t, { ...NODE, ...containerProcess(100) });
  let looks = 0;
  const host: Host = {
    ...tree,
    readFile: (path, limits) => {
      if (path === '/proc/100/status' && (looks += 1) <= 2)
        return Promise.resolve({ ok: true, value: Buffer.from(RUNC) });
      return tree.readFile(path, limits);
    },
  };
  const access = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  const container = value(await observeContainer(access, {}, ID));
  t.match(container.seccomp, { state: 'seen', value: { mode: 'filter' } });
  t.match(container.programs, { value: ['sleep'] });
  t.ok(looks >= 3);
});

t.test('a program that calls itself so is judged all the same, and waited for only once', async (t) => {
  const tree = treeHost(t, { ...NODE, ...containerProcess(100), '/proc/100/status': RUNC });
  let reads = 0;
  const host: Host = {
    ...tree,
    readFile: (path, limits) => {
      if (path === '/proc/100/status') reads += 1;
      return tree.readFile(path, limits);
    },
  };
  const access = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  const first = await observeContainer(access, {}, ID);
  t.match(value(first), { seccomp: { value: { mode: 'disabled' } }, programs: { value: ['runc:[2:INIT]'] } });
  const waiting = reads;
  tree.replace({ '/proc/100/ns/net': '-> net:[4026532999]' });
  await observeContainer(access, { containers: seen([value(first)], 'x') }, ID);
  t.equal(waiting, 6 * (reads - waiting), 'five times it was looked at again, then no more');
});

t.test('it runs and is not visible here: every kernel fact says so', async (t) => {
  const access = await accessTo(t, treeHost(t, NODE), { [`/containers/${ID}/json`]: inspectAnswer(100) });
  const container = value(await observeContainer(access, {}, ID));
  t.match(container.seccomp, { state: 'unreadable', reason: /not visible here/ });
  t.match(container.mounts, { state: 'unreadable' });
  t.equal(container.complete, false);
  t.ok(containerSchema.parse(container).ok);
});

t.test('an engine without cgroups is believed only where the whole machine is visible', async (t) => {
  const own: Tree = { ...containerProcess(100), '/proc/100/cgroup': '0::/user.slice\n' };
  const answers = { [`/containers/${ID}/json`]: inspectAnswer(100) };
  const whole = value(await observeContainer(await accessTo(t, treeHost(t, { ...NODE, ...own }), answers), {}, ID));
  t.match(whole.seccomp, { state: 'seen' });
  const inside = treeHost(t, {
    '/proc/1/mountinfo': CGROUP_MOUNT,
    ...namespaceLinks(1, { ...INITIAL, pid: 7 }),
    ...own,
  });
  const part = value(await observeContainer(await accessTo(t, inside, answers), {}, ID));
  t.match(part.seccomp, { state: 'unreadable', reason: /may be another process/ });
});

t.test('namespaces of the node that cannot be seen leave nothing to compare', async (t) => {
  const host = treeHost(t, { '/proc/1/mountinfo': CGROUP_MOUNT, ...containerProcess(100) });
  const access = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  t.match(value(await observeContainer(access, {}, ID)).namespaces.net, {
    state: 'unreadable',
    reason: /cannot be compared with \/proc\/1\/ns\/net/,
  });
});

t.test('kthreadd stands in for a pid 1 whose links may not be read', async (t) => {
  const { '/proc/2/status': kthreadd = '' } = NODE;
  const host = treeHost(t, { '/proc/2/status': kthreadd, ...namespaceLinks(2, INITIAL), ...containerProcess(100) });
  const access = await accessTo(t, host, { [`/containers/${ID}/json`]: inspectAnswer(100) });
  t.match(value(await observeContainer(access, {}, ID)).namespaces.ipc, { value: { host: true } });
});

t.test('the runtime fails to answer about one container', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  const other = 'ab'.repeat(32);
  const answers: Record<string, unknown> = {
    '/containers/json': [{ Id: other, Names: ['/silent'], ImageID: 'sha256:1' }, { Id: ID }],
    [`/containers/${other}/json`]: 500,
    [`/containers/${ID}/json`]: inspectAnswer(100),
  };
  let nowMs = 1000;
  const access = { ...(await accessTo(t, host, answers)), now: () => nowMs };
  const look = async (known: Facts): Promise<readonly [Facts, readonly string[]]> => {
    const containers = await observe(access, known, 'containers');
    const facts: Facts = { ...known, containers, unobserved: await observe(access, known, 'unobserved') };
    return [facts, containers.state === 'seen' ? containers.value.map(({ id }) => id) : [containers.state]];
  };
  const [first, inspected] = await look(factsOf({ containers: seen([], 'x') }));
  t.same(inspected, [ID], 'the other is inspected');
  const expected = { kind: 'container', id: other, name: 'silent', imageId: 'sha256:1', sinceMs: 1000 };
  t.match(first.unobserved, { state: 'seen', value: [{ ...expected, reason: /HTTP 500/ }] });

  nowMs = 2000;
  answers['/containers/json'] = 500;
  const [second, unlisted] = await look(first);
  t.same(unlisted, ['unreadable']);
  t.match(second.unobserved, {
    state: 'seen',
    value: [
      { ...expected, sinceMs: 1000 },
      { id: ID, sinceMs: 2000 },
    ],
  });

  answers['/containers/json'] = [{ Id: ID }];
  const [third, back] = await look(second);
  t.same(back, [ID]);
  t.match(third.unobserved, { state: 'seen', value: [] });
  t.equal(third.unobserved.state === 'seen' && third.unobserved.value.length, 0, 'the silent one has ended');

  answers[`/containers/${ID}/json`] = 500;
  t.match(await observeContainer(access, third, ID), { state: 'unreadable' }, 'nothing is said from memory');
  t.match(await observe(access, third, 'unobserved'), { value: [{ id: ID, pid: 100, sinceMs: 2000 }] });
});

t.test('an engine that is gone leaves a container running, or not', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  const access = await accessTo(t, host, {
    '/containers/json': [{ Id: ID }],
    [`/containers/${ID}/json`]: inspectAnswer(100),
  });
  const before = await observe(access, factsOf(), 'containers');
  const engine = 'unix:///run/none.sock';
  const known = factsOf({ containers: mapObserved(before, (list) => list.map((each) => ({ ...each, engine }))) });
  const gone = { ...access, runtime: { ...access.runtime, listContainers: () => Promise.resolve(ABSENT) } };
  gone.runtime = { ...gone.runtime, endpoint: engine };
  t.match(await observe(gone, known, 'containers'), { state: 'absent' });
  t.match(await observe(gone, known, 'unobserved'), { value: [{ id: ID, reason: /its engine .* is gone/ }] });
  host.replace({ '/proc/100/cgroup': '0::/user.slice\n' });
  await observe(gone, factsOf({ containers: await observe(gone, known, 'containers') }), 'containers');
  t.match(await observe(gone, known, 'unobserved'), { state: 'seen', value: [] });
  t.equal(access.failedLooks.list().length, 0);
});

t.test('one that ends while it is inspected does not hide the others', async (t) => {
  const host = treeHost(t, { ...NODE, ...containerProcess(100) });
  const access = await accessTo(t, host, {
    '/containers/json': [{ Id: 'ff'.repeat(32) }, { Id: ID }],
    [`/containers/${ID}/json`]: inspectAnswer(100),
  });
  const containers = await observe(access, factsOf(), 'containers');
  t.same(containers.state === 'seen' && containers.value.map(({ id }) => id), [ID]);
});

t.test('no runtime, and a runtime that does not answer, are two things', async (t) => {
  const host = treeHost(t, NODE);
  const access = await accessTo(t, host, { '/containers/json': 500 });
  t.match(await observe(access, factsOf(), 'containers'), { state: 'unreadable' });
  const none = { ...access, runtime: { ...access.runtime, listContainers: () => Promise.resolve(ABSENT) } };
  t.match(await observe(none, factsOf(), 'containers'), { state: 'absent' });
  host.write({ [access.runtime.endpoint.slice('unix://'.length)]: 'stands for a socket that nobody listens on' });
  t.match(await observe(none, factsOf(), 'containers'), { state: 'unreadable' });
});

const ABSENT = { ok: false, code: 'absent', reason: 'connection refused (ECONNREFUSED)', source: 'list' } as const;

t.test('a list that is no list', async (t) => {
  const access = await accessTo(t, treeHost(t, NODE), { '/containers/json': { Id: 'x' } });
  t.match(await observe(access, factsOf(), 'containers'), { state: 'unreadable', reason: /expected a list/ });
});
