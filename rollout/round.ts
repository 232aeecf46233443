import { createHash, randomUUID } from 'node:crypto';
import type { RolloutReport } from '../api/rollout.ts';
import type { KubernetesApi } from '../kubernetes/api-client.ts';
import { reportBudgets } from '../policy/rollout/budget.ts';
import { firedNow } from '../policy/rollout/plan.ts';
import type { Plan, PlanEntry } from '../policy/rollout/plan.ts';
import type { ResponsePolicy } from '../policy/rollout/response-policy.ts';
import { attemptOf, planResponses } from '../policy/rollout/response.ts';
import type { ResponseEntry } from '../policy/rollout/response.ts';
import type { RolloutPolicy } from '../policy/rollout/rollout-policy.ts';
import type { RolloutRecord, Workload } from '../policy/rollout/workload.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import type { CollectorClient, Read, RolloutState } from './collector-client.ts';
import { advanceRollout, beginStep } from './executor.ts';
import type { StepResult } from './executor.ts';
import { makePlan } from './make-plan.ts';
import { readCluster } from './read-cluster.ts';
import type { ClusterPod } from './read-cluster.ts';
import { carryOut } from './respond.ts';
import type { WebhookCaller } from './webhook.ts';

/** Policies that change something. */
export interface AutomationPolicies {
  readonly rolloutPolicies: readonly RolloutPolicy[];
  readonly responsePolicies: readonly ResponsePolicy[];
}

