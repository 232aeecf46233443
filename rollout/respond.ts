import { createHash } from 'node:crypto';
import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import * as s from '../posture/schema.ts';
import type { ResponseEntry } from '../policy/rollout/response.ts';
import type { Clock } from '../service/clock.ts';
import { isolatePods } from './isolate.ts';

/** What responses may do with the API server. */
export type ResponseApi = Pick<KubernetesApi, 'get' | 'create' | 'patch'>;

/** Label of pods that are cut off the network. */
const ISOLATED_LABEL = 'plimsoll.dev/isolated';
/** Label of nodes that a policy marks. */
const NODE_LABEL = 'plimsoll.dev/response';
const identity = s.object({ metadata: s.object({ uid: s.string('', 64), resourceVersion: s.string('', 64) }) });
const anything = s.object({});

/** Further tries of a response that the API server could not take, and the pause before each. */
const FURTHER_TRIES = 5;
const PAUSE_MS = 1000;

/**
 * Carries out one response. The object must still be the one that was planned for: a name can be used again. An API
 * server that fails or is not there, such as one whose admission webhook has no endpoint yet, is asked again for some
 * seconds while `mayGoOn`.
 */
export async function carryOut(
  api: ResponseApi,
  response: Pick<ResponseEntry, 'action' | 'workload' | 'policy'>,
  { clock, mayGoOn }: { readonly clock: Pick<Clock, 'after'>; readonly mayGoOn: () => boolean },
): Promise<KubernetesResult<object>> {
  let result = await attempt(api, response);
  for (let left = FURTHER_TRIES; left > 0 && isTransient(result); left -= 1) {
    await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    if (!mayGoOn()) break;
    result = await attempt(api, response);
  }
  return result;
}

function isTransient(result: KubernetesResult<object>): boolean {
  return !result.ok && (result.code === 'failed' || result.code === 'unreachable');
}

async function attempt(
  api: ResponseApi,
  { action, workload, policy }: Pick<ResponseEntry, 'action' | 'workload' | 'policy'>,
): Promise<KubernetesResult<object>> {
  const { namespace, name, uid } = workload;
  const pod = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  switch (action) {
    case 'evict':
      return evict(api, pod, workload);
    case 'isolatePod': {
      const value = createHash('sha256').update(uid).digest('hex').slice(0, 16);
      const selector = { matchLabels: { [ISOLATED_LABEL]: value } };
      const isolated = await isolatePods(api, { namespace, key: uid, selector });
      return isolated.ok ? patchSame(api, pod, uid, { metadata: { labels: { [ISOLATED_LABEL]: value } } }) : isolated;
    }
    case 'labelNode':
      return patchSame(api, `/api/v1/nodes/${encodeURIComponent(name)}`, uid, {
        metadata: { labels: { [NODE_LABEL]: policy } },
      });
    case 'cordonNode':
      return patchSame(api, `/api/v1/nodes/${encodeURIComponent(name)}`, uid, { spec: { unschedulable: true } });
  }
}

/** The Eviction API checks the uid, and PodDisruptionBudgets. policy/v1 has it since Kubernetes 1.22. */
async function evict(
  api: ResponseApi,
  pod: string,
  { namespace, name, uid }: ResponseEntry['workload'],
): Promise<KubernetesResult<object>> {
  const body = (apiVersion: string): object => ({
    apiVersion,
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions: { preconditions: { uid } },
  });
  const evicted = await api.create(`${pod}/eviction`, body('policy/v1'), anything);
  if (evicted.ok || evicted.code === 'tooMany' || evicted.code === 'notFound' || evicted.code === 'conflict')
    return evicted;
  return api.create(`${pod}/eviction`, body('policy/v1beta1'), anything);
}

const TRIES = 5;

/** Patches the object of a path if it still has the uid. */
async function patchSame(
  api: ResponseApi,
  path: string,
  uid: string,
  change: { readonly metadata?: object; readonly spec?: object },
): Promise<KubernetesResult<object>> {
  for (let left = TRIES; left > 0; left -= 1) {
    const current = await api.get(path, identity);
    if (!current.ok) return current;
    const { metadata } = current.value;
    if (metadata.uid !== uid) break;
    const body = { ...change, metadata: { resourceVersion: metadata.resourceVersion, ...change.metadata } };
    const patched = await api.patch(path, body, anything);
    if (patched.ok || patched.code !== 'conflict') return patched;
  }
  return { ok: false, code: 'conflict', reason: 'the object was replaced meanwhile' };
}
