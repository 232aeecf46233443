import t from 'tap';
import { advanceRollout, beginStep } from '../../rollout/executor.ts';
import type { ExecutorApi } from '../../rollout/executor.ts';
import { readCluster } from '../../rollout/read-cluster.ts';
import { systemClock } from '../../service/clock.ts';
import { ROLLOUT_ANNOTATION } from '../../policy/rollout/workload.ts';
import type { RolloutRecord, WorkloadKind } from '../../policy/rollout/workload.ts';
import {
  entryWith,
  FIXED,
  IMAGE,
  NOW,
  OLD,
  rolloutPolicy,
  rolloutRecord,
  workload,
} from '../policy/rollout/fixture.ts';

/** What of a rollout is observed: the pods and checks that count. */
const RESOURCES: Readonly<Record<WorkloadKind, string>> = {
  Deployment: '/apis/apps/v1/deployments',
  StatefulSet: '/apis/apps/v1/statefulsets',
  DaemonSet: '/apis/apps/v1/daemonsets',
  CronJob: '/apis/batch/v1/cronjobs',
};

/** An API server in memory: lists by path, and single objects. Patches are kept. */
function apiWith(objects: Readonly<Record<string, unknown>>) {
  const patches: unknown[] = [];
  const api: ExecutorApi = {
    get: (path, schema) => {
      const body = objects[path.replace(/\?.*$/, '')];
      if (body === undefined) return Promise.resolve({ ok: false, code: 'notFound', reason: path });
      const parsed = schema.parse(body);
      if (!parsed.ok) throw new Error(parsed.problem);
      return Promise.resolve(parsed);
    },
    patch: (_path, body, schema) => {
      patches.push(body);
      const parsed = schema.parse({});
      if (!parsed.ok) throw new Error(parsed.problem);
      return Promise.resolve(parsed);
    },
    create: () => Promise.reject(new Error('creates nothing')),
    remove: () => Promise.reject(new Error('removes nothing')),
  };
  const recordOf = (index: number): RolloutRecord => {
    const { metadata } = patches[index] as { metadata: { annotations: Record<string, string> } };
    return JSON.parse(metadata.annotations[ROLLOUT_ANNOTATION] ?? '') as RolloutRecord;
  };
  return { api, patches, recordOf };
}

const template = (image: string) => ({
  metadata: { labels: { app: 'db' } },
  spec: { containers: [{ name: 'db', image }] },
});

function object(kind: WorkloadKind, image: string, record: RolloutRecord | undefined): object {
  const annotations = record === undefined ? {} : { [ROLLOUT_ANNOTATION]: JSON.stringify(record) };
  return {
    metadata: { name: 'db', namespace: 'shop', uid: 'uid-shop-db', resourceVersion: '7', annotations },
    spec:
      kind === 'CronJob'
        ? { jobTemplate: { spec: { template: template(image) } } }
        : { replicas: 1, selector: { matchLabels: { app: 'db' } }, template: template(image) },
  };
}

interface PodFields {
  readonly owner: string;
  readonly deletionTimestamp?: string;
}

const pod = (name: string, image: string, { owner, ...metadata }: PodFields): object => ({
  metadata: { name, namespace: 'shop', uid: name, ownerReferences: [{ uid: owner }], ...metadata },
  spec: { nodeName: 'n1', containers: [{ name: 'db', image }] },
  status: {
    phase: 'Running',
    containerStatuses: [{ name: 'db', containerID: `containerd://${name}`, imageID: `x@${OLD}` }],
  },
});

