import type { AgentFact } from '../../posture/fact/agent.ts';
import { seen } from '../../posture/observed.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import { afterMeasuring, atFullSpeed } from './budget-state.ts';
import type { BudgetState, Taken } from './budget-state.ts';
import { createCpuWindow } from './cpu-window.ts';
import { throttleProfileAt } from './throttle-profile.ts';
import type { ThrottleProfile } from './throttle-profile.ts';
import type { Usage } from './usage.ts';

/** Measures what the agent takes, and slows it down while that is more than its budget. */
export interface BudgetWatch {
  /** How fast the agent is to work now. */
  readonly pace: () => ThrottleProfile;
  /** What is known of the agent now. */
  readonly fact: () => AgentFact;
  /**
   * The agent has started: from now on its budget counts, as starting takes more than going on. `onChange` is called
   * after each change of the pace. Only the first call counts.
   */
  readonly begin: (onChange: () => void) => void;
  /** Ends the measuring. */
  readonly close: () => void;
}

/** What the watch works with. */
export interface BudgetWatchOptions {
  /** The most that the agent may take for long. */
  readonly budget: Taken;
  readonly usage: () => Usage;
  /** Asks for memory to be given back. Must not reject. */
  readonly reclaim: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One measurement takes some 20 µs. */
const INTERVAL_MS = 10_000;
/** Giving memory back takes some 40 ms: less than 0.1 % of a core. */
const RECLAIM_INTERVAL_MS = 60_000;

/** Begins to measure; nothing is slowed down before `begin`. */
export function watchBudget(options: BudgetWatchOptions): BudgetWatch {
  const { budget, usage, reclaim, log } = options;
  const clock = scopedClock(options.clock);
  let window = createCpuWindow();
  let state = atFullSpeed(clock.now());
  let taken: Taken = { rssBytes: 0, cpuMillicores: 0 };
  let reclaimedMs = -Infinity;
  let onChange: (() => void) | undefined;

  const measure = (): void => {
    const { rssBytes, cpuMs } = usage();
    taken = { rssBytes, cpuMillicores: window.add(clock.monotonic(), cpuMs) ?? 0 };
  };
  const decide = (): void => {
    // Before the agent slows down for it: what is over may be no more than what nobody has collected yet.
    if (taken.rssBytes > budget.rssBytes && clock.monotonic() - reclaimedMs >= RECLAIM_INTERVAL_MS) {
      reclaimedMs = clock.monotonic();
      void reclaim();
    }
    const before = state;
    state = afterMeasuring(before, taken, budget, clock.now());
    if (state.slowdown.step === before.slowdown.step) return;
    tell(log, before, state, { taken, budget });
    onChange?.();
  };
  const tick = (): void => {
    measure();
    if (onChange !== undefined) decide();
    clock.after(INTERVAL_MS, tick);
  };
  tick();

  return {
    pace: () => throttleProfileAt(state.slowdown.step),
    fact: () => seen(factOf(state, taken, budget), '/proc/self'),
    begin: (call) => {
      if (onChange !== undefined) return;
      onChange = call;
      window = createCpuWindow();
      measure();
    },
    close: clock.close,
  };
}

function factOf(state: BudgetState, taken: Taken, budget: Taken) {
  const { level, sweepFactor } = throttleProfileAt(state.slowdown.step);
  return {
    level,
    reason: state.reason,
    sinceMs: Math.trunc(state.sinceMs),
    sweepFactor,
    rssBytes: taken.rssBytes,
    rssBudgetBytes: budget.rssBytes,
    highestRssBytes: state.highest.rssBytes,
    cpuMillicores: taken.cpuMillicores,
    cpuBudgetMillicores: budget.cpuMillicores,
    highestCpuMillicores: state.highest.cpuMillicores,
  };
}

function tell(
  log: Logger,
  before: BudgetState,
  after: BudgetState,
  { taken, budget }: { readonly taken: Taken; readonly budget: Taken },
): void {
  const { level, sweepFactor } = throttleProfileAt(after.slowdown.step);
  const reason = after.reason === 'none' ? before.reason : after.reason;
  const fields = { level, sweepFactor, reason, taken, budget };
  if (after.slowdown.step > before.slowdown.step) log.warn(fields, 'over its budget: the agent slows down');
  else if (after.slowdown.step > 0) log.info(fields, 'the agent works faster again');
  else log.info(fields, 'within its budget again: the agent works at full speed');
}
