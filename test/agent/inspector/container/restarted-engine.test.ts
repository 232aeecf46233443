import t from 'tap';
import type { Test } from 'tap';
import { observe, observeContainer } from '../../../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { Unobserved } from '../../../../posture/fact/unobserved.ts';
import { mapObserved, seen } from '../../../../posture/observed.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { containerProcess, ID, inspectAnswer, NODE } from '../../../fixture/inspector/recorded-container.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { TreeHost } from '../../../fixture/inspector/tree.ts';

/** `/proc/PID/stat` as proc_pid_stat(5) has it: state is field 3, the start field 22. */
const stat = (state: string, startTicks: number): string =>
  `100 (sleep) ${state} 99 100 100 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${String(startTicks)} 4710400 192`;

const RUNS = { '/proc/100/stat': stat('S', 9127) };

/** A node with one running container, and an engine whose answers the test changes. */
async function nodeWith(t: Test): Promise<{
  readonly host: TreeHost;
  readonly access: NodeAccess;
  readonly answers: Record<string, unknown>;
  /** A round: ids of the containers that were inspected, and what could not be. */
  readonly look: () => Promise<readonly [inspected: readonly string[], unobserved: readonly Unobserved[]]>;
  /** A look at the container alone, as after an event. */
  readonly lookAtOne: () => Promise<string>;
}> {
  const host = treeHost(t, { ...NODE, ...containerProcess(100), ...RUNS });
  const answers: Record<string, unknown> = {
    '/containers/json': [{ Id: ID }],
    [`/containers/${ID}/json`]: inspectAnswer(100),
  };
  const access = await accessTo(t, host, answers);
  let known: Facts = factsOf({ containers: seen([], 'x') });
  return {
    host,
    access,
    answers,
    look: async () => {
      known = { ...known, containers: await observe(access, known, 'containers') };
      const unobserved = await observe(access, known, 'unobserved');
      const inspected = mapObserved(known.containers, (all) => all.map(({ id }) => id));
      return [
        inspected.state === 'seen' ? inspected.value : [inspected.state],
        unobserved.state === 'seen' ? unobserved.value : [],
      ];
    },
    lookAtOne: async () => (await observeContainer(access, known, ID)).state,
  };
}

const entry = (reason: RegExp) => ({ kind: 'container', id: ID, pid: 100, reason });

t.test('an engine that has just started lists a container late', async (t) => {
  const { host, answers, look, lookAtOne } = await nodeWith(t);
  t.strictSame(await look(), [[ID], []]);
  const inspect = answers[`/containers/${ID}/json`];
  answers['/containers/json'] = 500;
  t.match(await look(), [['unreadable'], [entry(/HTTP 500/), { kind: 'engine' }]]);
  answers['/containers/json'] = [];
  answers[`/containers/${ID}/json`] = 404;
  const missing = [[], [entry(/it runs, but its engine unix:.* does not list it/)]];
  t.match(await look(), missing);
  t.match(await look(), missing);
  t.equal(await lookAtOne(), 'unreadable', 'nor does an event end it');
  answers['/containers/json'] = [{ Id: ID }];
  t.match(await look(), [[], [entry(/does not know it/)]]);
  answers[`/containers/${ID}/json`] = inspect;
  t.strictSame(await look(), [[ID], []]);

  answers['/containers/json'] = [];
  answers[`/containers/${ID}/json`] = 404;
  t.match(await look(), missing);
  host.replace({ '/proc/100/stat': undefined, '/proc/100/status': undefined, '/proc/100/cgroup': undefined });
  t.strictSame(await look(), [[], []], 'its process has ended');
});

t.test('a container that is found by an event while its engine does not list any stays known', async (t) => {
  const { answers, look, lookAtOne } = await nodeWith(t);
  await look();
  answers['/containers/json'] = 500;
  const silent = [['unreadable'], [entry(/HTTP 500/), { kind: 'engine' }]];
  t.match(await look(), silent);
  t.equal(await lookAtOne(), 'seen');
  t.match(await look(), silent);
});

t.test('an engine says that a container has stopped whose process runs', async (t) => {
  const { host, answers, look, lookAtOne } = await nodeWith(t);
  await look();
  const stopped = { Status: 'exited', Running: false, Pid: 0 };
  answers[`/containers/${ID}/json`] = { ...(inspectAnswer(0) as object), State: stopped };
  const denied = [[], [entry(/says that it does not run/)]];
  t.match(await look(), denied);
  t.equal(await lookAtOne(), 'unreadable');
  t.match(await look(), denied);
  host.replace({ '/proc/100/stat': stat('Z', 9127), '/proc/100/status': statusWith({ State: 'Z (zombie)' }) });
  t.strictSame(await look(), [[ID], []], 'a zombie has ended, and its container is judged as one that stopped');
});

for (const [name, change] of [
  ['a zombie', { '/proc/100/stat': stat('Z', 9127), '/proc/100/status': statusWith({ State: 'Z (zombie)' }) }],
  ['another process with its number', { '/proc/100/stat': stat('S', 99_127), '/proc/100/cgroup': '0::/user.slice\n' }],
  ['another process with its number and in its cgroup', { '/proc/100/stat': stat('S', 99_127) }],
] as const)
  t.test(`a container has ended: in its place is ${name}`, async (t) => {
    const { host, access, answers, look, lookAtOne } = await nodeWith(t);
    await look();
    answers['/containers/json'] = [];
    answers[`/containers/${ID}/json`] = 404;
    host.replace(change);
    t.strictSame(await look(), [[], []]);
    t.equal(await lookAtOne(), 'absent');
    t.strictSame(access.failedLooks.list(), []);
    t.equal(access.failedLooks.lastRunning.get(ID), undefined, 'nothing is kept of it');
  });

t.test('a process that leaves the cgroup of its container does not end the container', async (t) => {
  const { host, answers, look } = await nodeWith(t);
  await look();
  host.replace({ '/proc/100/cgroup': '0::/system.slice/cron.service\n' });
  answers['/containers/json'] = [];
  answers[`/containers/${ID}/json`] = 404;
  t.match(await look(), [[], [entry(/does not list it/)]]);
});

t.test('a /proc that cannot be read at the moment ends no container', async (t) => {
  const { access, answers, look } = await nodeWith(t);
  await look();
  answers['/containers/json'] = [];
  answers[`/containers/${ID}/json`] = 404;
  const { readFile } = access.host;
  const failing = { ok: false, code: 'failed', reason: 'too many open files (EMFILE)' } as const;
  Object.assign(access.host, {
    readFile: (...args: Parameters<typeof readFile>) =>
      args[0] === '/proc/100/stat' ? Promise.resolve(failing) : readFile(...args),
  });
  t.match(await look(), [[], [entry(/does not list it/)]]);
});

t.test('an agent that has just started finds a container that its engine lists a moment later', async (t) => {
  const { host, answers, look } = await nodeWith(t);
  host.write({ '/proc/100/comm': 'sleep\n', '/proc/uptime': '91.27 80.00\n' });
  let lists = 0;
  answers['/containers/json'] = () => ((lists += 1) === 1 ? [] : [{ Id: ID }]);
  t.strictSame(await look(), [[], []], 'it was started at this moment: its event is to come');
  host.replace({ '/proc/uptime': '191.27 180.00\n' });
  lists = 0;
  t.match(await look(), [[], [entry(/listed it only after this round had asked/)]]);
  t.strictSame(await look(), [[ID], []]);
});
