import { parseReference, canonicalRegistry } from '../reference.ts';
import { holdersOf } from './budget.ts';
import type { BudgetHolder } from './budget.ts';
import { firedBy } from './exposure.ts';
import type { ImageExposure, TriggerReason } from './exposure.ts';
import { isWindowOpen } from './maintenance-window.ts';
import { matchesImage, matchesWorkload } from './rollout-policy.ts';
import type { RolloutPolicy, Webhook } from './rollout-policy.ts';
import { chooseSuccessor } from './successor.ts';
import type { SuccessorSearch } from './successor.ts';
import type { ImageChange, RolloutRecord, TemplateContainer, Workload, WorkloadPod } from './workload.ts';

/**
 * What is done with a workload. roll: its images are replaced; scaleToZero, isolate: it is taken offline; restore: its
 * images are replaced and it comes back online; proposePatch, requestBuild: a webhook is called; watch: a rollout runs;
 * none: nothing
 */
export type PlannedAction =
  'roll' | 'scaleToZero' | 'isolate' | 'restore' | 'proposePatch' | 'requestBuild' | 'watch' | 'none';

/**
 * ready: it is carried out now; dryRun: the policy only plans; awaitingApproval: somebody must approve it; rejected:
 * somebody has rejected it; waiting: something else comes first; none: there is nothing to do
 */
export type PlanState = 'ready' | 'dryRun' | 'awaitingApproval' | 'rejected' | 'waiting' | 'none';

/** What is planned for one workload, or why nothing is. */
export interface PlanEntry {
  /** The same for the same step: policy, workload, action and images. */
  readonly id: string;
  readonly policy: string;
  readonly workload: Pick<Workload, 'kind' | 'namespace' | 'name' | 'uid'>;
  readonly action: PlannedAction;
  readonly state: PlanState;
  readonly changes: readonly ImageChange[];
  /** Why something is to be done, by container: `db: known exploited: CVE-2026-1`. */
  readonly reasons: readonly string[];
  /** Why the state is what it is; empty where the action says it. */
  readonly note: string;
  /** Whom to call, of proposePatch and requestBuild. */
  readonly webhook: Webhook | undefined;
}

/** An image whose successor the planner wants to know. */
export interface WantedSuccessor {
  readonly key: string;
  readonly image: string;
  readonly namespace: string;
  /** Digests of the image that runs. */
  readonly digests: readonly string[];
  readonly policy: RolloutPolicy;
}

