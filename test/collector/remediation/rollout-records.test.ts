import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RolloutReport } from '../../../api/rollout.ts';
import { openRolloutRecords } from '../../../collector/remediation/rollout-records.ts';
import { toOcsf } from '../../../collector/event/ocsf/ocsf.ts';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { isRemediationEvent } from '../../../collector/store/stored-event.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import { systemClock } from '../../../service/clock.ts';
import { readValidator } from '../event/ocsf/validator.ts';

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const workload = { kind: 'Deployment', namespace: 'shop', name: 'db', uid: 'u1' };
const fields = { policy: 'shop', workload, changes: [], reasons: ['db: known exploited: CVE-2026-1'], note: '' };
const planned = { ...fields, id: 'r1', action: 'roll', state: 'awaitingApproval' } as const;
const idle = { ...fields, id: 'r2', action: 'none', state: 'none' } as const;
const plan = (...entries: NonNullable<RolloutReport['plan']>): RolloutReport => ({
  plan: entries,
  part: 'only',
  steps: [],
  usage: null,
});
const step = (stepId: string, state: RolloutReport['steps'][number]['state'], note = ''): RolloutReport => {
  const { state: _state, ...entry } = planned;
  return { plan: null, part: 'only', steps: [{ stepId, entry, state, note }], usage: null };
};

void t.test('decisions, steps and events of rollouts', async (t) => {
  const directory = t.testdir({});
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  t.teardown(() => store.close());
  const positions: number[] = [];
  const eventBus = createEventBus();
  eventBus.subscribeToPositions((position) => positions.push(position));
  const open = () => openRolloutRecords({ directory, store, eventBus, clock: systemClock() });
  let records = await open();
  t.equal(await records.decide('r1', 'approved', 'eve'), undefined, 'what is not planned cannot be approved');
  await records.report(plan(planned, idle), 'rollout');
  t.equal(await records.decide('r2', 'approved', 'eve'), undefined, 'nothing is planned for it');
  t.match(await records.decide('r1', 'approved', 'ops'), {
    decision: { decision: 'approved', by: 'ops', isUsed: false },
  });
  t.strictSame(records.state().decisions, [{ id: 'r1', decision: 'approved' }]);

  records = await open();
  t.strictSame(records.state().decisions, [{ id: 'r1', decision: 'approved' }], 'also after a restart');
  await records.report(step('s1', 'started'), 'rollout');
  t.strictSame(records.state().decisions, [], 'an approval counts once');
  await records.report(step('s1', 'started'), 'rollout');
  await records.report(step('s2', 'rolledBack', 'it was not ready after 12 s'), 'rollout');
  t.match(records.list().rollouts, [
    { id: 'r1', isPlanned: false, state: 'rolledBack', steps: [{ state: 'started' }, { state: 'rolledBack' }] },
  ]);

  await records.report({ plan: [planned], part: 'first', steps: [], usage: null }, 'rollout');
  t.equal(records.list().plannedMs, null, 'half a plan is none');
  await records.report({ plan: [idle], part: 'last', steps: [], usage: null }, 'rollout');
  t.strictSame(
    records.list().rollouts.map(({ id, isPlanned }) => [id, isPlanned]),
    [
      ['r1', true],
      ['r2', true],
    ],
  );
  await records.decide('r1', 'rejected', 'ops');
  t.strictSame((await open()).state().decisions, [{ id: 'r1', decision: 'rejected' }]);
  await records.setPaused(true, 'ops');
  t.equal((await open()).state().isPaused, true);
  await records.setPaused(false, 'ops');
  t.equal((await open()).state().isPaused, false);

  const events = (await store.outbox(0, 100)).filter(isRemediationEvent);
  t.equal(events.length, 2, 'a step that is reported twice is one event');
  t.equal(positions.length, 2);
  const context = { version: '0.1.0', checks: new Map(), node: () => undefined, nowMs: Date.now() };
  for (const event of events) {
    const ocsf = toOcsf(event, context);
    t.match(ocsf, { class_uid: 7001, command_uid: 'r1' });
    if (existsSync(OCSF)) t.strictSame(readValidator(OCSF)(ocsf), []);
    t.ok(toFrame(event, ocsf, { facility: 'local0', maxBytes: 8192, procId: '1' }));
  }
  await store.prune([], 0);
  t.strictSame(await store.outbox(0, 100), [], 'they leave the outbox once every sink has them');
});
