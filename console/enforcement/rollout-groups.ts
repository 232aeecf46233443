import type { Rollout } from '../../api/rollout.ts';

/**
 * Where a rollout is shown: it waits for a person; it runs, or its workload is offline; it is planned; it is over; or
 * there is nothing to do.
 */
export type RolloutGroup = 'approval' | 'running' | 'planned' | 'history' | 'nothing';

/** What people read for each group. */
export const ROLLOUT_GROUP_LABELS = Object.freeze({
  approval: 'Waiting for approval',
  running: 'In progress',
  planned: 'Planned',
  history: 'History',
  nothing: 'Nothing to do',
} satisfies Record<RolloutGroup, string>);

/** The groups in the order in which a page shows them. */
export const ROLLOUT_GROUPS: readonly RolloutGroup[] = Object.freeze([
  'approval',
  'running',
  'planned',
  'history',
  'nothing',
]);

/** What people read for each state; a state of a newer collector is shown as it is. */
const STATE_LABELS: Readonly<Record<string, string>> = Object.freeze({
  ready: 'begins now',
  dryRun: 'dry run',
  awaitingApproval: 'waits for approval',
  rejected: 'rejected',
  waiting: 'waits',
  none: 'nothing to do',
  started: 'in progress',
  done: 'done',
  notObserved: 'not observed',
  rolledBack: 'rolled back',
  failed: 'failed',
  offline: 'offline',
  delivered: 'webhook called',
});

/** The state in words. */
export function stateLabel(state: string): string {
  return STATE_LABELS[state] ?? state;
}

/** Rollouts by group. What runs is listed once, by its record, which has its steps. */
export function groupRollouts(rollouts: readonly Rollout[]): ReadonlyMap<RolloutGroup, readonly Rollout[]> {
  const recorded = new Set(
    rollouts.filter((one) => groupOf(one) === 'running' && !one.isPlanned).map(({ workload }) => workload.uid),
  );
  return Map.groupBy(
    rollouts.filter(({ action, workload }) => action !== 'watch' || !recorded.has(workload.uid)),
    groupOf,
  );
}

/** The group of one rollout. */
export function groupOf({ isPlanned, action, state, steps }: Rollout): RolloutGroup {
  if (!isPlanned)
    return state === 'started' || state === 'offline' ? 'running' : steps.length > 0 ? 'history' : 'nothing';
  if (state === 'awaitingApproval') return 'approval';
  if (action === 'watch') return 'running';
  if (state === 'delivered') return 'history';
  return action === 'none' ? 'nothing' : 'planned';
}
