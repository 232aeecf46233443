import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { collector, directoryOf } from '../collector/run-collector.ts';
import { commit, finding, nodeRow } from '../collector/store/fleet.ts';
import { createCollectorClient } from '../../rollout/collector-client.ts';
import type { WorkloadPod } from '../../policy/rollout/workload.ts';
import { settingsWith } from '../fixture/settings.ts';
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
  const put = [
    finding({ on: 'report' }),
    finding({ on: 'shop' }),
    finding({ on: 'db', verdict: 'pass' }),
    finding({ on: 'report', check: 'container.host-pid' }),
  ];
  await store.commit([commit({ sequence: 1, snapshot: true, put })]);
  await store.close();
  mkdirSync(join(directory, 'waivers'), { mode: 0o700 });
  const documents = [
    waiver('legacy', { checks: ['container.host-pid', 'container.privileged'], subjects: ['name-of-report'] }, day(30)),
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
    ((await ask('/v1/summary')) as { readonly counts: { readonly waived: number } }).counts.waived === 2;
  for (let tries = 0; tries < 1000 && !(await isWaived()); tries += 1) await delay(10);

  const accepted = { name: 'legacy', owner: 'shop team', reason: 'replaced in March', expires: day(30) };
  t.match(await ask('/v1/summary'), {
    counts: { verdicts: { fail: 1, pass: 1 }, failures: { critical: 1 }, waived: 2 },
  });
  const named = (subject: string, waivedBy?: object) => ({
    subject: { name: subject },
    ...(waivedBy !== undefined && { waiver: waivedBy }),
  });
  // What responses act on, and what rolls a workload back.
  const tokenFile = join(directory, 'operator-token');
  const settings = { ...(await settingsWith('collector', { 'data-dir': directory })), api, tokenFile };
  const rollouts = createCollectorClient(settings, new AbortController().signal);
  const failures = await rollouts.containerFailures(['critical', 'high']);
  t.match(failures, { ok: true, value: [{ check: 'container.privileged', containerId: 'shop' }] });
  t.equal(failures.ok && failures.value.length, 1, 'none that a waiver accepts');
  const pod = (id: string): WorkloadPod => ({
    name: 'app',
    nodeUid: nodeRow().id,
    containers: [{ name: 'app', id, digest: '' }],
  });
  t.strictSame(await rollouts.failuresOf([pod('report')]), { ok: true, value: [] });
  t.strictSame(await rollouts.failuresOf([pod('shop')]), { ok: true, value: ['container.privileged'] });
  t.match(await ask('/v1/findings?state=waived'), {
    findings: [named('name-of-report', accepted), named('name-of-report', accepted)],
  });
  t.match(await ask('/v1/findings?verdict=fail&state=open&total=true'), {
    findings: [named('name-of-shop')],
    total: 1,
  });
  t.match(
    await ask('/v1/findings?total=true'),
    {
      findings: [
        named('name-of-shop'),
        named('name-of-db'),
        named('name-of-report', accepted),
        named('name-of-report', accepted),
      ],
      total: 4,
    },
    'waived ones last',
  );
  t.match(await ask('/v1/findings/groups?by=check'), {
    groups: [
      { check: 'container.privileged', counts: { verdicts: { fail: 1 }, waived: 1 } },
      { check: 'container.host-pid', counts: { verdicts: { fail: 0 }, waived: 1 } },
    ],
  });
  t.match(await ask('/v1/history?limit=2'), {
    entries: [
      { action: 'changed', verdict: 'fail', waiver: accepted },
      { action: 'changed', verdict: 'fail', waiver: accepted },
    ],
  });
  t.match(await ask('/v1/status'), { issues: [{ code: 'waiverExpired', subject: 'old' }, { code: 'nodeOffline' }] });
  const acceptedBy = async (query: string): Promise<readonly string[]> => {
    const { findings } = (await ask(`/v1/findings?${query}`)) as { findings: readonly { check: string }[] };
    return findings.map(({ check }) => check);
  };
  t.strictSame(await acceptedBy('waiver=legacy'), ['container.host-pid', 'container.privileged']);
  t.strictSame(await acceptedBy('waiver=legacy&waiver=old&check=container.host-pid'), ['container.host-pid']);
  for (const none of ['waiver=old', 'waiver=lega%25', 'waiver=legacy&state=open'])
    t.strictSame(await acceptedBy(none), [], none);
  t.match(await ask('/v1/findings/groups?by=check&waiver=legacy'), { groups: [{ counts: { waived: 1 } }, {}] });
  t.match(await ask('/v1/findings?state=odd'), { error: { code: 'invalidRequest' } });

  const run = (...args: readonly string[]) =>
    plimsoll(['findings', ...args, '--api', `127.0.0.1:${String(api.port)}`, '--data-dir', directory]);
  const [table, waived, json, gate, bySubject, history, byWaiver, byOther, csv, unknown] = await Promise.all([
    run(),
    run('--state', 'waived'),
    run('-o', 'json'),
    run('--container', 'name-of-report', '--fail-on', 'critical', '-o', 'json'),
    run('--container', 'name-of-report'),
    run('--history'),
    run('--waiver', 'legacy', '--history'),
    run('--waiver', 'old'),
    run('-o', 'csv'),
    run('--waiver', 'legasy'),
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
  t.match(byWaiver.stdout, /waived +CRITICAL +container\.host-pid +name-of-report/);
  t.notMatch(byWaiver.stdout, /opened|name-of-shop/);
  t.match(byOther, { stdout: 'No matching findings.\n', code: 0 });
  t.equal(csv.stdout.match(/"waived by legacy \(shop team, until [-\d]+\): replaced in March"\r\n/g)?.length, 2);
  t.match(unknown, { code: 2, stderr: /the collector has no waiver "legasy" of findings; did you mean legacy\?/ });
  t.match(history.stdout, /waived +CRITICAL +container\.privileged +name-of-report/);
  const uid = (JSON.parse(json.stdout) as { findings: { uid: string }[] }).findings.at(-1)?.uid ?? '';
  t.match(
    (await run(uid)).stdout.replaceAll(/\s+/g, ' '),
    /waived by legacy \(shop team, until [-\d]+\): replaced in March/,
  );

  const waivers = (...args: readonly string[]) =>
    plimsoll(['waivers', ...args, '--api', `127.0.0.1:${String(api.port)}`, '--data-dir', directory], {
      COLUMNS: '160',
    });
  const misspelled = join(directory, 'misspelled.yaml');
  writeFileSync(misspelled, JSON.stringify(waiver('typo', { checks: ['container.privilegd', 'acme.own'] }, day(9))), {
    mode: 0o600,
  });
  const [list, report, many, none, documented, ofFile, typo] = await Promise.all([
    waivers(),
    waivers('report'),
    waivers('report', '--within', '40d', '--state', 'used'),
    waivers('report', '--state', 'used'),
    waivers('list', '-o', 'json'),
    plimsoll(['waivers', '--file', join(directory, 'waivers'), '-o', 'json']),
    plimsoll(['waivers', '--file', misspelled, '-o', 'name']),
  ]);
  t.match(list, {
    code: 0,
    stdout: /old +expired +0[^]*legacy +used +2 +[-\d]+ +shop team +container\.host-pid, cont/,
  });
  t.equal(
    typo.stderr,
    'plimsoll: waiver typo: unknown check "container.privilegd"; did you mean container.privileged?\n',
  );
  t.match(report, { code: 1, stdout: /old +expired/ });
  t.notMatch(report.stdout, 'legacy');
  t.match(many, { code: 1, stdout: /legacy +ends in \d+ days/ });
  t.match(none, { code: 0, stdout: 'No waiver needs a decision.\n' });
  t.match(JSON.parse(documented.stdout), {
    waivers: [
      { name: 'old', target: 'findings', state: 'expired', problems: ['expired'] },
      { name: 'legacy', state: 'used', findings: 2, match: { subjects: ['name-of-report'] }, expires: day(30) },
    ],
  });
  t.match(JSON.parse(ofFile.stdout), {
    waivers: [
      { name: 'old', state: 'expired', findings: null },
      { name: 'legacy', state: 'notReviewed' },
    ],
  });
  // CIS Docker 1.8.0: 5.5 privileged containers, 5.16 the pid namespace of the host. A waiver changes neither result.
  const control = (id: string, over: object) => ({ control: id, verdict: 'fail', ...over });
  const compliance = (...args: readonly string[]) =>
    plimsoll(
      ['compliance', 'cis-docker-1.8', ...args, '--api', `127.0.0.1:${String(api.port)}`, '--data-dir', directory],
      { COLUMNS: '160' },
    );
  const [controls, table5, nodes] = await Promise.all([
    compliance('-o', 'json'),
    compliance(),
    compliance('--by', 'node', '-o', 'json'),
  ]);
  const results = JSON.parse(controls.stdout) as { waived: number; counts: object; controls: { control: string }[] };
  const of = (id: string) => results.controls.find((one) => one.control === id);
  t.match(of('5.5'), control('5.5', { failed: 2, waived: 1, onlyWaived: false }));
  t.match(of('5.16'), control('5.16', { failed: 1, waived: 1, onlyWaived: true }));
  t.match(results, { waived: 1, counts: { fail: 2, pass: 0 }, score: { passed: 0 } });
  t.match(
    table5.stdout,
    /5\.5 +failed +2 +1 +3 [^]*5\.16 +waived +1 +1 +1 [^]*2 failed \(1 with waived failures only\)/,
  );
  t.match(JSON.parse(nodes.stdout), { nodes: [{ name: 'web-1', counts: { fail: 2 }, waived: 1 }] });
  t.match(await waivers('drop'), { code: 2, stderr: /waivers has no action "drop"/ });
  t.match(await waivers('--within', '14d'), { code: 2, stderr: /are for report/ });
  await running.end();
});