/** The names of the pods that count for the workload. */
async function podsOf(kind: WorkloadKind, record: RolloutRecord | undefined, pods: readonly object[]) {
  const lists: Readonly<Record<string, readonly object[]>> = {
    ...Object.fromEntries(Object.values(RESOURCES).map((path) => [path, []])),
    [RESOURCES[kind]]: [object(kind, record === undefined ? IMAGE : FIXED, record)],
    '/api/v1/pods': pods,
    '/api/v1/nodes': [{ metadata: { name: 'n1', uid: 'node-uid' } }],
    '/apis/apps/v1/replicasets': [{ metadata: { uid: 'rs', ownerReferences: [{ uid: 'uid-shop-db' }] } }],
    '/apis/batch/v1/jobs': [{ metadata: { uid: 'job', ownerReferences: [{ uid: 'uid-shop-db' }] } }],
    '/apis/policy/v1/poddisruptionbudgets': [],
  };
  const { api } = apiWith(
    Object.fromEntries(Object.entries(lists).map(([path, items]) => [path, { metadata: {}, items }])),
  );
  const read = await readCluster({ api, clock: systemClock() });
  if (!read.ok) throw new Error(read.reason);
  return read.value.workloads.flatMap(({ pods: own }) => own.map(({ name }) => name));
}

void t.test('pods that say nothing about the images of a workload now do not count', async (t) => {
  const deletionTimestamp = '2026-11-25T12:00:30Z';
  const [rs, job] = [{ owner: 'rs' }, { owner: 'job' }];
  const observing = rolloutRecord({ phase: 'observing' });
  t.strictSame(
    await podsOf('Deployment', observing, [
      pod('terminating', IMAGE, { ...rs, deletionTimestamp }),
      pod('before', IMAGE, rs),
      pod('new', FIXED, rs),
    ]),
    ['new'],
  );
  t.strictSame(
    await podsOf('CronJob', rolloutRecord(), [
      pod('before', IMAGE, job),
      pod('before-and-pinned', `${IMAGE}@${OLD}`, job),
      pod('new', FIXED, job),
      pod('of-somebody-else', IMAGE, { owner: 'another' }),
    ]),
    ['new'],
    'a Job that began before the rollout',
  );
  t.strictSame(await podsOf('CronJob', undefined, [pod('run', IMAGE, job)]), ['run'], 'without a rollout');
  const rolledBack = rolloutRecord({ phase: 'rolledBack' });
  t.strictSame(await podsOf('Deployment', rolledBack, [pod('back', IMAGE, rs)]), ['back'], 'after a rollback');
});

void t.test('a workload that comes back is compared with what failed before it was taken offline', async (t) => {
  const before = rolloutRecord({
    phase: 'offline',
    offline: 'scaleToZero',
    replicas: 2,
    failures: ['container.root-user'],
  });
  const offline = workload({ replicas: 0, pods: [], record: before });
  const { api, recordOf } = apiWith({
    '/apis/apps/v1/namespaces/shop/deployments/db': {
      ...object('Deployment', IMAGE, before),
      spec: { replicas: 0, selector: { matchLabels: { app: 'db' } }, template: template(IMAGE) },
    },
  });
  const restore = { ...entryWith({}), action: 'restore', changes: before.changes } as const;
  const begun = await beginStep(restore, offline, { api, nowMs: NOW, failures: [], policy: rolloutPolicy() });
  t.match(begun, { state: 'started' });
  t.match(recordOf(0), { failures: ['container.root-user'], replicas: 2, offline: 'scaleToZero' });
});

void t.test('a CronJob is not observed: its next run may be hours away', async (t) => {
  const record = rolloutRecord({ phase: 'progressing' });
  const { api, recordOf } = apiWith({
    '/apis/batch/v1/namespaces/shop/cronjobs/db': object('CronJob', FIXED, record),
  });
  const containers = [{ name: 'db', image: FIXED, isInit: false }];
  const cronJob = workload({ kind: 'CronJob', replicas: 0, containers, record });
  const fired = ['db: critical: CVE-2026-1'];
  t.match(await advanceRollout(cronJob, record, { api, nowMs: NOW, failures: ['container.privileged'], fired }), {
    state: 'done',
  });
  t.equal(recordOf(0).phase, 'done');
});
