import { nextChange } from './maintenance-window.ts';
import type { ResponsePolicy } from './response-policy.ts';
import type { RolloutPolicy } from './rollout-policy.ts';
import type { Workload } from './workload.ts';

/** How much of one budget is used. */
export interface BudgetUsage {
  readonly policy: string;
  readonly budget: 'atOnce' | 'perNamespace' | 'offline' | 'perHour';
  /** Of `perNamespace`; empty: the budget is for all namespaces. */
  readonly namespace: string;
  readonly used: number;
  readonly limit: number;
  /** Workloads that use it: `shop/Deployment/db`; at most {@link MAX_HOLDERS}. */
  readonly holders: readonly string[];
  /** Of `perHour`: when the oldest response does not count any more, milliseconds since the epoch. */
  readonly freesMs: number | null;
}

/** The maintenance window of a policy. */
export interface WindowState {
  readonly policy: string;
  readonly isOpen: boolean;
  /** When it opens or closes next, milliseconds since the epoch; null: it never does. */
  readonly changesMs: number | null;
}

/** Budgets of all policies, and their maintenance windows. */
export interface BudgetReport {
  readonly budgets: readonly BudgetUsage[];
  readonly windows: readonly WindowState[];
}

/** What budgets are counted from. */
export interface BudgetInput {
  readonly rolloutPolicies: readonly RolloutPolicy[];
  readonly responsePolicies: readonly ResponsePolicy[];
  readonly workloads: readonly Workload[];
  /** Responses that were begun within the last hour. */
  readonly recent: readonly { readonly policy: string; readonly atMs: number }[];
  readonly now: number;
}

/** A workload that a rollout runs on, or that is offline. */
export interface BudgetHolder {
  readonly policy: string;
  readonly namespace: string;
  readonly name: string;
  readonly isOffline: boolean;
}

/** Rows that are reported: those with the least left first. */
export const MAX_BUDGETS = 100;
const MAX_HOLDERS = 3;
const MAX_NAME = 120;
const HOUR_MS = 3_600_000;

/** The workloads that use a budget of their policy, whoever began it. */
export function holdersOf(workloads: readonly Workload[]): readonly BudgetHolder[] {
  return workloads.flatMap(({ record, namespace, kind, name }) => {
    if (record === undefined || record === 'damaged') return [];
    const isOffline = record.phase === 'offline';
    if (!isOffline && record.phase !== 'progressing' && record.phase !== 'observing') return [];
    return [{ policy: record.policy, namespace, name: `${namespace}/${kind}/${name}`.slice(0, MAX_NAME), isOffline }];
  });
}

/** How much of each budget is used, and which maintenance windows are open. Pure. */
export function reportBudgets(input: BudgetInput): BudgetReport {
  const holders = holdersOf(input.workloads);
  const budgets = [
    ...input.rolloutPolicies.flatMap((policy) => rolloutBudgets(policy, holders)),
    ...input.responsePolicies.map((policy) => responseBudget(policy, input)),
  ];
  const windows = input.rolloutPolicies.flatMap(({ name, window }) =>
    window === null ? [] : [{ policy: name, ...nextChange(window, input.now) }],
  );
  const left = ({ used, limit }: BudgetUsage): number => limit - used;
  return {
    budgets: budgets.toSorted((a, b) => left(a) - left(b)).slice(0, MAX_BUDGETS),
    windows: windows.slice(0, MAX_BUDGETS),
  };
}

function rolloutBudgets({ name, budget }: RolloutPolicy, holders: readonly BudgetHolder[]): readonly BudgetUsage[] {
  const own = holders.filter(({ policy }) => policy === name);
  const running = own.filter(({ isOffline }) => !isOffline);
  const usage = (
    kind: BudgetUsage['budget'],
    {
      limit,
      by,
      namespace = '',
    }: { readonly limit: number; readonly by: readonly BudgetHolder[]; readonly namespace?: string },
  ): BudgetUsage => ({
    policy: name,
    budget: kind,
    namespace,
    used: by.length,
    limit,
    holders: by.slice(0, MAX_HOLDERS).map((one) => one.name),
    freesMs: null,
  });
  return [
    usage('atOnce', { limit: budget.atOnce, by: running }),
    ...[...Map.groupBy(running, ({ namespace }) => namespace)].map(([namespace, by]) =>
      usage('perNamespace', { limit: budget.perNamespace, by, namespace }),
    ),
    usage('offline', { limit: budget.offline, by: own.filter(({ isOffline }) => isOffline) }),
  ];
}

function responseBudget({ name, budget }: ResponsePolicy, { recent, now }: BudgetInput): BudgetUsage {
  const counted = recent.filter(({ policy, atMs }) => policy === name && now - atMs < HOUR_MS);
  return {
    policy: name,
    budget: 'perHour',
    namespace: '',
    used: counted.length,
    limit: budget.perHour,
    holders: [],
    freesMs: counted.length === 0 ? null : Math.min(...counted.map(({ atMs }) => atMs)) + HOUR_MS,
  };
}
