import type { AgentFact } from '../../fact/agent.ts';
import { failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';

type SeenAgent = Extract<AgentFact, { readonly state: 'seen' }>['value'];

const MEMORY = '/proc/self/status VmRSS of the agent';
const CPU = '/proc/self/stat utime and stime of the agent';
const MIB = 1024 * 1024;

export const resourceBudget = nodeCheck({
  id: 'agent.resource-budget',
  title: 'Agent stays within its CPU and memory budget',
  failTitle: 'Agent exceeds its CPU or memory budget',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'the agent is at its lowest speed' },
    { severity: 'medium', when: 'the agent is throttled' },
  ],
  rationale:
    'An agent over its budget takes resources from the workloads of the host, so it slows down: it reports changes later and can miss a container that lives for seconds. A user who starts containers without end can cause this.',
  remediation:
    'Find the cause: many containers, containers that restart without end, or a file that is written constantly. On a large host, raise agent-memory-budget or agent-cpu-budget.',
  references: ['https://man7.org/linux/man-pages/man5/proc_pid_status.5.html'],
  judges: 'node',
  needs: ['agent'],
  judge: ({ agent }) => {
    if (agent.state === 'absent') return notApplicable('a single scan has no resource budget');
    if (agent.state === 'unreadable') return unknownBecause(`${agent.source}: ${agent.reason}`);
    const { value } = agent;
    switch (value.level) {
      case 'normal':
        return pass(...withinBudget(value));
      case 'throttled':
        return failAs('medium', overBudgetText(value), ...overBudget(value));
      case 'critical':
        return failAs('high', overBudgetText(value), ...overBudget(value));
    }
  },
});

/** Names the budget but not what is taken of it: that changes all the time, and would make a change of the finding. */
function withinBudget(agent: SeenAgent): readonly Evidence[] {
  const seen = 'within the budget';
  return [
    { source: MEMORY, seen, expected: mostMemory(agent) },
    { source: CPU, seen, expected: mostCpu(agent) },
  ];
}

const EXCEEDED = Object.freeze({
  none: 'its budget',
  memory: 'its memory budget',
  cpu: 'its CPU budget',
  memoryAndCpu: 'its memory and CPU budgets',
} satisfies Record<SeenAgent['reason'], string>);

function overBudgetText({ reason, sweepFactor }: SeenAgent): string {
  return `the agent exceeded ${EXCEEDED[reason]} and sweeps ${String(sweepFactor)} times less often`;
}

function overBudget(agent: SeenAgent): readonly Evidence[] {
  const since = `since ${isoTime(agent.sinceMs)}`;
  const evidence: Evidence[] = [];
  if (agent.reason === 'memory' || agent.reason === 'memoryAndCpu')
    evidence.push({
      source: MEMORY,
      seen: `up to ${mib(agent.highestRssBytes)} ${since}`,
      expected: mostMemory(agent),
    });
  if (agent.reason === 'cpu' || agent.reason === 'memoryAndCpu')
    evidence.push({
      source: CPU,
      seen: `up to ${percent(agent.highestCpuMillicores)} ${since}`,
      expected: mostCpu(agent),
    });
  const seen = `${agent.level}: sweeps ${String(agent.sweepFactor)} times less often, changes reported later`;
  return [...evidence, { source: 'speed of the agent', seen, expected: 'full speed' }];
}

function mostMemory({ rssBudgetBytes }: SeenAgent): string {
  return `at most ${mib(rssBudgetBytes)}`;
}

function mostCpu({ cpuBudgetMillicores }: SeenAgent): string {
  return `at most ${percent(cpuBudgetMillicores)} over a minute`;
}

/** One decimal, rounded up: what is over the budget must not look as if it were not. */
function mib(bytes: number): string {
  return `${String(Math.ceil((bytes / MIB) * 10) / 10)} MiB`;
}

function percent(millicores: number): string {
  return `${String(millicores / 10)} % of a core`;
}
