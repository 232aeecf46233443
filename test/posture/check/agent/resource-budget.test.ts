import t from 'tap';
import type { AgentFact } from '../../../../posture/fact/agent.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { resourceBudget } from '../../../../posture/check/agent/resource-budget.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

type Agent = Extract<AgentFact, { readonly state: 'seen' }>['value'];
const MIB = 1024 * 1024;

function agent(overrides: Partial<Agent> = {}): { readonly agent: AgentFact } {
  const value: Agent = {
    level: 'normal',
    reason: 'none',
    sinceMs: Date.UTC(2026, 10, 25, 11, 0, 0),
    sweepFactor: 1,
    rssBytes: 70 * MIB,
    rssBudgetBytes: 128 * MIB,
    highestRssBytes: 0,
    cpuMillicores: 2,
    cpuBudgetMillicores: 50,
    highestCpuMillicores: 0,
    ...overrides,
  };
  return { agent: seen(value, '/proc/self') };
}

const slow = { level: 'throttled', sweepFactor: 4, highestRssBytes: 128 * MIB + 1, highestCpuMillicores: 63 } as const;

judgeNodes(t, resourceBudget, [
  { name: 'within', facts: agent(), verdict: 'pass', seen: ['within the budget', 'within the budget'] },
  {
    name: 'memory, by a byte',
    facts: agent({ ...slow, reason: 'memory' }),
    verdict: 'fail',
    severity: 'medium',
    seen: [
      'up to 128.1 MiB since 2026-11-25T11:00:00Z',
      'throttled: sweeps 4 times less often, changes reported later',
    ],
    sources: ['/proc/self/status VmRSS of the agent'],
  },
  {
    name: 'CPU',
    facts: agent({ ...slow, reason: 'cpu' }),
    verdict: 'fail',
    severity: 'medium',
    seen: [
      'up to 6.3 % of a core since 2026-11-25T11:00:00Z',
      'throttled: sweeps 4 times less often, changes reported later',
    ],
    sources: ['/proc/self/stat utime and stime of the agent'],
  },
  {
    name: 'both, far over',
    facts: agent({ ...slow, level: 'critical', reason: 'memoryAndCpu', sweepFactor: 16, highestRssBytes: 300 * MIB }),
    verdict: 'fail',
    severity: 'high',
    seen: [
      'up to 300 MiB since 2026-11-25T11:00:00Z',
      'up to 6.3 % of a core since 2026-11-25T11:00:00Z',
      'critical: sweeps 16 times less often, changes reported later',
    ],
  },
  {
    name: 'a scan',
    facts: { agent: absent('plimsoll agent') },
    verdict: 'notApplicable',
    reason: /single scan/,
  },
  {
    name: 'not measurable',
    facts: { agent: unreadable('/proc/self', 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /EACCES/,
  },
]);

void t.test('what is taken within the budget changes all the time, and the finding does not', (t) => {
  const judged = (value: Partial<Agent>) => resourceBudget.judge(factsOf(agent(value)));
  t.same(judged({ rssBytes: 60 * MIB, cpuMillicores: 1 }), judged({ rssBytes: 99 * MIB, cpuMillicores: 49 }));
  t.end();
});
