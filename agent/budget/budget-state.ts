import type { AgentFact } from '../../posture/fact/agent.ts';
import { AT_FULL_SPEED, nextSlowdown } from './slowdown.ts';
import type { Slowdown } from './slowdown.ts';

/** What an agent takes of its node. */
export interface Taken {
  readonly rssBytes: number;
  /** CPU time over the last minute, in thousandths of a core. */
  readonly cpuMillicores: number;
}

/** Why the agent is slowed down. */
export type Reason = Extract<AgentFact, { readonly state: 'seen' }>['value']['reason'];

/** Whether the agent keeps its budget. */
export interface BudgetState {
  readonly slowdown: Slowdown;
  readonly reason: Reason;
  /** When it was slowed down, or began to work at full speed; wall clock. */
  readonly sinceMs: number;
  /** The most that was measured since it was slowed down. */
  readonly highest: Taken;
}

const NOTHING: Taken = Object.freeze({ rssBytes: 0, cpuMillicores: 0 });

/** An agent at full speed since `nowMs`. */
export function atFullSpeed(nowMs: number): BudgetState {
  return { slowdown: AT_FULL_SPEED, reason: 'none', sinceMs: nowMs, highest: NOTHING };
}

/** The state after one more measurement. */
export function afterMeasuring(before: BudgetState, taken: Taken, budget: Taken, nowMs: number): BudgetState {
  const load = {
    memory: taken.rssBytes / budget.rssBytes,
    cpu: taken.cpuMillicores / budget.cpuMillicores,
  };
  const slowdown = nextSlowdown(before.slowdown, load);
  const wasSlow = before.slowdown.step > 0;
  if (slowdown.step === 0) return wasSlow ? atFullSpeed(nowMs) : { ...before, slowdown };
  return {
    slowdown,
    reason: slowdown.step > before.slowdown.step ? reasonOf(taken, budget, before.reason) : before.reason,
    sinceMs: wasSlow ? before.sinceMs : nowMs,
    highest: highestOf(before.highest, taken),
  };
}

function highestOf(one: Taken, other: Taken): Taken {
  return {
    rssBytes: Math.max(one.rssBytes, other.rssBytes),
    cpuMillicores: Math.max(one.cpuMillicores, other.cpuMillicores),
  };
}

/** What is over budget now, and what was at an earlier step. */
function reasonOf(taken: Taken, budget: Taken, before: Reason): Reason {
  const memory = taken.rssBytes > budget.rssBytes || before === 'memory' || before === 'memoryAndCpu';
  const cpu = taken.cpuMillicores > budget.cpuMillicores || before === 'cpu' || before === 'memoryAndCpu';
  if (memory && cpu) return 'memoryAndCpu';
  return memory ? 'memory' : 'cpu';
}
