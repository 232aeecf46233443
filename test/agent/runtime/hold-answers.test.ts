import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createLastRunning } from '../../../agent/inspector/unobserved/last-running.ts';
import { holdAnswers } from '../../../agent/runtime/hold-answers.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { containerProcess, ID, inspectAnswer, NODE } from '../../fixture/inspector/recorded-container.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';

const STAT = '100 (sleep) S 99 100 100 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9127 4710400 192';
const LIST = [{ Id: ID, Names: ['/web'], State: 'running', ImageID: 'sha256:1' }];

/** An engine with one container that runs, asked once. */
async function engineWith(t: Test) {
  const host = treeHost(t, { ...NODE, ...containerProcess(100), '/proc/100/stat': STAT });
  const answers: Record<string, unknown> = { '/containers/json': LIST, [`/containers/${ID}/json`]: inspectAnswer(100) };
  const engine = await serveDocker(t, answers);
  const path = engine.endpoint.replace('unix://', '');
  const clock = { ms: 0 };
  const options = { host, lastRunning: createLastRunning(), graceMs: 90_000, monotonic: () => clock.ms };
  const runtime = holdAnswers(engine, options);
  await runtime.listContainers();
  const inspected = await runtime.inspectContainer(ID);
  return {
    host,
    answers,
    clock,
    runtime,
    inspected,
    leave: async () => {
      renameSync(path, `${path}.away`);
      // Until then a kept connection leads to the engine.
      await sleep(1200);
    },
    come: () => renameSync(`${path}.away`, path),
  };
}

void t.test('an engine that is there is believed, whatever it says', async (t) => {
  const { answers, runtime } = await engineWith(t);
  for (const status of [500, 503, 404, 403]) {
    answers['/containers/json'] = status;
    answers[`/containers/${ID}/json`] = status;
    t.match(await runtime.listContainers(), { ok: false }, String(status));
    t.match(await runtime.inspectContainer(ID), { ok: false }, String(status));
    t.equal(runtime.isHeld?.(), false);
  }
});

void t.test('an engine that is away is held for the grace time, and again after its return', async (t) => {
  const { clock, runtime, inspected, leave, come } = await engineWith(t);
  await leave();
  const held = { ok: true, value: [{ id: ID, state: 'running', revision: '' }] };
  t.match(await runtime.listContainers(), held);
  t.equal(runtime.isHeld?.(), true);
  t.strictSame(await runtime.inspectContainer(ID), inspected);
  t.match(await runtime.inspectContainer('f'.repeat(64)), { ok: false, code: 'absent' }, 'nothing is made up');
  t.match(await runtime.version(), { ok: false, code: 'absent' }, 'that it is away is to be seen');
  clock.ms = 89_999;
  t.match(await runtime.listContainers(), held);
  clock.ms = 90_000;
  t.match(await runtime.listContainers(), { ok: false, code: 'absent' });
  t.match(await runtime.inspectContainer(ID), { ok: false, code: 'absent' });
  t.equal(runtime.isHeld?.(), false);
  come();
  t.match(await runtime.listContainers(), { ok: true, value: [{ names: ['web'] }] });
  await leave();
  t.match(await runtime.listContainers(), held);
});

void t.test('what has ended is not held', async (t) => {
  const { host, runtime, leave } = await engineWith(t);
  await leave();
  t.match(await runtime.listContainers(), { ok: true });
  host.replace({ '/proc/100/stat': undefined, '/proc/100/status': undefined, '/proc/100/cgroup': undefined });
  t.match(await runtime.inspectContainer(ID), { ok: false, code: 'notFound' });
  t.match(await runtime.listContainers(), { ok: false, code: 'absent' }, 'none runs: there is nothing to bridge');
});

void t.test('a container that was removed before is not held', async (t) => {
  const { answers, runtime, leave } = await engineWith(t);
  answers[`/containers/${ID}/json`] = 404;
  await runtime.inspectContainer(ID);
  await leave();
  t.match(await runtime.listContainers(), { ok: false, code: 'absent' });
});
