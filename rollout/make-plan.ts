import { createHash } from 'node:crypto';
import type { Clock } from '../service/clock.ts';
import { planRollouts } from '../policy/rollout/plan.ts';
import type { Plan, PlanInput } from '../policy/rollout/plan.ts';
import type { RolloutPolicy } from '../policy/rollout/rollout-policy.ts';
import { matchesWorkload } from '../policy/rollout/rollout-policy.ts';
import type { SuccessorSearch } from '../policy/rollout/successor.ts';
import type { Workload } from '../policy/rollout/workload.ts';
import type { CollectorClient, Read } from './collector-client.ts';

/** What a plan is made from. */
export interface PlanSources {
  readonly collector: CollectorClient;
  readonly policies: readonly RolloutPolicy[];
  readonly workloads: readonly Workload[];
  readonly decisions: PlanInput['decisions'];
  readonly isPaused: boolean;
  readonly clock: Clock;
}

/** Searches that are made at a time. */
const CONCURRENCY = 4;
/** Searches of one plan; the rest is searched for the next one. */
const MAX_SEARCHES = 500;

/** Asks the collector for everything that a plan needs, and plans. A failure of the collector is no plan. */
export async function makePlan(sources: PlanSources): Promise<Read<Plan>> {
  const { collector, policies, workloads, decisions, isPaused, clock } = sources;
  const exposures = await collector.exposures();
  if (!exposures.ok) return exposures;
  const denied = await readDenied(sources);
  if (!denied.ok) return denied;
  const input: PlanInput = {
    policies,
    workloads,
    exposures: exposures.value,
    isDenied: (imageId, namespace) => denied.value.get(namespace)?.has(imageId) === true,
    successors: new Map(),
    decisions,
    isPaused,
    hash: (text) => createHash('sha256').update(text).digest('hex'),
    now: clock.now(),
  };
  const queue = planRollouts(input).wanted.slice(0, MAX_SEARCHES).values();
  const successors = new Map<string, SuccessorSearch>();
  const work = async (): Promise<void> => {
    for (const wanted of queue) successors.set(wanted.key, await collector.successors(wanted));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return { ok: true, value: planRollouts({ ...input, successors, now: clock.now() }) };
}

/** What the image policies refuse, for the namespaces of the policies that ask for it. */
async function readDenied({
  collector,
  policies,
  workloads,
}: PlanSources): Promise<Read<ReadonlyMap<string, ReadonlySet<string>>>> {
  const asking = policies.filter(({ trigger }) => trigger.denied);
  const namespaces = new Set(
    workloads.filter((one) => asking.some((policy) => matchesWorkload(policy, one))).map(({ namespace }) => namespace),
  );
  const denied = new Map<string, ReadonlySet<string>>();
  for (const namespace of namespaces) {
    const read = await collector.deniedIn(namespace);
    if (!read.ok) return read;
    denied.set(namespace, read.value);
  }
  return { ok: true, value: denied };
}
