import type { ContainerFact } from '../fact/container.ts';
import type { Observed } from '../observed.ts';
import { fail, pass } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { hasEnded, notSeen } from './container-reading.ts';

/** What is limited, and what was asked for. */
interface LimitQuestion {
  readonly unit: string;
  readonly controller: string;
  readonly declared: Evidence;
  /** What the machine has of it: a limit that is not below that is none. */
  readonly machine: Observed<number>;
}

/**
 * Is there a finite limit (-1: none) on the container's cgroup or above it? The cgroup decides: a limit of the pod or
 * the slice counts, and one that was asked for but is not there does not; nor does one that the machine cannot reach.
 */
export function judgeLimit(
  container: ContainerFact,
  limit: Observed<number>,
  { unit, controller, declared, machine }: LimitQuestion,
): Judgement {
  const expected = 'a limit on the cgroup or above it';
  if (limit.state === 'absent' && !hasEnded(container))
    return fail({ source: limit.source, seen: `absent: no ${controller} controller here`, expected }, declared);
  if (limit.state !== 'seen') return notSeen(limit, declared);
  const isLimited = limit.value >= 0;
  const seen = isLimited ? `${String(limit.value)} ${unit}` : 'no limit';
  const kernel = { source: limit.source, seen, expected };
  if (!isLimited) return fail(kernel, declared);
  if (machine.state !== 'seen') return notSeen(machine, kernel, declared);
  if (limit.value < machine.value) return pass(kernel, declared);
  const whole = {
    source: machine.source,
    seen: `the machine has ${String(machine.value)} ${unit}`,
    expected: 'more than the limit',
  };
  return fail(kernel, whole, declared);
}
