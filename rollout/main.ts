import { randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loadPolicies } from '../image/policy/load-policies.ts';
import { accessFromKubeconfig, accessFromPod } from '../kubernetes/access.ts';
import { createKubernetesApi } from '../kubernetes/api-client.ts';
import type { KubernetesApi } from '../kubernetes/api-client.ts';
import type { PlanEntry } from '../policy/rollout/plan.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import { createCollectorClient } from './collector-client.ts';
import type { Read } from './collector-client.ts';
import { keepLease } from './lease.ts';
import { makePlan } from './make-plan.ts';
import { readCluster } from './read-cluster.ts';
import { createRounds } from './round.ts';
import type { AutomationPolicies } from './round.ts';
import { createWebhookCaller } from './webhook.ts';

/** What a plan is made with. */
export interface PlanOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const MAX_FILES = 256;
const POLICY_FILE = /^[^.].*\.(?:ya?ml|json)$/;

/** What rollouts run with. */
export interface RolloutOptions extends PlanOptions {
  readonly log: Logger;
  readonly onReady: () => void;
}

/** Plans and carries out rollouts until `signal` aborts. Rejects with what stopped it from starting. */
export async function runRollout({ settings, clock, signal, log, onReady }: RolloutOptions): Promise<void> {
  const first = await readRolloutPolicies(settings.rolloutPolicies);
  if (!first.ok)
    throw Object.assign(new Error(first.reason), { code: 'policies', hint: 'verify them with plimsoll policy check' });
  const api = await openKubernetes(settings);
  const identity = `${hostname()}_${randomUUID()}`;
  const { rolloutLease: lease } = settings;
  const held = lease === 'off' ? NO_LEASE : keepLease({ api, lease, identity, clock, log, signal });
  const { rolloutWebhookKey: keyFile, rolloutDispatchToken: tokenFile, rolloutWebhookCa: caFile } = settings;
  const rounds = createRounds({
    api,
    collector: createCollectorClient(settings, signal),
    policies: () => readRolloutPolicies(settings.rolloutPolicies),
    webhooks: createWebhookCaller({ keyFile, tokenFile, caFile, clock, log, signal }),
    isLeader: held.isHeld,
    clock,
    log,
  });
  try {
    const { rolloutPolicies, responsePolicies } = first.value;
    log.info({ policies: rolloutPolicies.length, responses: responsePolicies.length, lease }, 'rollouts are planned');
    onReady();
    while (!signal.aborted) {
      if (held.isHeld()) await rounds.run();
      await sleep(clock, held.isHeld() ? settings.rolloutInterval : STANDBY_MS, signal);
    }
    await held.over;
  } finally {
    api.close();
  }
}

const NO_LEASE = Object.freeze({ isHeld: () => true, over: Promise.resolve() });
/** How often a process that does not hold the lease looks whether it does. */
const STANDBY_MS = 1_000;

/** What would be done now, without any approval. Changes nothing. */
export async function planOnce({ settings, clock, signal }: PlanOptions): Promise<Read<readonly PlanEntry[]>> {
  const policies = await readRolloutPolicies(settings.rolloutPolicies);
  if (!policies.ok) return policies;
  const api = await openKubernetes(settings);
  try {
    const cluster = await readCluster({ api, clock });
    if (!cluster.ok) return cluster;
    const collector = createCollectorClient(settings, signal);
    const { workloads } = cluster.value;
    const parts = { decisions: new Map(), isPaused: false, clock };
    const plan = await makePlan({ collector, policies: policies.value.rolloutPolicies, workloads, ...parts });
    return plan.ok ? { ok: true, value: plan.value.entries } : plan;
  } finally {
    api.close();
  }
}

/** Rejects with KubernetesAccessError, or with an error that says which setting is missing. */
async function openKubernetes({ kubernetes, kubernetesApi }: Settings): Promise<KubernetesApi> {
  if (kubernetes === 'off')
    throw Object.assign(new Error('there is no access to the API server of Kubernetes'), {
      code: 'settings',
      hint: 'start with --kubernetes in-cluster, or --kubernetes KUBECONFIG',
    });
  const inCluster = kubernetes === 'in-cluster';
  return createKubernetesApi(inCluster ? accessFromPod(kubernetesApi) : await accessFromKubeconfig(kubernetes));
}

/** The rollout policies of a file or directory. */
async function readRolloutPolicies(path: string): Promise<Read<AutomationPolicies>> {
  const files = await filesOf(path);
  if (!files.ok) return files;
  const loaded = await loadPolicies(files.value);
  if (loaded.ok) return { ok: true, value: loaded };
  const problems = loaded.problems.map(({ source, problem }) => `${source}: ${problem}`);
  return { ok: false, reason: `the rollout policies cannot be used: ${problems.join('; ')}` };
}

async function filesOf(path: string): Promise<Read<readonly string[]>> {
  try {
    if (!(await stat(path)).isDirectory()) return { ok: true, value: [path] };
    // A mounted ConfigMap has hidden directories beside links to its files.
    const names = (await readdir(path)).filter((name) => POLICY_FILE.test(name)).toSorted();
    return names.length <= MAX_FILES
      ? { ok: true, value: names.map((name) => join(path, name)) }
      : { ok: false, reason: `${path} has more than ${String(MAX_FILES)} policy files` };
  } catch (error) {
    return { ok: false, reason: `${path}: ${errorCode(error)}` };
  }
}
