import { matchesGlob } from '../glob.ts';
import type { PlanState } from './plan.ts';
import { matchesNamespace } from './rollout-policy.ts';
import type { ResponseAction, ResponsePolicy } from './response-policy.ts';

/** A failed check of a container, as a node reports it. */
export interface ContainerFailure {
  readonly check: string;
  readonly severity: string;
  /** The node that reports it: the uid of its Node object. */
  readonly nodeId: string;
  readonly containerId: string;
}

/** A pod that responses can be about. */
export interface RunningPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly nodeName: string;
  /** Uid of its Node object; empty: not known. */
  readonly nodeUid: string;
  readonly containers: readonly { readonly name: string; readonly id: string }[];
}

/** A response that is planned, or why it does not begin. The fields are those of a plan entry of a rollout. */
export interface ResponseEntry {
  readonly id: string;
  readonly policy: string;
  readonly workload: {
    readonly kind: 'Pod' | 'Node';
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
  readonly action: ResponseAction;
  readonly state: PlanState;
  readonly changes: readonly [];
  readonly reasons: readonly string[];
  readonly note: string;
}

/** A response that was begun. */
export interface ResponseAttempt {
  readonly id: string;
  readonly policy: string;
  /** When it was begun; its further tries do not count as another beginning. */
  readonly atMs: number;
  /** When its last try failed; null: it was carried out, or is under way, or nobody knows. */
  readonly failedMs: number | null;
}

/** Everything that responses depend on. */
export interface ResponseInput {
  readonly policies: readonly ResponsePolicy[];
  readonly failures: readonly ContainerFailure[];
  readonly pods: readonly RunningPod[];
  /** What people decided, by id. */
  readonly decisions: ReadonlyMap<string, 'approved' | 'rejected'>;
  /** Ids of responses that were carried out. */
  readonly done: ReadonlySet<string>;
  /** Responses that were begun within the last day, by any process. */
  readonly recent: readonly ResponseAttempt[];
  readonly isPaused: boolean;
  readonly hash: (text: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const HOUR_MS = 3_600_000;
const SEVERITIES = ['critical', 'high', 'medium', 'low'];
const MAX_REASONS = 10;
/** Pause before the next try of a response; it doubles, since a response that keeps failing is a step each time. */
const RETRY_MS = 60_000;

/**
 * Plans what is done about failed checks of running containers. Pure. A failure counts only for a pod that runs on the
 * node that reports it, and a node action only for that node: a node can bring about nothing for others.
 */
export function planResponses(input: ResponseInput): readonly ResponseEntry[] {
  const podOf = new Map(
    input.pods
      .filter(({ nodeUid }) => nodeUid !== '')
      .flatMap((pod) => pod.containers.map(({ id, name }) => [`${pod.nodeUid} ${id}`, { pod, name }] as const)),
  );
  const planned = new Map<string, Planned>();
  for (const policy of input.policies.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    for (const failure of input.failures) {
      const found = failure.containerId === '' ? undefined : podOf.get(`${failure.nodeId} ${failure.containerId}`);
      if (found === undefined || !matches(policy, failure, found.pod)) continue;
      const workload = targetOf(policy.action, found.pod);
      const id = input.hash(JSON.stringify([policy.name, policy.action, workload.uid])).slice(0, 16);
      const reason = `${found.name}: ${failure.check}`;
      const known = planned.get(id);
      if (known === undefined) planned.set(id, { policy, workload, reasons: [reason] });
      else if (known.reasons.length < MAX_REASONS && !known.reasons.includes(reason)) known.reasons.push(reason);
    }
  const states = statesOf(input, planned);
  return [...planned].map(([id, { policy, workload, reasons }]) => {
    const { state, note } = states.get(id) ?? NOTHING;
    return { id, policy: policy.name, workload, action: policy.action, state, changes: [], reasons, note };
  });
}

interface Planned {
  readonly policy: ResponsePolicy;
  readonly workload: ResponseEntry['workload'];
  readonly reasons: string[];
}

type State = Pick<ResponseEntry, 'state' | 'note'>;

const NOTHING: State = Object.freeze({ state: 'none', note: '' });

function matches({ match }: ResponsePolicy, { check, severity }: ContainerFailure, { namespace }: RunningPod): boolean {
  const rank = SEVERITIES.indexOf(severity);
  return (
    rank >= 0 &&
    rank <= SEVERITIES.indexOf(match.severity) &&
    match.checks.some((pattern) => matchesGlob(pattern, check)) &&
    matchesNamespace(match.namespaces, namespace)
  );
}

function targetOf(
  action: ResponseAction,
  { namespace, name, uid, nodeName, nodeUid }: RunningPod,
): ResponseEntry['workload'] {
  return action === 'evict' || action === 'isolatePod'
    ? { kind: 'Pod', namespace, name, uid }
    : { kind: 'Node', namespace: '', name: nodeName, uid: nodeUid };
}

/**
 * The state of each response. Those that were not tried come first: one that cannot succeed, such as the eviction of a
 * pod with a PodDisruptionBudget that allows none, must not use the budget again and again.
 */
function statesOf(input: ResponseInput, planned: ReadonlyMap<string, Planned>): ReadonlyMap<string, State> {
  const tried = new Set(input.recent.map(({ id }) => id));
  const [known, fresh] = [[...planned].filter(([id]) => tried.has(id)), [...planned].filter(([id]) => !tried.has(id))];
  const used = new Map<string, number>();
  return new Map([...fresh, ...known].map(([id, { policy }]) => [id, stateOf(id, policy, { input, used })]));
}

function stateOf(
  id: string,
  { name, mode, approval, budget }: ResponsePolicy,
  { input, used }: { readonly input: ResponseInput; readonly used: Map<string, number> },
): State {
  const { done, decisions, isPaused, recent, now } = input;
  if (done.has(id)) return { state: 'none', note: 'it was carried out' };
  if (mode === 'dryRun') return { state: 'dryRun', note: '' };
  const decision = decisions.get(id);
  if (decision === 'rejected') return { state: 'rejected', note: '' };
  if (isPaused) return { state: 'waiting', note: 'rollouts are paused' };
  const attempt = attemptOf(input, id);
  // It was approved, and the budget counts it already.
  if (attempt !== undefined)
    return now < nextTryMs(attempt)
      ? { state: 'waiting', note: 'it was begun; if it has failed, it is tried again' }
      : { state: 'ready', note: '' };
  if (approval === 'required' && decision !== 'approved') return { state: 'awaitingApproval', note: '' };
  const before = recent.filter((one) => one.policy === name && isWithinHour(one, now)).length;
  const count = before + (used.get(name) ?? 0);
  if (count >= budget.perHour)
    return {
      state: 'waiting',
      note: `${String(count)} responses within an hour, the budget is ${String(budget.perHour)}`,
    };
  used.set(name, (used.get(name) ?? 0) + 1);
  return { state: 'ready', note: '' };
}

/** The attempt within the last hour that a response goes on with: it is in the budget already. Undefined: a new one. */
export function attemptOf(
  { recent, now }: Pick<ResponseInput, 'recent' | 'now'>,
  id: string,
): ResponseAttempt | undefined {
  return recent.find((one) => one.id === id && isWithinHour(one, now));
}

function isWithinHour({ atMs }: ResponseAttempt, now: number): boolean {
  return now - atMs < HOUR_MS;
}

/** Also where nobody knows how it ended, because the process was killed: the same action on the same object is the same. */
function nextTryMs({ atMs, failedMs }: ResponseAttempt): number {
  const lastMs = failedMs ?? atMs;
  return lastMs + Math.max(RETRY_MS, lastMs - atMs);
}
