import { listFirst } from '../kubernetes/list-all.ts';
import type { ListSource } from '../kubernetes/list-all.ts';
import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import * as s from '../posture/schema.ts';
import { managerOf, recordOf, textMap } from '../policy/rollout/workload.ts';
import type { Workload, WorkloadKind } from '../policy/rollout/workload.ts';
import type { Read } from './collector-client.ts';

/** A workload before its pods are known; `template`: labels of its pods. */
export interface RawWorkload extends Omit<Workload, 'pods' | 'disruptionBudgets'> {
  readonly template: Readonly<Record<string, string>>;
}

/** Path of the lists of a kind, the newest version of the API first. */
const KINDS = {
  Deployment: { groups: ['/apis/apps/v1'], resource: 'deployments' },
  StatefulSet: { groups: ['/apis/apps/v1'], resource: 'statefulsets' },
  DaemonSet: { groups: ['/apis/apps/v1'], resource: 'daemonsets' },
  // batch/v1 has CronJobs since Kubernetes 1.21.
  CronJob: { groups: ['/apis/batch/v1', '/apis/batch/v1beta1'], resource: 'cronjobs' },
} as const satisfies Record<WorkloadKind, { readonly groups: readonly string[]; readonly resource: string }>;

const containers = s.withDefault(
  s.list(s.object({ name: s.string('', 253), image: s.string('', 1024) }), '', 1000),
  [],
);
const templateSchema = s.object({
  metadata: s.withDefault(s.object({ labels: textMap }), { labels: {} }),
  spec: s.object({ containers, initContainers: containers }),
});
const count = s.withDefault(s.integer('', 0), 0);
/** An integer, or a percentage as text. */
const share = s.nullable(s.union([s.integer(), s.string('', 16)]));
const strategy = s.withDefault(
  s.object({
    type: s.withDefault(s.string('', 64), ''),
    rollingUpdate: s.withDefault(s.object({ maxUnavailable: share, maxSurge: share, partition: count }), {
      maxUnavailable: null,
      maxSurge: null,
      partition: 0,
    }),
  }),
  { type: '', rollingUpdate: { maxUnavailable: null, maxSurge: null, partition: 0 } },
);

/** The fields of the four kinds; each has some of them. */
const workloadSchema = s.object({
  metadata: s.object({
    name: s.string('', 253),
    namespace: s.string('', 253),
    uid: s.string('', 64),
    resourceVersion: s.string('', 64),
    generation: count,
    labels: textMap,
    annotations: textMap,
    ownerReferences: s.withDefault(
      s.list(s.object({ kind: s.string('', 253), controller: s.withDefault(s.boolean(), false) }), '', 64),
      [],
    ),
  }),
  spec: s.object({
    replicas: s.nullable(s.integer('', 0)),
    selector: s.unknown(),
    paused: s.withDefault(s.boolean(), false),
    strategy,
    updateStrategy: strategy,
    template: s.nullable(templateSchema),
    jobTemplate: s.nullable(s.object({ spec: s.object({ template: templateSchema }) })),
  }),
  status: s.withDefault(
    s.object({
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      availableReplicas: count,
      readyReplicas: count,
      desiredNumberScheduled: count,
      updatedNumberScheduled: count,
      numberAvailable: count,
    }),
    {
      observedGeneration: 0,
      replicas: 0,
      updatedReplicas: 0,
      availableReplicas: 0,
      readyReplicas: 0,
      desiredNumberScheduled: 0,
      updatedNumberScheduled: 0,
      numberAvailable: 0,
    },
  ),
});
type WorkloadObject = s.Infer<typeof workloadSchema>;

/** All workloads of the cluster. */
export async function readWorkloads(source: ListSource): Promise<Read<readonly RawWorkload[]>> {
  const found: RawWorkload[] = [];
  for (const [kind, { groups, resource }] of Object.entries(KINDS)) {
    const listing = await listFirst(source, groups, { resource, item: workloadSchema });
    if (!listing.ok) return { ok: false, reason: listing.reason };
    found.push(...listing.items.map((object) => toWorkload(kind as WorkloadKind, object)));
  }
  return { ok: true, value: found };
}

/** One workload as it is now, and its path. */
export async function readWorkload(
  api: Pick<KubernetesApi, 'get'>,
  { kind, namespace, name }: Pick<Workload, 'kind' | 'namespace' | 'name'>,
): Promise<KubernetesResult<{ readonly workload: RawWorkload; readonly path: string }>> {
  const { groups, resource } = KINDS[kind];
  let result: KubernetesResult<WorkloadObject> = { ok: false, code: 'notFound', reason: 'there is no such workload' };
  for (const group of groups) {
    const place = `namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}`;
    result = await api.get(`${group}/${place}`, workloadSchema);
    if (result.ok) return { ok: true, value: { workload: toWorkload(kind, result.value), path: `${group}/${place}` } };
    if (result.code !== 'notFound') return result;
  }
  return result;
}

