import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { collector, directoryOf } from '../collector/run-collector.ts';
import { commit, finding, nodeRow } from '../collector/store/fleet.ts';
import { plimsoll } from './process.ts';

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

const waiver = (name: string, match: object, expires: string): object => ({
  apiVersion: 'plimsoll.dev/v1',
  kind: 'Waiver',
  metadata: { name },
  spec: { match, reason: 'replaced in March', owner: 'shop team', expires },
});

void t.test('waivers of findings: collector, API and CLI', async (t) => {
  const directory = directoryOf(t);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  await store.putNodes([nodeRow()]);
  const put = [finding({ on: 'report' }), finding({ on: 'shop' }), finding({ on: 'db', verdict: 'pass' })];
  await store.commit([commit({ sequence: 1, snapshot: true, put })]);
  await store.close();
  mkdirSync(join(directory, 'waivers'), { mode: 0o700 });
  const documents = [
    waiver('legacy', { checks: ['container.privileged'], subjects: ['name-of-report'] }, day(30)),
    waiver('old', { checks: ['container.privileged'] }, day(-1)),
  ];
  writeFileSync(
    join(directory, 'waivers', 'team.yaml'),
    documents.map((document) => JSON.stringify(document)).join('\n---\n'),
    { mode: 0o600 },
  );
  const running = await collector(t, { 'data-dir': directory, waivers: join(directory, 'waivers') });
  const { api } = await running.ready;
  const authorization = `Bearer ${readFileSync(join(directory, 'operator-token'), 'utf8').trim()}`;
  const ask = async (path: string): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${String(api.port)}${path}`, { headers: { authorization } })).json();
  const isWaived = async (): Promise<boolean> =>
    ((await ask('/v1/summary')) as { readonly counts: { readonly waived: number } }).counts.waived === 1;
  for (let tries = 0; tries < 1000 && !(await isWaived()); tries += 1) await delay(10);

  const accepted = { name: 'legacy', owner: 'shop team', reason: 'replaced in March', expires: day(30) };
  t.match(await ask('/v1/summary'), {
    counts: { verdicts: { fail: 1, pass: 1 }, failures: { critical: 1 }, waived: 1 },
  });
  const named = (subject: string, waivedBy?: object) => ({
    subject: { name: subject },
    ...(waivedBy !== undefined && { waiver: waivedBy }),
  });
  t.match(await ask('/v1/findings?state=waived'), { findings: [named('name-of-report', accepted)] });
  t.match(await ask('/v1/findings?verdict=fail&state=open&total=true'), {
    findings: [named('name-of-shop')],
    total: 1,
  });
  t.match(
    await ask('/v1/findings?total=true'),
    { findings: [named('name-of-shop'), named('name-of-db'), named('name-of-report', accepted)], total: 3 },
    'waived ones last',
  );
  t.match(await ask('/v1/findings/groups?by=check'), {
    groups: [{ check: 'container.privileged', counts: { verdicts: { fail: 1 }, waived: 1 } }],
  });
  t.match(await ask('/v1/history'), {
    entries: [{ action: 'changed', verdict: 'fail', waiver: accepted }, { action: 'opened' }, { action: 'opened' }],
  });
  t.match(await ask('/v1/status'), { issues: [{ code: 'waiverExpired', subject: 'old' }, { code: 'nodeOffline' }] });
  t.match(await ask('/v1/findings?state=odd'), { error: { code: 'invalidRequest' } });

  const run = (...args: readonly string[]) =>
    plimsoll(['findings', ...args, '--api', `127.0.0.1:${String(api.port)}`, '--data-dir', directory]);
  const [table, waived, json, gate, bySubject, history] = await Promise.all([
    run(),
    run('--state', 'waived'),
    run('-o', 'json'),
    run('--container', 'name-of-report', '--fail-on', 'critical', '-o', 'json'),
    run('--container', 'name-of-report'),
    run('--history'),
  ]);
  t.match(table.stdout, /name-of-shop/);
  t.notMatch(table.stdout, /name-of-report/);
  t.match(waived.stdout, /CRITICAL +container\.privileged +name-of-report/);
  t.match(
    (JSON.parse(json.stdout) as { readonly findings: readonly object[] }).findings.at(-1),
    named('name-of-report', accepted),
  );
  t.equal(gate.code, 0, 'what is accepted does not fail a pipeline');
  t.match(bySubject, { stdout: 'No matching findings.\n', stderr: /--state waived/ });
  t.match(history.stdout, /waived +CRITICAL +container\.privileged +name-of-report/);
  const uid = (JSON.parse(json.stdout) as { findings: { uid: string }[] }).findings.at(-1)?.uid ?? '';
  t.match(
    (await run(uid)).stdout.replaceAll(/\s+/g, ' '),
    /waived by legacy \(shop team, until [-\d]+\): replaced in March/,
  );
  await running.end();
});
