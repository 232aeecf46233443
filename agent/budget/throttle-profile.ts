/** How fast the agent works. Nothing is left out at any pace: what happens is joined, and seen later. */
export interface ThrottleProfile {
  readonly level: 'normal' | 'throttled' | 'critical';
  /** Factor for the configured interval between sweeps, and for the interval between looks after an exec. */
  readonly sweepFactor: number;
  /** At least so long after the end of a round the next one begins. */
  readonly roundIntervalMs: number;
  /** At least so long after one reading of a fact the next one begins. */
  readonly factIntervalMs: number;
  /** So long after an event its container is looked at: what else happens to it until then is seen by the same look. */
  readonly lookDelayMs: number;
  /** Containers that are looked at at the same time. 0: none is looked at alone, an event asks for a round. */
  readonly looksAtOnce: number;
  /** Live queries that are evaluated at the same time. 0: none is answered. */
  readonly queriesAtOnce: number;
  /** Live queries that wait for their turn. */
  readonly queriesWaiting: number;
}

/** Six looks at a time fill the engine. A file that is written all the time is not to keep the agent busy. */
const NORMAL = { level: 'normal', looksAtOnce: 6, queriesAtOnce: 2, queriesWaiting: 16 } as const;
const THROTTLED = { level: 'throttled', looksAtOnce: 1, queriesAtOnce: 1, queriesWaiting: 4 } as const;
const CRITICAL = { level: 'critical', looksAtOnce: 0, queriesAtOnce: 0, queriesWaiting: 0 } as const;

const STEPS = Object.freeze([
  { ...NORMAL, sweepFactor: 1, roundIntervalMs: 0, factIntervalMs: 1000, lookDelayMs: 0 },
  { ...THROTTLED, sweepFactor: 2, roundIntervalMs: 10_000, factIntervalMs: 5000, lookDelayMs: 1000 },
  { ...THROTTLED, sweepFactor: 4, roundIntervalMs: 30_000, factIntervalMs: 15_000, lookDelayMs: 5000 },
  { ...THROTTLED, sweepFactor: 8, roundIntervalMs: 60_000, factIntervalMs: 30_000, lookDelayMs: 15_000 },
  { ...CRITICAL, sweepFactor: 16, roundIntervalMs: 300_000, factIntervalMs: 60_000, lookDelayMs: 0 },
] as const satisfies readonly ThrottleProfile[]);

/** The last step. */
export const CRITICAL_STEP = STEPS.length - 1;

/** The pace of an agent that is not slowed down. */
export const UNTHROTTLED: ThrottleProfile = STEPS[0];

/** How many steps of slowing down lead to a pace. */
export function throttleStepOf(profile: ThrottleProfile): number {
  return Math.max(
    0,
    STEPS.findIndex((step) => step === profile),
  );
}

/** The profile after this number of steps of slowing down. */
export function throttleProfileAt(steps: number): ThrottleProfile {
  return STEPS[Math.max(0, Math.min(steps, CRITICAL_STEP))] ?? UNTHROTTLED;
}
