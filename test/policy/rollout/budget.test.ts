import t from 'tap';
import { reportBudgets } from '../../../policy/rollout/budget.ts';
import { nextChange } from '../../../policy/rollout/maintenance-window.ts';
import type { MaintenanceWindow } from '../../../policy/rollout/maintenance-window.ts';
import { parseResponsePolicy } from '../../../policy/rollout/response-policy.ts';
import { NOW, rolloutPolicy, rolloutRecord, workload } from './fixture.ts';

const HOUR_MS = 3_600_000;

void t.test('what uses which budget', (t) => {
  const parsed = parseResponsePolicy({
    source: 'r',
    value: {
      apiVersion: 'plimsoll.dev/v1',
      kind: 'ResponsePolicy',
      metadata: { name: 'privileged' },
      spec: { match: { checks: ['container.privileged'] }, action: 'evict', budget: { perHour: 2 } },
    },
  });
  if (!parsed.ok) throw new Error(parsed.problem);
  const runs = (name: string, phase: 'progressing' | 'observing' | 'offline' | 'done', policy = 'shop') =>
    workload({ name, uid: name, record: rolloutRecord({ phase, policy }) });
  const { budgets, windows } = reportBudgets({
    rolloutPolicies: [rolloutPolicy({ budget: { atOnce: 2, perNamespace: 2, offline: 1 } })],
    responsePolicies: [parsed.value],
    workloads: [
      runs('a', 'progressing'),
      runs('b', 'observing'),
      runs('c', 'offline'),
      runs('d', 'done'),
      runs('e', 'progressing', 'other'),
      workload({ name: 'f', uid: 'f', record: 'damaged' }),
    ],
    recent: [
      { policy: 'privileged', atMs: NOW - HOUR_MS / 2 },
      { policy: 'privileged', atMs: NOW - 2 * HOUR_MS },
      { policy: 'others', atMs: NOW },
    ],
    now: NOW,
  });
  t.strictSame(
    budgets.map((one) => [one.policy, one.budget, one.namespace, one.used, one.limit, one.holders, one.freesMs]),
    [
      ['shop', 'atOnce', '', 2, 2, ['shop/Deployment/a', 'shop/Deployment/b'], null],
      ['shop', 'perNamespace', 'shop', 2, 2, ['shop/Deployment/a', 'shop/Deployment/b'], null],
      ['shop', 'offline', '', 1, 1, ['shop/Deployment/c'], null],
      ['privileged', 'perHour', '', 1, 2, [], NOW + HOUR_MS / 2],
    ],
  );
  t.strictSame(windows, [], 'a policy without a window has no row');
  const many = Array.from({ length: 200 }, (_, at) => runs(`${'x'.repeat(250)}-${String(at)}`, 'progressing'));
  const names = Array.from({ length: 150 }, (_, at) => rolloutPolicy({}, `p${String(at)}`));
  const bounded = reportBudgets({
    rolloutPolicies: [...names, rolloutPolicy()],
    responsePolicies: [],
    workloads: many,
    recent: [],
    now: NOW,
  });
  t.equal(bounded.budgets.length, 100);
  t.match(bounded.budgets[0], { policy: 'shop', used: 200, limit: 1 }, 'the fullest comes first');
  t.ok(JSON.stringify(bounded).length < 60_000, 'a request of the operator API holds it');
  t.end();
});

void t.test('when a window opens and closes', (t) => {
  // 2026-11-28 is a Saturday.
  const at = (day: number, time: string): number => Date.parse(`2026-11-${String(day)}T${time}Z`);
  const night: MaintenanceWindow = { days: ['sat', 'sun'], from: 22 * 60, to: 4 * 60 };
  const rows: readonly (readonly [MaintenanceWindow, number, boolean, number | null])[] = [
    [night, at(28, '12:00:00'), false, at(28, '22:00:00')],
    [night, at(28, '22:00:00'), true, at(29, '04:00:00')],
    [night, at(29, '03:59:59'), true, at(29, '04:00:00')],
    [night, at(29, '04:00:00'), false, at(29, '22:00:00')],
    [night, at(23, '04:00:00'), false, at(28, '22:00:00')],
    [{ ...night, days: ['sat'] }, at(22, '12:00:00'), false, at(28, '22:00:00')],
    [{ ...night, days: ['sat'], from: 0, to: 0 }, at(28, '12:00:00'), true, at(29, '00:00:00')],
    [{ ...night, days: ['fri', 'sat'], from: 60, to: 60 }, at(27, '12:00:00'), true, at(29, '01:00:00')],
    [{ ...night, days: [] }, at(28, '12:00:00'), false, null],
    [{ days: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'], from: 60, to: 60 }, at(28, '12:00:00'), true, null],
  ];
  for (const [window, now, isOpen, changesMs] of rows)
    t.strictSame(nextChange(window, now), { isOpen, changesMs }, new Date(now).toISOString());
  t.end();
});
