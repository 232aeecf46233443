import type { ContainerFact } from '../fact/container.ts';
import type { Observed } from '../observed.ts';
import { fail, notApplicable, pass } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { hasEnded, notSeen } from './container-reading.ts';
import { isVirtualMachine } from './own-kernel.ts';

/** The limited resource, and the declared limit. */
interface LimitQuestion {
  readonly unit: string;
  readonly controller: string;
  readonly declared: Evidence;
  /** How much of it the host has: a limit that is not below has no effect. */
  readonly machine: Observed<number>;
}

/**
 * Is there a finite limit (-1: none) on the container's cgroup or above it? The cgroup decides: a limit of the pod or
 * the slice counts. A declared limit that the cgroup lacks does not count, nor one that the host cannot reach.
 */
export function judgeLimit(
  container: ContainerFact,
  limit: Observed<number>,
  { unit, controller, declared, machine }: LimitQuestion,
): Judgement {
  const expected = 'a limit on the cgroup or above it';
  if (limit.state === 'absent' && !hasEnded(container))
    return fail(
      `the kernel applies no ${controller} limits`,
      { source: limit.source, seen: `absent: no ${controller} controller here`, expected },
      declared,
    );
  if (limit.state !== 'seen') return notSeen(limit, declared);
  const isLimited = limit.value >= 0;
  const seen = isLimited ? `${String(limit.value)} ${unit}` : 'no limit';
  const kernel = { source: limit.source, seen, expected };
  if (!isLimited && isVirtualMachine(container))
    return notApplicable('the size of its virtual machine bounds the container', kernel, declared);
  if (!isLimited) return fail(`the container can use all ${unit} of the host`, kernel, declared);
  if (machine.state !== 'seen') return notSeen(machine, kernel, declared);
  if (limit.value < machine.value) return pass(kernel, declared);
  const whole = {
    source: machine.source,
    seen: `the host has ${String(machine.value)} ${unit}`,
    expected: 'more than the limit',
  };
  return fail(`the limit is not below the ${unit} of the host`, kernel, whole, declared);
}
