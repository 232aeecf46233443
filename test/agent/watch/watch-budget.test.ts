import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { watchBudget } from '../../../agent/budget/budget-watch.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { until, watched } from './watched.ts';

const MIB = 1024 * 1024;
const BUDGET = 'agent.resource-budget';
const SWEEP_MS = 15 * 60_000;

void t.test('over its budget the agent sweeps more seldom and says so; then all is as before', async (t) => {
  const clock = createFakeClock();
  const hostRoot = mkdtempSync(join(tmpdir(), 'plimsoll-watch-'));
  t.teardown(() => rmSync(hostRoot, { recursive: true, force: true }));
  mkdirSync(join(hostRoot, 'etc'));
  writeFileSync(join(hostRoot, 'etc/machine-id'), '0123456789abcdef0123456789abcdef\n');
  let rssBytes = 60 * MIB;
  const budget = watchBudget({
    budget: { rssBytes: MIB, cpuMillicores: 50 },
    usage: () => ({ rssBytes, cpuMs: 0 }),
    reclaim: () => Promise.resolve(),
    clock,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  t.teardown(budget.close);
  const node = await watched(t, {
    dockerHost: 'unix:///nonexistent/docker.sock',
    hostRoot,
    clock,
    sweepIntervalMs: SWEEP_MS,
    pace: budget.pace,
    agent: budget.fact,
  });
  const finding = () => node.finding(BUDGET, '0123456789abcdef0123456789abcdef');
  const rounds = (): number => node.logged.filter((line) => line.startsWith('full round')).length;
  await until('the first round', () => node.watch.snapshot() !== undefined);
  t.equal(finding()?.verdict, 'pass');

  budget.begin(() => node.watch.refresh('agent'));
  await clock.advance(30_000);
  await until('the finding', () => finding()?.verdict === 'fail');
  t.match(finding(), {
    severity: 'medium',
    subject: { kind: 'node' },
    evidence: [{ seen: /^up to 60 MiB since 2026-/ }],
  });
  t.equal(rounds(), 1, 'a fact was read, not the whole node');

  // 60 MiB are 60 times the budget: four steps, the last after some three and a half minutes, then every 16th sweep.
  await clock.advance(5 * 60_000);
  await until('all steps', () => finding()?.severity === 'high');
  const before = rounds();
  await clock.advance(14 * SWEEP_MS);
  t.equal(rounds(), before, 'no sweep in three and a half hours');
  await clock.advance(2 * SWEEP_MS);
  await until('the sweep', () => rounds() === before + 1);
  const changes = node.ever(BUDGET, '0123456789abcdef0123456789abcdef').length;
  t.equal(changes, 5, 'one for the first round and one a step: what is measured in between changes no finding');

  rssBytes = MIB / 2;
  await clock.advance(5 * 60_000);
  await until('its end', () => finding()?.verdict === 'pass');
  const after = rounds();
  for (let sweep = 0; sweep < 3; sweep += 1) {
    await clock.advance(SWEEP_MS);
    await until('a sweep', () => rounds() === after + sweep + 1);
  }
  await node.stop();
});