/** What rounds work with. */
export interface RoundOptions {
  readonly api: KubernetesApi;
  readonly collector: CollectorClient;
  readonly policies: () => Promise<Read<AutomationPolicies>>;
  readonly webhooks: WebhookCaller;
  /** Whether this process may act now. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One round: watches what runs, plans, reports the plan, and begins what may begin. */
export interface Rounds {
  /** Never rejects for a failure of the API server or the collector: it is logged, and nothing is done. */
  readonly run: () => Promise<void>;
}

/** Steps that begin in one round. */
const MAX_STEPS = 20;

/** Rounds share what was reported: a plan that is as before is not reported again. */
export function createRounds(options: RoundOptions): Rounds {
  const { collector, clock, log, isLeader } = options;
  let reported = '';
  let problem = '';
  const note = (reason: string): undefined => {
    if (reason !== '' && reason !== problem) log.warn({ reason }, 'no rollouts are planned; it is tried again');
    problem = reason;
    return undefined;
  };
  return {
    run: async () => {
      const cluster = await readCluster(options);
      if (!cluster.ok) return note(cluster.reason);
      const { workloads } = cluster.value;
      const policies = await options.policies();
      // Rollouts that run are watched also while the policies or the collector cannot be read.
      await watch(options, workloads, policies.ok ? policies.value.rolloutPolicies : []);
      if (!policies.ok) return note(policies.reason);
      const state = await collector.state();
      if (!state.ok) return note(state.reason);
      const plan = await planOf(options, {
        workloads,
        policies: policies.value.rolloutPolicies,
        state: state.value,
      });
      if (!plan.ok) return note(plan.reason);
      const { entries } = plan.value;
      const responses = await planAll(options, {
        pods: cluster.value.pods,
        policies: policies.value,
        state: state.value,
      });
      if (!responses.ok) return note(responses.reason);
      const whole = [...entries, ...responses.value];
      const usage = reportBudgets({ ...policies.value, workloads, recent: state.value.recent, now: clock.now() });
      const text = JSON.stringify([whole, usage]);
      if (text !== reported && isLeader()) {
        const sent = await collector.report({ plan: whole, steps: [], usage });
        if (!sent.ok) return note(sent.reason);
        reported = text;
      }
      note('');
      const byUid = new Map(workloads.map((workload) => [workload.uid, workload]));
      const ready = entries.filter((entry) => entry.state === 'ready' && entry.action !== 'watch').slice(0, MAX_STEPS);
      for (const entry of ready) {
        const workload = byUid.get(entry.workload.uid);
        const policy = policies.value.rolloutPolicies.find(({ name }) => name === entry.policy);
        if (workload === undefined || policy === undefined || !isLeader()) continue;
        if (entry.webhook === undefined) await begin(options, entry, { workload, policy, nowMs: clock.now() });
        else if (!state.value.delivered.includes(entry.id)) await deliver(options, entry, workload);
      }
      for (const response of responses.value.filter((one) => one.state === 'ready').slice(0, MAX_STEPS))
        if (isLeader()) await respond(options, response, state.value);
      return undefined;
    },
  };
}

const SEVERITIES = ['critical', 'high', 'medium', 'low'];

/** What is planned about failed checks of containers. */
async function planAll(
  { collector, clock }: RoundOptions,
  {
    pods,
    policies,
    state,
  }: { readonly pods: readonly ClusterPod[]; readonly policies: AutomationPolicies; readonly state: RolloutState },
): Promise<Read<readonly ResponseEntry[]>> {
  const { responsePolicies } = policies;
  if (responsePolicies.length === 0) return { ok: true, value: [] };
  const least = Math.max(...responsePolicies.map(({ match }) => SEVERITIES.indexOf(match.severity)));
  const failures = await collector.containerFailures(SEVERITIES.slice(0, least + 1));
  if (!failures.ok) return failures;
  const entries = planResponses({
    policies: responsePolicies,
    failures: failures.value,
    pods,
    decisions: new Map(state.decisions.map(({ id, decision }) => [id, decision])),
    done: new Set(state.delivered),
    recent: state.recent,
    isPaused: state.isPaused,
    hash: (text) => createHash('sha256').update(text).digest('hex'),
    now: clock.now(),
  });
  return { ok: true, value: entries };
}

/**
 * Carries out one response, after the collector has recorded that it begins: that is what the budget counts. A further
 * try has been recorded as begun before.
 */
async function respond(
  { api, collector, clock, log, isLeader }: RoundOptions,
  entry: ResponseEntry,
  { recent }: Pick<RolloutState, 'recent'>,
): Promise<void> {
  if (attemptOf({ recent, now: clock.now() }, entry.id) === undefined) {
    const sent = await collector.report({ plan: undefined, steps: [stepOf(entry, { state: 'started', note: '' })] });
    if (!sent.ok) return log.warn({ id: entry.id, reason: sent.reason }, 'a response waits: it could not be recorded');
  }
  if (!isLeader()) return undefined;
  const result = await carryOut(api, entry, { clock, mayGoOn: isLeader });
  const step = result.ok ? ({ state: 'done', note: '' } as const) : ({ state: 'failed', note: result.reason } as const);
  log.info({ id: entry.id, action: entry.action, target: entry.workload, ...step }, 'response to a finding');
  const reported = await collector.report({ plan: undefined, steps: [stepOf(entry, step)] });
  if (!reported.ok) log.warn({ id: entry.id, reason: reported.reason }, 'a step could not be reported');
  return undefined;
}

function planOf(
  { collector, clock }: RoundOptions,
  {
    workloads,
    policies,
    state,
  }: {
    readonly workloads: readonly Workload[];
    readonly policies: readonly RolloutPolicy[];
    readonly state: RolloutState;
  },
): Promise<Read<Plan>> {
  const decisions = new Map(state.decisions.map(({ id, decision }) => [id, decision]));
  return makePlan({ collector, policies, workloads, decisions, isPaused: state.isPaused, clock });
}

/** Advances every rollout that runs. */
async function watch(
  { api, collector, clock, log, isLeader }: RoundOptions,
  workloads: readonly Workload[],
  policies: readonly RolloutPolicy[],
): Promise<void> {
  let known: ReturnType<CollectorClient['exposures']> | undefined;
  for (const workload of workloads) {
    const { record } = workload;
    if (record === undefined || record === 'damaged') continue;
    if (record.phase !== 'progressing' && record.phase !== 'observing') continue;
    if (!isLeader()) return;
    const isObserved = record.phase === 'observing';
    const failures = isObserved ? await collector.failuresOf(workload.pods) : undefined;
    if (isObserved) known ??= collector.exposures();
    const exposures = isObserved ? await known : undefined;
    const seen = { policies, isDenied: () => false, now: clock.now() };
    const fired = exposures?.ok === true ? firedNow(workload, { ...seen, exposures: exposures.value }) : undefined;
    const result = await advanceRollout(workload, record, {
      api,
      nowMs: clock.now(),
      failures: failures?.ok === true ? failures.value : undefined,
      fired,
    });
    if (result === 'wait') continue;
    log.info({ workload: nameOf(workload), state: result.state, note: result.note }, 'rollout advanced');
    const sent = await collector.report({ plan: undefined, steps: [stepOf(entryOf(workload, record), result)] });
    if (!sent.ok) log.warn({ id: record.id, reason: sent.reason }, 'a step could not be reported');
  }
}

/**
 * Begins one step. The collector records first that it is begun: without a record nothing is done, and an approval
 * counts once.
 */
async function begin(
  { api, collector, clock, log, isLeader }: RoundOptions,
  entry: PlanEntry,
  { workload, policy, nowMs }: { readonly workload: Workload; readonly policy: RolloutPolicy; readonly nowMs: number },
): Promise<void> {
  const failures = await collector.failuresOf(workload.pods);
  if (!failures.ok)
    return log.warn({ id: entry.id, reason: failures.reason }, 'a rollout waits: its findings are not known');
  const started = { state: 'started', note: '' } as const;
  const sent = await collector.report({ plan: undefined, steps: [stepOf(entry, started)] });
  if (!sent.ok) return log.warn({ id: entry.id, reason: sent.reason }, 'a rollout waits: it could not be recorded');
  if (!isLeader()) return undefined;
  const result = await beginStep(entry, workload, { api, nowMs, failures: failures.value, policy });
  const step: Exclude<StepResult, 'wait'> =
    result === 'wait' ? { state: 'failed', note: 'the workload was changed meanwhile' } : result;
  log.info({ id: entry.id, workload: nameOf(workload), action: entry.action, ...step }, 'rollout step');
  if (step.state === 'started') return undefined;
  const reported = await collector.report({ plan: undefined, steps: [stepOf(entry, step)] });
  if (!reported.ok)
    log.warn({ id: entry.id, reason: reported.reason, at: clock.now() }, 'a step could not be reported');
  return undefined;
}

async function deliver(
  { collector, webhooks, log }: RoundOptions,
  entry: PlanEntry,
  workload: Workload,
): Promise<void> {
  if (!(await webhooks.call(entry, workload))) return;
  log.info({ id: entry.id, workload: nameOf(workload), action: entry.action }, 'webhook called');
  const step = { state: 'delivered', note: '' } as const;
  const sent = await collector.report({ plan: undefined, steps: [stepOf(entry, step)] });
  // It is then called again, with the same idempotency key.
  if (!sent.ok) log.warn({ id: entry.id, reason: sent.reason }, 'a step could not be reported');
}

type ReportedEntry = RolloutReport['steps'][number]['entry'];

function stepOf(
  { id, policy, workload, action, changes, reasons, note }: ReportedEntry,
  { state, note: own }: Exclude<StepResult, 'wait'>,
): RolloutReport['steps'][number] {
  return { stepId: randomUUID(), entry: { id, policy, workload, action, changes, reasons, note }, state, note: own };
}

function entryOf(workload: Workload, { id, policy, changes, reason, offline }: RolloutRecord): ReportedEntry {
  const { kind, namespace, name, uid } = workload;
  const action = offline === null ? 'roll' : 'restore';
  return { id, policy, workload: { kind, namespace, name, uid }, action, changes, reasons: [reason], note: '' };
}

function nameOf({ namespace, kind, name }: Workload): string {
  return `${namespace}/${kind}/${name}`;
}
