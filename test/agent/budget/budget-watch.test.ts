import t from 'tap';
import { watchBudget } from '../../../agent/budget/budget-watch.ts';
import { reclaimMemory } from '../../../agent/budget/reclaim.ts';
import { processUsage } from '../../../agent/budget/usage.ts';
import { agentSchema } from '../../../posture/fact/agent.ts';
import type { AgentFact } from '../../../posture/fact/agent.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const MIB = 1024 * 1024;

/** A budget of 100 MiB and 5 %, over what the test says is taken. */
function watching() {
  const clock = createFakeClock(Date.UTC(2026, 0, 1));
  const taken = { rssBytes: 50 * MIB, cpuShare: 0.01, cpuMs: 0, atMs: 0 };
  const logged: { readonly level: string; readonly message: string; readonly fields: object }[] = [];
  const logger = (level: string) => (fields: object, message: string) => void logged.push({ level, message, fields });
  const log: Logger = { debug: logger('debug'), info: logger('info'), warn: logger('warn'), error: logger('error') };
  let reclaims = 0;
  const watch = watchBudget({
    budget: { rssBytes: 100 * MIB, cpuMillicores: 50 },
    usage: () => {
      taken.cpuMs += (clock.monotonic() - taken.atMs) * taken.cpuShare;
      taken.atMs = clock.monotonic();
      return taken;
    },
    reclaim: () => Promise.resolve(void (reclaims += 1)),
    clock,
    log,
  });
  return { clock, taken, logged, watch, reclaims: () => reclaims };
}

function valueOf(fact: AgentFact) {
  if (fact.state !== 'seen') throw new Error(fact.state);
  return fact.value;
}

void t.test('what starting takes does not count', async (t) => {
  const { clock, taken, watch, logged } = watching();
  taken.rssBytes = 300 * MIB;
  taken.cpuShare = 1;
  await clock.advance(10 * 60_000);
  t.equal(valueOf(watch.fact()).level, 'normal');
  taken.rssBytes = 50 * MIB;
  taken.cpuShare = 0.01;
  watch.begin(() => t.fail('within budget'));
  await clock.advance(10 * 60_000);
  t.equal(valueOf(watch.fact()).cpuMillicores, 10);
  t.same(logged, []);
  watch.close();
  t.equal(clock.waiting(), 0);
});

void t.test('over its CPU budget: slows down, says so, and recovers', async (t) => {
  const { clock, taken, watch, logged, reclaims } = watching();
  const paces: number[] = [];
  watch.begin(() => paces.push(watch.pace().sweepFactor));
  watch.begin(() => t.fail('the first one counts'));
  await clock.advance(60_000);
  taken.cpuShare = 0.2;
  await clock.advance(5 * 60_000);
  t.same(paces, [2, 4, 8, 16]);
  const slow = valueOf(watch.fact());
  t.match(slow, { level: 'critical', reason: 'cpu', cpuMillicores: 200, cpuBudgetMillicores: 50, sweepFactor: 16 });
  t.equal(slow.highestCpuMillicores, 200);
  t.ok(slow.sinceMs > Date.UTC(2026, 0, 1, 0, 1) && slow.sinceMs < Date.UTC(2026, 0, 1, 0, 2, 30));
  t.equal(agentSchema.parse(watch.fact()).ok, true);
  taken.cpuShare = 0.01;
  await clock.advance(6 * 60_000);
  t.same(paces, [2, 4, 8, 16, 8, 4, 2, 1]);
  t.match(valueOf(watch.fact()), { level: 'normal', reason: 'none', highestCpuMillicores: 0, cpuMillicores: 10 });
  t.same(
    logged.map(({ level, message }) => `${level} ${message}`),
    [
      ...Array.from({ length: 4 }, () => 'warn over its budget: the agent slows down'),
      ...Array.from({ length: 3 }, () => 'info the agent works faster again'),
      'info within its budget again: the agent works at full speed',
    ],
  );
  t.match(logged[0]?.fields, { level: 'throttled', sweepFactor: 2, reason: 'cpu', budget: { cpuMillicores: 50 } });
  t.equal(reclaims(), 0);
});

void t.test('over its memory budget: memory is asked back first, and again every minute', async (t) => {
  const { clock, taken, watch, reclaims } = watching();
  watch.begin(() => undefined);
  taken.rssBytes = 101 * MIB;
  await clock.advance(10_000);
  t.equal(reclaims(), 1);
  t.equal(valueOf(watch.fact()).level, 'normal', 'it may have been garbage');
  taken.rssBytes = 70 * MIB;
  await clock.advance(600_000);
  t.equal(valueOf(watch.fact()).level, 'normal');
  taken.rssBytes = 130 * MIB;
  await clock.advance(600_000);
  t.match(valueOf(watch.fact()), {
    level: 'throttled',
    reason: 'memory',
    sweepFactor: 4,
    highestRssBytes: 130 * MIB,
    rssBudgetBytes: 100 * MIB,
  });
  t.equal(reclaims(), 11);
});

void t.test('of this process, from the kernel; and memory is given back', async (t) => {
  const { rssBytes, cpuMs } = processUsage();
  t.ok(rssBytes > 20 * MIB && cpuMs > 50, 'node alone takes so much');
  let garbage: unknown[] | undefined = Array.from({ length: 2_000_000 }, (_, index) => ({ index }));
  t.equal(garbage.length, 2_000_000);
  const before = processUsage().rssBytes;
  garbage = undefined;
  await reclaimMemory();
  const after = processUsage().rssBytes;
  t.ok(after < before - 30 * MIB, `${String(before / MIB)} MiB, then ${String(after / MIB)}`);
});
