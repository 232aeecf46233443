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
}

/**
 * Is there a finite limit (-1: none) on the container's cgroup or above it? The cgroup decides: a limit of the pod or
 * the slice counts, and one that was asked for but is not there does not.
 */
export function judgeLimit(
  container: ContainerFact,
  limit: Observed<number>,
  { unit, controller, declared }: LimitQuestion,
): Judgement {
  const expected = 'a limit on the cgroup or above it';
  if (limit.state === 'absent' && !hasEnded(container))
    return fail({ source: limit.source, seen: `absent: no ${controller} controller here`, expected }, declared);
  if (limit.state !== 'seen') return notSeen(limit, declared);
  const isLimited = limit.value >= 0;
  const seen = isLimited ? `${String(limit.value)} ${unit}` : 'no limit';
  const kernel = { source: limit.source, seen, expected };
  return isLimited ? pass(kernel, declared) : fail(kernel, declared);
}
