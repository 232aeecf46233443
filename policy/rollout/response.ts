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

/** Everything that responses depend on. */
export interface ResponseInput {
  readonly policies: readonly ResponsePolicy[];
  readonly failures: readonly ContainerFailure[];
  readonly pods: readonly RunningPod[];
  /** What people decided, by id. */
  readonly decisions: ReadonlyMap<string, 'approved' | 'rejected'>;
  /** Ids of responses that were carried out. */
  readonly done: ReadonlySet<string>;
  /** Steps that were begun within the last hour, by any process. */
  readonly recent: readonly { readonly policy: string; readonly atMs: number }[];
  readonly isPaused: boolean;
  readonly hash: (text: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const HOUR_MS = 3_600_000;
const SEVERITIES = ['critical', 'high', 'medium', 'low'];
const MAX_REASONS = 10;

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
  const entries = new Map<string, ResponseEntry & { readonly reasons: string[] }>();
  const used = new Map<string, number>();
  for (const policy of input.policies.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    for (const failure of input.failures) {
      const found = failure.containerId === '' ? undefined : podOf.get(`${failure.nodeId} ${failure.containerId}`);
      if (found === undefined || !matches(policy, failure, found.pod)) continue;
      const workload = targetOf(policy.action, found.pod);
      const id = input.hash(JSON.stringify([policy.name, policy.action, workload.uid])).slice(0, 16);
      const reason = `${found.name}: ${failure.check}`;
      const known = entries.get(id);
      if (known === undefined) {
        const shared = { id, policy: policy.name, workload, action: policy.action, changes: [] as const };
        entries.set(id, { ...shared, ...stateOf(id, policy, { input, used }), reasons: [reason] });
      } else if (known.reasons.length < MAX_REASONS && !known.reasons.includes(reason)) known.reasons.push(reason);
    }
  return [...entries.values()];
}

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

function stateOf(
  id: string,
  { name, mode, approval, budget }: ResponsePolicy,
  { input, used }: { readonly input: ResponseInput; readonly used: Map<string, number> },
): Pick<ResponseEntry, 'state' | 'note'> {
  const { done, decisions, isPaused, recent, now } = input;
  if (done.has(id)) return { state: 'none', note: 'it was carried out' };
  if (mode === 'dryRun') return { state: 'dryRun', note: '' };
  const decision = decisions.get(id);
  if (decision === 'rejected') return { state: 'rejected', note: '' };
  if (isPaused) return { state: 'waiting', note: 'rollouts are paused' };
  if (approval === 'required' && decision !== 'approved') return { state: 'awaitingApproval', note: '' };
  const before = recent.filter(({ policy, atMs }) => policy === name && now - atMs < HOUR_MS).length;
  const count = before + (used.get(name) ?? 0);
  if (count >= budget.perHour)
    return {
      state: 'waiting',
      note: `${String(count)} responses within an hour, the budget is ${String(budget.perHour)}`,
    };
  used.set(name, (used.get(name) ?? 0) + 1);
  return { state: 'ready', note: '' };
}