function toWorkload(kind: WorkloadKind, { metadata, spec, status }: WorkloadObject): RawWorkload {
  const { name, namespace, uid, resourceVersion, labels, annotations, ownerReferences } = metadata;
  const template = spec.template ?? spec.jobTemplate?.spec.template;
  const replicas = kind === 'CronJob' ? 0 : kind === 'DaemonSet' ? status.desiredNumberScheduled : (spec.replicas ?? 1);
  const all = (list: 'containers' | 'initContainers') =>
    (template?.spec[list] ?? []).map(({ name, image }) => ({ name, image, isInit: list === 'initContainers' }));
  return {
    kind,
    namespace,
    name,
    uid,
    resourceVersion,
    labels,
    managedBy: managerOf(labels, annotations, ownerReferences),
    selector: kind === 'CronJob' ? undefined : (spec.selector ?? undefined),
    replicas,
    containers: [...all('containers'), ...all('initContainers')],
    maxUnavailable: unavailableOf(kind, spec, replicas),
    isUpdatedByController: spec.updateStrategy.type !== 'OnDelete' && spec.updateStrategy.rollingUpdate.partition === 0,
    isPaused: kind === 'Deployment' && spec.paused,
    isReady: isReady(kind, { metadata, spec, status }, replicas),
    record: recordOf(annotations),
    template: template?.metadata.labels ?? {},
  };
}

/** Pods that may be down at a time while a workload is updated; defaults are those of apps/v1. */
function unavailableOf(
  kind: WorkloadKind,
  { strategy: own, updateStrategy }: WorkloadObject['spec'],
  replicas: number,
) {
  switch (kind) {
    case 'Deployment':
      if (own.type === 'Recreate') return Infinity;
      return deploymentUnavailable(own.rollingUpdate, replicas);
    case 'StatefulSet':
      return Math.max(1, shareOf(updateStrategy.rollingUpdate.maxUnavailable ?? 1, replicas, Math.ceil));
    case 'DaemonSet':
      return Math.max(1, shareOf(updateStrategy.rollingUpdate.maxUnavailable ?? 1, replicas, Math.ceil));
    case 'CronJob':
      return 0;
  }
}

/** Where neither field leaves room for a pod, the controller takes one down (`ResolveFenceposts` of Kubernetes). */
function deploymentUnavailable(
  { maxUnavailable, maxSurge }: WorkloadObject['spec']['strategy']['rollingUpdate'],
  replicas: number,
): number {
  const unavailable = shareOf(maxUnavailable ?? '25%', replicas, Math.floor);
  return unavailable === 0 && shareOf(maxSurge ?? '25%', replicas, Math.ceil) === 0 ? 1 : unavailable;
}

function shareOf(value: number | string, of: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const [, percent] = /^(\d{1,3})%$/.exec(value) ?? [];
  // What is not understood could be everything.
  return percent === undefined ? Infinity : round((Number(percent) * of) / 100);
}

/** Whether the controller has seen the template, and every wanted pod runs it and is available. */
function isReady(kind: WorkloadKind, { metadata, status }: WorkloadObject, replicas: number): boolean {
  if (kind === 'CronJob') return true;
  if (status.observedGeneration < metadata.generation) return false;
  switch (kind) {
    case 'Deployment':
      return (
        status.updatedReplicas === replicas && status.replicas === replicas && status.availableReplicas === replicas
      );
    case 'StatefulSet':
      // availableReplicas is not in every version.
      return status.updatedReplicas === replicas && status.readyReplicas === replicas;
    case 'DaemonSet':
      return status.updatedNumberScheduled === replicas && status.numberAvailable === replicas;
  }
}

const selectorSchema = s.object({
  matchLabels: textMap,
  matchExpressions: s.withDefault(
    s.list(
      s.object({
        key: s.string('', 512),
        operator: s.oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: s.withDefault(s.list(s.string('', 512), '', 1000), []),
      }),
      '',
      1000,
    ),
    [],
  ),
});

/** Whether a label selector (meta/v1) selects pods with these labels. One that is not understood may select them. */
export function matchesSelector(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const parsed = selectorSchema.parse(selector ?? {});
  if (!parsed.ok) return true;
  const { matchLabels, matchExpressions } = parsed.value;
  if (!Object.entries(matchLabels).every(([key, value]) => labels[key] === value)) return false;
  return matchExpressions.every(({ key, operator, values }) => {
    const value = labels[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  });
}
