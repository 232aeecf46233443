import * as s from '../posture/schema.ts';
import { listAll, listFirst } from '../kubernetes/list-all.ts';
import type { Listing, ListSource } from '../kubernetes/list-all.ts';
import type { DisruptionBudget, RolloutRecord, Workload, WorkloadPod } from '../policy/rollout/workload.ts';
import type { Read } from './collector-client.ts';
import { matchesSelector, readWorkloads } from './parse-workload.ts';
import type { RawWorkload } from './parse-workload.ts';

/** What rollouts see of a cluster. */
export interface ClusterState {
  readonly workloads: readonly Workload[];
  /** Every pod, for responses to findings. */
  readonly pods: readonly ClusterPod[];
  readonly nodes: readonly ClusterNode[];
}

/** A pod. */
export interface ClusterPod extends WorkloadPod {
  readonly namespace: string;
  readonly uid: string;
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Ids of the objects that own it. */
  readonly owners: readonly string[];
  /** It was deleted, and may still run until its grace period is over. */
  readonly isTerminating: boolean;
  /** Images of its spec, by container. */
  readonly images: ReadonlyMap<string, string>;
}

/** A node. */
export interface ClusterNode {
  readonly name: string;
  readonly uid: string;
}

const text = s.withDefault(s.string('', 4096), '');
const labels = s.withDefault(s.record(text, '', 1000), {});
const owners = s.withDefault(s.list(s.object({ uid: s.string('', 64) }), '', 64), []);

const specContainers = s.withDefault(s.list(s.object({ name: text, image: text }), '', 1000), []);
const podSchema = s.object({
  metadata: s.object({
    name: s.string('', 253),
    namespace: s.string('', 253),
    uid: s.string('', 64),
    labels,
    ownerReferences: owners,
    deletionTimestamp: text,
  }),
  spec: s.object({ nodeName: text, containers: specContainers, initContainers: specContainers }),
  status: s.object({
    phase: text,
    containerStatuses: s.withDefault(statusList(), []),
    initContainerStatuses: s.withDefault(statusList(), []),
  }),
});

function statusList() {
  return s.list(s.object({ name: text, containerID: text, imageID: text }), '', 1000);
}

const ownedSchema = s.object({ metadata: s.object({ uid: s.string('', 64), ownerReferences: owners }) });
const nodeSchema = s.object({ metadata: s.object({ name: s.string('', 253), uid: s.string('', 64) }) });
const budgetSchema = s.object({
  metadata: s.object({ name: s.string('', 253), namespace: s.string('', 253) }),
  spec: s.object({ selector: s.unknown() }),
  status: s.withDefault(
    s.object({ currentHealthy: s.withDefault(s.integer(), 0), desiredHealthy: s.withDefault(s.integer(), 0) }),
    { currentHealthy: 0, desiredHealthy: 0 },
  ),
});

/** Reads the workloads of a cluster with their pods. Fails as a whole if one part could not be read. */
export async function readCluster(source: ListSource): Promise<Read<ClusterState>> {
  const failures: string[] = [];
  const take = <T>(listing: Listing<T>): readonly T[] => {
    if (!listing.ok) failures.push(listing.reason);
    return listing.ok ? listing.items : [];
  };
  const [raw, podList, nodeList, replicaSets, jobs, budgets] = await Promise.all([
    readWorkloads(source),
    listAll(source, '/api/v1/pods', podSchema),
    listAll(source, '/api/v1/nodes', nodeSchema),
    listAll(source, '/apis/apps/v1/replicasets', ownedSchema),
    listAll(source, '/apis/batch/v1/jobs', ownedSchema),
    // policy/v1 came with Kubernetes 1.21.
    listFirst(source, ['/apis/policy/v1', '/apis/policy/v1beta1'], {
      resource: 'poddisruptionbudgets',
      item: budgetSchema,
    }),
  ]);
  if (!raw.ok) failures.push(raw.reason);
  const nodes = take(nodeList).map(({ metadata }) => metadata);
  const uidOf = new Map(nodes.map(({ name, uid }) => [name, uid]));
  const pods = take(podList)
    .filter(({ status }) => status.phase !== 'Succeeded' || status.containerStatuses.length > 0)
    .map((pod) => toPod(pod, uidOf));
  const parents = new Map(
    [...take(replicaSets), ...take(jobs)].map(({ metadata }) => [
      metadata.uid,
      metadata.ownerReferences.map(({ uid }) => uid),
    ]),
  );
  const byOwner = Map.groupBy(
    pods.flatMap((pod) => ancestorsOf(pod, parents).map((owner) => ({ owner, pod }))),
    ({ owner }) => owner,
  );
  const allBudgets = take(budgets);
  const [problem] = failures;
  if (problem !== undefined || !raw.ok) return { ok: false, reason: problem ?? '' };
  const workloads = raw.value.map(({ template, ...workload }: RawWorkload): Workload => {
    const own = (byOwner.get(workload.uid) ?? [])
      .map(({ pod }) => pod)
      .filter((pod) => !pod.isTerminating && !runsReplacedImage(pod, workload.record));
    const disruptionBudgets = budgetsOf(workload.namespace, template, allBudgets);
    return Object.assign(workload, { pods: own, disruptionBudgets });
  });
  return { ok: true, value: { workloads, pods, nodes } };
}

function toPod({ metadata, spec, status }: s.Infer<typeof podSchema>, uidOf: ReadonlyMap<string, string>): ClusterPod {
  const { name, namespace, uid, ownerReferences } = metadata;
  const { nodeName, containers, initContainers } = spec;
  return {
    name,
    namespace,
    uid,
    nodeName,
    nodeUid: uidOf.get(nodeName) ?? '',
    labels: metadata.labels,
    owners: ownerReferences.map((owner) => owner.uid),
    isTerminating: metadata.deletionTimestamp !== '',
    images: new Map([...containers, ...initContainers].map((one) => [one.name, one.image])),
    containers: [...status.containerStatuses, ...status.initContainerStatuses].map((one) => ({
      name: one.name,
      // `containerd://ID`
      id: one.containerID.replace(/^[a-z-]+:\/\//, ''),
      digest: /(?:^|@)(sha(?:256|384|512):[a-f0-9]+)$/.exec(one.imageID)?.[1] ?? '',
    })),
  };
}

/**
 * Whether a pod has an image that the last rollout of its workload replaced, such as a Job that a CronJob started before.
 * It says nothing about the images of the workload now. Admission control may have added a digest to the reference.
 */
function runsReplacedImage({ images }: ClusterPod, record: RolloutRecord | 'damaged' | undefined): boolean {
  if (record === undefined || record === 'damaged') return false;
  if (record.phase === 'rolledBack' || record.phase === 'offline') return false;
  return record.changes.some(({ container, from, to }) => {
    const image = images.get(container) ?? '';
    return from !== to && image !== to && (image === from || image.startsWith(`${from}@`));
  });
}

/** Owners of a pod and their owners: pod, ReplicaSet, Deployment; pod, Job, CronJob. */
function ancestorsOf({ owners: own }: ClusterPod, parents: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...new Set([...own, ...own.flatMap((uid) => parents.get(uid) ?? [])])];
}

function budgetsOf(
  namespace: string,
  template: Readonly<Record<string, string>>,
  all: readonly s.Infer<typeof budgetSchema>[],
): readonly DisruptionBudget[] {
  return all
    .filter(({ metadata, spec }) => metadata.namespace === namespace && matchesSelector(spec.selector, template))
    .map(({ metadata, status }) => Object.assign(status, { name: metadata.name }));
}
