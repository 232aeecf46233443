import { CRITICAL_STEP } from './throttle-profile.ts';

/** How far the agent is slowed down, and how long what was measured has spoken for a change. */
export interface Slowdown {
  /** 0: full speed; see `paceOf`. */
  readonly step: number;
  /** Consecutive measurements that asked for the next step. */
  readonly over: number;
  /** What measurements under budget have earned since the last that was over it. */
  readonly credit: number;
}

/** What was measured, as a share of its budget: 1 is all of it. */
export interface Load {
  readonly memory: number;
  readonly cpu: number;
}

/** Full speed. */
export const AT_FULL_SPEED: Slowdown = Object.freeze({ step: 0, over: 0, credit: 0 });

/** Measurements over budget, one every ten seconds, until the agent slows down: a single round is not to do it. */
const OVER_TO_BEGIN = 3;
/** And until it slows down further: CPU is measured over a minute, and a step must have had time to show. */
const OVER_TO_GO_ON = 6;
/** Below this share a step back will not lead straight over the budget again: it is taken after a minute … */
const WELL_UNDER = 0.8;
const CREDIT_WELL_UNDER = 10;
/** … and between that and the whole budget after ten. */
const CREDIT_UNDER = 1;
const CREDIT_TO_GO_BACK = 60;
/**
 * Memory that is in use does not become less by waiting longer: it slows the agent down so far and no further, unless
 * it is so high that the process is in danger.
 */
const MEMORY_STEP = 2;
const MEMORY_IN_DANGER = 1.5;

/** The slowdown after one more measurement. Goes one step at a time, up or down. */
export function nextSlowdown({ step, over, credit }: Slowdown, { memory, cpu }: Load): Slowdown {
  const worst = Math.max(memory, cpu);
  const ceiling = cpu > 1 || memory > MEMORY_IN_DANGER ? CRITICAL_STEP : MEMORY_STEP;
  if (worst > 1 && step <= ceiling) {
    const enough = over + 1 >= (step === 0 ? OVER_TO_BEGIN : OVER_TO_GO_ON);
    if (!enough) return { step, over: over + 1, credit: 0 };
    return { step: Math.min(step + 1, ceiling), over: 0, credit: 0 };
  }
  if (step === 0) return AT_FULL_SPEED;
  const earned = credit + (worst < WELL_UNDER || step > ceiling ? CREDIT_WELL_UNDER : CREDIT_UNDER);
  return earned < CREDIT_TO_GO_BACK ? { step, over: 0, credit: earned } : { step: step - 1, over: 0, credit: 0 };
}