/** Everything that a plan depends on. */
export interface PlanInput {
  readonly policies: readonly RolloutPolicy[];
  readonly workloads: readonly Workload[];
  readonly exposures: readonly ImageExposure[];
  /** Whether the image policies refuse a running image in a namespace. */
  readonly isDenied: (imageId: string, namespace: string) => boolean;
  /** Answers to {@link WantedSuccessor}, by key. */
  readonly successors: ReadonlyMap<string, SuccessorSearch>;
  /** What people decided, by id of a plan entry. */
  readonly decisions: ReadonlyMap<string, 'approved' | 'rejected'>;
  /** Somebody has paused all rollouts. */
  readonly isPaused: boolean;
  /** Hashes a text, hexadecimal. The pure layers have no cryptography. */
  readonly hash: (text: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A plan, and what it takes to make a better one. */
export interface Plan {
  readonly entries: readonly PlanEntry[];
  /** Successors that are asked for; those without an answer leave their workload waiting. */
  readonly wanted: readonly WantedSuccessor[];
}

/** A container of a workload whose image sets off the trigger. */
interface Affected {
  readonly container: TemplateContainer;
  readonly exposure: ImageExposure;
  readonly reasons: readonly TriggerReason[];
}

/**
 * Plans what is to be done with every workload that a policy is for. Pure; the same input gives the same plan. Where
 * several policies match a workload, the first by name decides.
 */
export function planRollouts(input: PlanInput): Plan {
  const index = indexExposures(input.exposures);
  const wanted = new Map<string, WantedSuccessor>();
  const budget = createBudget(input.workloads);
  const entries: PlanEntry[] = [];
  for (const workload of input.workloads.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    const policy = policyFor(workload, input.policies);
    if (policy === undefined) continue;
    const proposal = propose(workload, { policy, input, index, wanted });
    entries.push(admit(proposal, { policy, workload, input, budget }));
  }
  return { entries, wanted: [...wanted.values()] };
}

function nameOf({ namespace, kind, name }: Pick<Workload, 'namespace' | 'kind' | 'name'>): string {
  return `${namespace}/${kind}/${name}`;
}

interface ExposureIndex {
  readonly byContainer: ReadonlyMap<string, ImageExposure>;
  readonly byDigest: ReadonlyMap<string, ImageExposure>;
}

function indexExposures(exposures: readonly ImageExposure[]): ExposureIndex {
  const byContainer = new Map<string, ImageExposure>();
  const byDigest = new Map<string, ImageExposure>();
  for (const exposure of exposures) {
    for (const { nodeId, id } of exposure.containers) byContainer.set(`${nodeId} ${id}`, exposure);
    for (const digest of exposure.digests) byDigest.set(digest, exposure);
  }
  return { byContainer, byDigest };
}

/**
 * The images that the pods of a workload run under the name of one container. A container counts only where the node
 * that reports it is the node of its pod: a node says nothing about the pods of others.
 */
function exposuresOf(
  container: TemplateContainer,
  pods: readonly WorkloadPod[],
  { byContainer, byDigest }: ExposureIndex,
): readonly ImageExposure[] {
  const found = new Set<ImageExposure>();
  const pinned = parseReference(container.image);
  const pinnedDigest = pinned.ok ? pinned.value.digest : undefined;
  for (const { nodeUid, containers } of pods)
    for (const { name, id, digest } of containers) {
      if (name !== container.name) continue;
      const exposure = (nodeUid === '' ? undefined : byContainer.get(`${nodeUid} ${id}`)) ?? byDigest.get(digest);
      if (exposure !== undefined) found.add(exposure);
    }
  const own = pinnedDigest === undefined ? undefined : byDigest.get(pinnedDigest);
  if (found.size === 0 && own !== undefined) found.add(own);
  return [...found];
}

interface Proposing {
  readonly policy: RolloutPolicy;
  readonly input: PlanInput;
  readonly index: ExposureIndex;
  readonly wanted: Map<string, WantedSuccessor>;
}

interface Proposal extends Pick<PlanEntry, 'action' | 'changes' | 'reasons' | 'note'> {
  readonly webhook?: Webhook | undefined;
  /** Something comes first: the action cannot be carried out yet. */
  readonly isBlocked?: boolean;
}

const nothing = (note: string, reasons: readonly string[] = []): Proposal => ({
  action: 'none',
  changes: [],
  reasons,
  note,
});

function propose(workload: Workload, proposing: Proposing): Proposal {
  const { record } = workload;
  if (record === 'damaged')
    return nothing('its annotation plimsoll.dev/rollout is damaged: remove it to let rollouts go on');
  if (record?.phase === 'progressing' || record?.phase === 'observing')
    return { action: 'watch', changes: record.changes, reasons: [], note: `a rollout is ${record.phase}` };
  const { policy, input, index } = proposing;
  const isOffline = record?.phase === 'offline';
  if (isOffline) return proposeRestore(workload, record, proposing);
  const { affected, unknown } = lookAt(workload, policy, { index, input });
  if (affected.length === 0)
    return nothing(
      unknown.length === 0
        ? 'its images do not set off the trigger'
        : `the collector knows nothing of the images of ${unknown.join(', ')}: no agent that is enrolled as the Node of its pods has reported them (see plimsoll nodes)`,
    );
  const reasons = affected.map(describeAffected);
  const conflicting = affected.find(({ exposure }) => exposure.source === 'conflict');
  if (conflicting !== undefined)
    return nothing(`nodes contradict each other about the image of ${conflicting.container.name}`, reasons);
  return proposeChange(workload, { ...proposing, affected, reasons });
}

/** Containers of a workload whose images set off the trigger of a policy, and those about which nothing is known. */
function lookAt(
  workload: Workload,
  policy: RolloutPolicy,
  {
    index,
    input: { isDenied, now },
  }: { readonly index: ExposureIndex; readonly input: Pick<PlanInput, 'isDenied' | 'now'> },
): { readonly affected: readonly Affected[]; readonly unknown: readonly string[] } {
  const affected: Affected[] = [];
  const unknown: string[] = [];
  for (const container of workload.containers) {
    if (!matchesImage(policy.match.images, container.image)) continue;
    const known = exposuresOf(container, workload.pods, index);
    if (known.length === 0) unknown.push(container.name);
    for (const exposure of known) {
      const context = { isDenied: isDenied(exposure.imageId, workload.namespace), now };
      const reasons = firedBy(policy.trigger, exposure, context);
      if (reasons.length > 0) affected.push({ container, exposure, reasons });
    }
  }
  return { affected, unknown };
}

/** Why the images that a workload runs set off the policy that is for it, by container; empty: they do not. */
export function firedNow(
  workload: Workload,
  input: Pick<PlanInput, 'policies' | 'exposures' | 'isDenied' | 'now'>,
): readonly string[] {
  const policy = policyFor(workload, input.policies);
  if (policy === undefined) return [];
  const { affected } = lookAt(workload, policy, { index: indexExposures(input.exposures), input });
  return affected.map(describeAffected);
}

function describeAffected({ container, reasons }: Affected): string {
  return `${container.name}: ${reasons.map(({ text }) => text).join('; ')}`;
}

/** Of several policies the first by name. */
function policyFor(workload: Workload, policies: readonly RolloutPolicy[]): RolloutPolicy | undefined {
  return policies.toSorted((a, b) => (a.name < b.name ? -1 : 1)).find((one) => matchesWorkload(one, workload));
}

function proposeChange(
  workload: Workload,
  {
    affected,
    reasons,
    ...proposing
  }: Proposing & { readonly affected: readonly Affected[]; readonly reasons: readonly string[] },
): Proposal {
  const { policy } = proposing;
  const changes: ImageChange[] = [];
  const missing: Affected[] = [];
  const notes: string[] = [];
  let isWaiting = false;
  for (const one of new Map(affected.map((each) => [each.container.name, each])).values()) {
    const digests = affected
      .filter(({ container }) => container === one.container)
      .flatMap(({ exposure }) => exposure.digests);
    const choice = searchFor(workload, { image: one.container.image, digests }, proposing);
    if (choice.outcome === 'found')
      changes.push({ container: one.container.name, from: one.container.image, to: choice.candidate.reference });
    else {
      missing.push(one);
      notes.push(`${one.container.name}: ${choice.reason}`);
      isWaiting ||= choice.outcome === 'wait';
    }
  }
  const note = notes.join('; ');
  if (workload.managedBy !== undefined)
    return proposeToManager(workload, { policy, changes, reasons, note, isWaiting });
  const exploited = missing.find(
    ({ reasons: own, exposure }) => own.some(({ code }) => code === 'knownExploited') && exposure.source === 'layers',
  );
  if (exploited !== undefined && !isWaiting && policy.onExploited !== null)
    return proposeOffline(workload, { how: policy.onExploited, missing, reasons, note });
  if (changes.length > 0) return proposeRoll(workload, changes, reasons);
  if (isWaiting) return { ...nothing(note, reasons), isBlocked: true };
  return policy.onNoSuccessor === null
    ? nothing(`no successor: ${note}`, reasons)
    : { action: 'requestBuild', changes: missingChanges(missing), reasons, note, webhook: policy.onNoSuccessor };
}

/** The images that a new one is wanted for. */
function missingChanges(missing: readonly Affected[]): readonly ImageChange[] {
  return missing.map(({ container }) => ({ container: container.name, from: container.image, to: '' }));
}

function proposeToManager(
  { managedBy = '' }: Workload,
  {
    policy,
    changes,
    reasons,
    note,
    isWaiting,
  }: Pick<Proposal, 'changes' | 'reasons' | 'note'> & {
    readonly policy: RolloutPolicy;
    readonly isWaiting: boolean;
  },
): Proposal {
  const what = `${managedBy} manages it, so it is not patched`;
  if (changes.length === 0) return { ...nothing(`${what}; ${note}`, reasons), isBlocked: isWaiting };
  return policy.onManaged === null
    ? nothing(`${what}, and the policy names no webhook for the patch`, reasons)
    : { action: 'proposePatch', changes, reasons, note: what, webhook: policy.onManaged };
}

function proposeOffline(
  workload: Workload,
  {
    how,
    missing,
    reasons,
    note,
  }: Pick<Proposal, 'reasons' | 'note'> & {
    readonly how: 'scaleToZero' | 'isolate';
    readonly missing: readonly Affected[];
  },
): Proposal {
  const why = `no successor: ${note}`;
  if (how === 'scaleToZero' && workload.kind !== 'Deployment' && workload.kind !== 'StatefulSet')
    return nothing(`${why}; a ${workload.kind} cannot be scaled to zero`, reasons);
  if (how === 'isolate' && workload.selector === undefined)
    return nothing(`${why}; a ${workload.kind} has no selector for a NetworkPolicy`, reasons);
  const isAffected = new Set(missing.map(({ container }) => container.name));
  const changes = workload.containers.map(({ name, image }) => ({
    container: name,
    from: image,
    to: isAffected.has(name) ? '' : image,
  }));
  return { action: how, changes, reasons, note: why };
}

const PAUSED = 'it is paused, so its controller would not replace its pods: kubectl rollout resume';

function proposeRoll(workload: Workload, changes: readonly ImageChange[], reasons: readonly string[]): Proposal {
  const roll: Proposal = { action: 'roll', changes, reasons, note: '' };
  if (!workload.isUpdatedByController)
    return nothing('its update strategy is OnDelete: the controller would not replace its pods', reasons);
  if (workload.isPaused) return { ...roll, isBlocked: true, note: PAUSED };
  if (workload.kind === 'CronJob' || workload.replicas === 0) return roll;
  if (!workload.isReady)
    return { ...roll, isBlocked: true, note: 'it is not ready: not all of its pods are up to date and available' };
  for (const { name, currentHealthy, desiredHealthy } of workload.disruptionBudgets)
    if (currentHealthy - workload.maxUnavailable < desiredHealthy)
      return {
        ...roll,
        isBlocked: true,
        note: `its update strategy takes up to ${workload.maxUnavailable === Infinity ? 'all' : String(workload.maxUnavailable)} pods down, and the PodDisruptionBudget ${name} allows ${String(Math.max(0, currentHealthy - desiredHealthy))}: lower maxUnavailable`,
      };
  return roll;
}

/** A workload that was taken offline comes back with images that do not set off the trigger, or not at all. */
function proposeRestore(workload: Workload, record: RolloutRecord, proposing: Proposing): Proposal {
  const changed = workload.containers.find(
    ({ name, image }) => record.changes.find(({ container }) => container === name)?.from !== image,
  );
  if (changed !== undefined)
    return nothing(
      `it is offline, and the image of ${changed.name} was changed since: bring it back by hand, and remove its annotation plimsoll.dev/rollout`,
    );
  if (workload.managedBy !== undefined) return nothing(`it is offline, and ${workload.managedBy} manages it now`);
  const changes: ImageChange[] = [];
  const notes: string[] = [];
  let isWaiting = false;
  for (const { container, from, to } of record.changes) {
    // Only the containers that were affected have something to be replaced.
    if (to === from) continue;
    // Its own image comes back as well, once it does not set off the trigger any more.
    const choice = searchFor(workload, { image: from, digests: [] }, proposing);
    if (choice.outcome === 'found') changes.push({ container, from, to: choice.candidate.reference });
    else notes.push(`${container}: ${choice.reason}`);
    isWaiting ||= choice.outcome === 'wait';
  }
  const reasons = [record.reason];
  if (notes.length === 0)
    return {
      action: 'restore',
      changes,
      reasons,
      ...(workload.isPaused ? { isBlocked: true, note: PAUSED } : { note: '' }),
    };
  const { onNoSuccessor } = proposing.policy;
  const note = `it stays offline: ${notes.join('; ')}`;
  if (isWaiting || onNoSuccessor === null) return { ...nothing(note, reasons), isBlocked: isWaiting };
  const missing = record.changes
    .filter(({ from, to }) => to !== from)
    .map(({ container, from }) => ({ container, from, to: '' }));
  return { action: 'requestBuild', changes: missing, reasons, note, webhook: onNoSuccessor };
}

function searchFor(
  { namespace, record }: Workload,
  { image, digests }: { readonly image: string; readonly digests: readonly string[] },
  { policy, input, wanted }: Proposing,
) {
  const key = JSON.stringify([policy.name, namespace, image, [...new Set(digests)].sort()]);
  wanted.set(key, { key, image, namespace, digests: [...new Set(digests)], policy });
  const search = input.successors.get(key);
  if (search === undefined) return { outcome: 'wait', reason: 'a successor is being looked for' } as const;
  const refused = record === undefined || record === 'damaged' ? [] : record.refused;
  const choice = chooseSuccessor(search, { trigger: policy.trigger, refused, now: input.now });
  if (choice.outcome !== 'found' || isSameRepository(image, choice.candidate.reference)) return choice;
  // The collector is asked for images of the same repository; anything else is a mistake or an attack.
  return { outcome: 'none', reason: `${choice.candidate.reference} is another repository` } as const;
}

function isSameRepository(one: string, other: string): boolean {
  const [a, b] = [parseReference(one), parseReference(other)];
  return (
    a.ok &&
    b.ok &&
    a.value.path === b.value.path &&
    canonicalRegistry(a.value.registry) === canonicalRegistry(b.value.registry)
  );
}

interface Budget {
  /** Why no further rollout may begin; undefined: it may, and counts from now on. */
  readonly take: (policy: RolloutPolicy, namespace: string, isOffline: boolean) => string | undefined;
}

/** Counts what runs already, whoever began it. */
function createBudget(workloads: readonly Workload[]): Budget {
  const running: Pick<BudgetHolder, 'policy' | 'namespace' | 'isOffline'>[] = [...holdersOf(workloads)];
  return {
    take: ({ name, budget }, namespace, isOffline) => {
      const own = running.filter((one) => one.policy === name && one.isOffline === isOffline);
      const [most, mostHere] = isOffline ? [budget.offline, budget.offline] : [budget.atOnce, budget.perNamespace];
      const what = isOffline ? 'workloads are offline' : 'rollouts run';
      if (own.length >= most) return `${String(own.length)} ${what}, the budget of the policy is ${String(most)}`;
      const here = own.filter((one) => one.namespace === namespace).length;
      if (here >= mostHere) return `${String(here)} ${what} in the namespace, the budget is ${String(mostHere)}`;
      running.push({ policy: name, namespace, isOffline });
      return undefined;
    },
  };
}

const OFFLINE_ACTIONS = ['scaleToZero', 'isolate'] as const satisfies readonly PlannedAction[];

/** Whether what is proposed may be carried out now. */
function admit(
  { webhook, isBlocked = false, ...proposal }: Proposal,
  context: {
    readonly policy: RolloutPolicy;
    readonly workload: Workload;
    readonly input: PlanInput;
    readonly budget: Budget;
  },
): PlanEntry {
  const { policy, workload, input, budget } = context;
  const { kind, namespace, name, uid } = workload;
  const { action, changes } = proposal;
  const id = input.hash(JSON.stringify([policy.name, uid, action, changes])).slice(0, 16);
  const entry = (state: PlanState, note = proposal.note): PlanEntry => ({
    id,
    policy: policy.name,
    workload: { kind, namespace, name, uid },
    ...proposal,
    note,
    state,
    webhook,
  });
  if (action === 'none') return entry(isBlocked ? 'waiting' : 'none');
  if (action === 'watch') return entry('ready');
  if (policy.mode === 'dryRun') return entry('dryRun');
  // A call to a webhook changes nothing in the cluster.
  if (action === 'requestBuild' || action === 'proposePatch') return entry('ready');
  const decision = input.decisions.get(id);
  if (decision === 'rejected') return entry('rejected');
  if (isBlocked) return entry('waiting');
  if (input.isPaused) return entry('waiting', 'rollouts are paused');
  if (policy.approval === 'required' && decision !== 'approved') return entry('awaitingApproval');
  const isOffline = OFFLINE_ACTIONS.some((one) => one === action);
  if (!isOffline && policy.window !== null && !isWindowOpen(policy.window, input.now))
    return entry('waiting', 'the maintenance window is closed');
  const problem = budget.take(policy, namespace, isOffline);
  return problem === undefined ? entry('ready') : entry('waiting', problem);
}
