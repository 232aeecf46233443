import t from 'tap';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import { ROLLOUT_ANNOTATION } from '../../policy/rollout/workload.ts';
import { carryOut } from '../../rollout/respond.ts';
import { patchWorkload } from '../../rollout/patch-workload.ts';
import { readWorkload } from '../../rollout/parse-workload.ts';
import { systemClock } from '../../service/clock.ts';
import { startApiServer } from '../kubernetes/api-server.ts';
import { FIXED, IMAGE, rolloutRecord } from '../policy/rollout/fixture.ts';

const PATH = '/apis/apps/v1/namespaces/shop/deployments/db';
const deployment = ({ image = IMAGE, version = '7', uid = 'u1', annotations = {}, status = {} } = {}) => ({
  metadata: { name: 'db', namespace: 'shop', uid, resourceVersion: version, generation: 3, annotations },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'db' } },
    template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'db', image }] } },
  },
  status: { observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: 3, ...status },
});
const change = { images: new Map([['db', FIXED]]), record: rolloutRecord({ phase: 'progressing' }) };

void t.test('a workload that was changed since it was planned is not touched', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  server.responses.set(`GET ${PATH}`, { body: deployment() });
  server.responses.set(`PATCH ${PATH}`, { body: {} });
  const read = await readWorkload(api, { kind: 'Deployment', namespace: 'shop', name: 'db' });
  if (!read.ok) throw new Error(read.reason);
  const planned = { ...read.value.workload, pods: [], disruptionBudgets: [] };
  t.match(planned, { maxUnavailable: 0, isReady: true, managedBy: undefined, replicas: 3 });
  const patches = () => server.asked.filter(({ method }) => method === 'PATCH');

  const done = { [ROLLOUT_ANNOTATION]: JSON.stringify(change.record) };
  for (const [name, other] of [
    ['another image', { image: 'evil.example/db' }],
    ['the patch was made already, before a crash', { annotations: done }],
    ['another object of the name', { uid: 'u2' }],
    ['Argo CD manages it now', { annotations: { 'argocd.argoproj.io/tracking-id': 'x' } }],
  ] as const) {
    server.responses.set(`GET ${PATH}`, { body: deployment(other) });
    t.match(await patchWorkload(api, planned, change), { ok: false, code: 'conflict' }, name);
  }
  t.equal(patches().length, 0);

  server.responses.set(`GET ${PATH}`, { body: deployment({ version: '9', status: { availableReplicas: 2 } }) });
  t.match(await patchWorkload(api, planned, change), { ok: true }, 'a status that has changed is no obstacle');
  const [patch] = patches();
  t.match(patch?.body, {
    metadata: { resourceVersion: '9', annotations: { [ROLLOUT_ANNOTATION]: String } },
    spec: { template: { spec: { containers: [{ name: 'db', image: FIXED }] } } },
  });
  server.responses.set(`PATCH ${PATH}`, { status: 409, body: {} });
  t.match(await patchWorkload(api, planned, change), { ok: false, code: 'conflict' });
  t.equal(patches().length, 6, 'tried five times, not without end');
});

void t.test('what the update strategy takes down, as the controller computes it', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  // ResolveFenceposts of Kubernetes, pkg/controller/deployment/util: surge is rounded up, unavailability down.
  for (const [rollingUpdate, expected] of [
    [{}, 0],
    [{ maxUnavailable: 0, maxSurge: 1 }, 0],
    [{ maxUnavailable: '34%', maxSurge: 0 }, 1],
    [{ maxUnavailable: '25%', maxSurge: 0 }, 1],
    [{ maxUnavailable: '10%', maxSurge: '0%' }, 1],
    [{ maxUnavailable: 2 }, 2],
    [{ maxUnavailable: 'x' }, Infinity],
  ] as const) {
    const body = deployment();
    const spec = { ...body.spec, paused: true, strategy: { type: 'RollingUpdate', rollingUpdate } };
    server.responses.set(`GET ${PATH}`, { body: { ...body, spec } });
    const read = await readWorkload(api, { kind: 'Deployment', namespace: 'shop', name: 'db' });
    t.match(read, { value: { workload: { maxUnavailable: expected, isPaused: true } } }, JSON.stringify(rollingUpdate));
  }
});

void t.test('a response is for the object that was planned for', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  const patience = { clock: systemClock(), mayGoOn: () => true };
  const workload = { kind: 'Node', namespace: '', name: 'one', uid: 'node-1' } as const;
  server.responses.set('GET /api/v1/nodes/one', { body: { metadata: { uid: 'node-2', resourceVersion: '1' } } });
  server.responses.set('PATCH /api/v1/nodes/one', { body: {} });
  t.match(await carryOut(api, { action: 'cordonNode', workload, policy: 'p' }, patience), {
    ok: false,
    code: 'conflict',
  });
  server.responses.set('GET /api/v1/nodes/one', { body: { metadata: { uid: 'node-1', resourceVersion: '1' } } });
  t.match(await carryOut(api, { action: 'cordonNode', workload, policy: 'p' }, patience), { ok: true });
  t.match(server.asked.at(-1)?.body, { metadata: { resourceVersion: '1' }, spec: { unschedulable: true } });

  const pod = { kind: 'Pod', namespace: 'shop', name: 'db-1', uid: 'pod-1' } as const;
  const path = 'POST /api/v1/namespaces/shop/pods/db-1/eviction';
  server.responses.set(path, { status: 429, body: {} });
  t.match(await carryOut(api, { action: 'evict', workload: pod, policy: 'p' }, patience), {
    ok: false,
    code: 'tooMany',
  });
  t.match(server.asked.at(-1)?.body, { kind: 'Eviction', deleteOptions: { preconditions: { uid: 'pod-1' } } });
});

void t.test('a response that the API server cannot take now is tried again, not without end', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  const response = {
    action: 'cordonNode',
    workload: { kind: 'Node', namespace: '', name: 'one', uid: 'node-1' },
    policy: 'p',
  } as const;
  const patched = () => server.asked.filter(({ method }) => method === 'PATCH').length;
  server.responses.set('GET /api/v1/nodes/one', { body: { metadata: { uid: 'node-1', resourceVersion: '1' } } });
  // As an API server says whose admission webhook has no endpoint.
  server.responses.set('PATCH /api/v1/nodes/one', { status: 500, body: { message: 'failed calling webhook' } });
  let pauses = 0;
  const after = (run: () => void) => (_delayMs: number, work: () => void) => {
    pauses += 1;
    run();
    work();
    return () => undefined;
  };
  const never = { clock: { after: after(() => undefined) }, mayGoOn: () => true };
  t.match(await carryOut(api, response, never), { ok: false, code: 'failed' });
  t.same([patched(), pauses], [6, 5]);
  t.match(await carryOut(api, response, { ...never, mayGoOn: () => false }), { ok: false, code: 'failed' });
  t.equal(patched(), 7, 'another process leads');
  const recover = () => void server.responses.set('PATCH /api/v1/nodes/one', { body: {} });
  t.match(await carryOut(api, response, { clock: { after: after(recover) }, mayGoOn: () => true }), { ok: true });
  t.equal(patched(), 9);
  server.responses.set('PATCH /api/v1/nodes/one', { status: 403, body: {} });
  t.match(await carryOut(api, response, never), { ok: false, code: 'forbidden' });
  t.equal(patched(), 10, 'what is not allowed is not tried again');
});
