import { createHash } from 'node:crypto';
import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import * as s from '../posture/schema.ts';

/** Pods of a namespace that are cut off the network. */
export interface Isolated {
  readonly namespace: string;
  /** Differs from set to set of pods, such as the uid of a workload. */
  readonly key: string;
  /** Label selector (meta/v1) of the pods. */
  readonly selector: unknown;
}

/** Creates a NetworkPolicy that allows the pods no traffic. It is no failure where there is one. */
export async function isolatePods(
  api: Pick<KubernetesApi, 'create'>,
  { namespace, key, selector }: Isolated,
): Promise<KubernetesResult<object>> {
  const created = await api.create(
    pathOf(namespace),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: nameOf(key), labels: { 'app.kubernetes.io/managed-by': 'plimsoll' } },
      spec: { podSelector: selector, policyTypes: ['Ingress', 'Egress'] },
    },
    s.object({}),
  );
  return !created.ok && created.code === 'conflict' ? { ok: true, value: {} } : created;
}

/** Deletes that NetworkPolicy; succeeds if it does not exist. */
export async function releasePods(
  api: Pick<KubernetesApi, 'remove'>,
  { namespace, key }: Omit<Isolated, 'selector'>,
): Promise<KubernetesResult<object>> {
  const removed = await api.remove(`${pathOf(namespace)}/${nameOf(key)}`);
  return !removed.ok && removed.code === 'notFound' ? { ok: true, value: {} } : removed;
}

function pathOf(namespace: string): string {
  return `/apis/networking.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/networkpolicies`;
}

function nameOf(key: string): string {
  return `plimsoll-isolate-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}
