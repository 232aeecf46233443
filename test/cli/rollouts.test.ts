import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openRolloutRecords } from '../../collector/remediation/rollout-records.ts';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { systemClock } from '../../service/clock.ts';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

const target = (name: string) => ({ kind: 'Deployment', namespace: 'shop', name, uid: name });
const IMAGE = 'registry.example.com/shop/db:16';

void t.test('list, show, approve, reject, pause', async (t) => {
  const directory = temporaryDirectory(t);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  t.teardown(() => store.close());
  const rollouts = await openRolloutRecords({ directory, store, eventBus: createEventBus(), clock: systemClock() });
  const fields = { policy: 'shop', changes: [], reasons: [], note: '' };
  await rollouts.report(
    {
      plan: [
        {
          ...fields,
          id: '3f2a9c81d07b4e55',
          workload: target('db'),
          action: 'roll',
          state: 'awaitingApproval',
          changes: [{ container: 'db', from: IMAGE, to: `${IMAGE}@sha256:${'b'.repeat(64)}` }],
          reasons: ['db: known exploited: CVE-2026-1 \u001b[2J'],
        },
        { ...fields, id: 'b1', workload: target('web'), action: 'none', state: 'none', note: 'do not set off' },
      ],
      part: 'only',
      steps: [],
      usage: {
        budgets: [
          {
            policy: 'shop',
            budget: 'atOnce',
            namespace: '',
            used: 1,
            limit: 1,
            holders: ['shop/Deployment/web'],
            freesMs: null,
          },
          {
            policy: 'evil',
            budget: 'perHour',
            namespace: '',
            used: 1,
            limit: 2,
            holders: [],
            freesMs: 1_795_900_000_000,
          },
        ],
        windows: [{ policy: 'shop', isOpen: false, changesMs: 1_795_900_000_000 }],
      },
    },
    'rollout',
  );
  const server = await startServer(t, { rollouts });
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const run = (...args: readonly string[]) =>
    plimsoll(['rollouts', ...args, '--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory]);

  const [listed, all, shown, json] = await Promise.all([
    run(),
    run('--all', '-o', 'wide'),
    run('show', '3f2a'),
    run('list', '-o', 'json'),
  ]);
  t.match(listed.stdout, /^ID +WORKLOAD[^\n]*\n3f2a9c81d07b4e55 +shop\/[^\n]* roll +awaitingApproval /);
  t.match(all.stdout, /3f2a9c81d07b4e55 +shop\/Deployment\/db +roll +awaitingApproval +shop +db: registry/);
  t.notMatch(listed.stdout, '\u001b[2J', 'text of others cannot act on the terminal');
  t.notMatch(listed.stdout, 'web');
  t.match(all.stdout, /shop\/Deployment\/web +none +none +shop +do not set off/);
  t.match(shown.stdout, /image +db: .*\n.*→ .*@sha256:b+\nbecause +db: known exploited/);
  t.match(JSON.parse(json.stdout), { isPaused: false, rollouts: [{ id: '3f2a9c81d07b4e55' }] });

  const [budgets, budgetsJson] = await Promise.all([run('budgets'), run('budgets', '-o', 'json')]);
  t.match(budgets.stdout, /shop +rollouts at a time +1 of 1 +shop\/Deployment\/web\n/);
  t.match(budgets.stdout, /evil +responses within an hour +1 of 2 +free again 2026-11-\d\dT\S+Z\n/);
  t.match(budgets.stdout, /\nMaintenance window of shop: closed, opens 2026-11-\d\dT\S+Z\n/);
  t.match(JSON.parse(budgetsJson.stdout), { budgets: [{ used: 1, limit: 1 }, {}], windows: [{ isOpen: false }] });

  t.match(await run('approve', '3f2a9c81d07b4e55'), { code: 0, stdout: 'approved: roll of shop/Deployment/db\n' });
  t.strictSame(rollouts.state().decisions, [{ id: '3f2a9c81d07b4e55', decision: 'approved' }]);
  t.match(await run('reject', '3f2a9c81d07b4e55'), { code: 0, stdout: /^rejected: / });
  t.match(await run('approve', 'b1'), { code: 2, stderr: /no rollout "b1" is planned/ });
  t.match(await run('pause'), { code: 0, stdout: 'rollouts are paused\n' });
  t.match((await run()).stderr, /rollouts are paused: plimsoll rollouts resume/);
  t.match(await run('resume'), { code: 0, stdout: 'rollouts go on\n' });
  t.match(await run('approve'), { code: 2, stderr: /approve needs the id of a rollout/ });
  t.match(await run('restart'), { code: 2, stderr: /no action "restart"; use list, show, approve/ });
});
