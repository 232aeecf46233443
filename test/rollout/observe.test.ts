import t from 'tap';
import type { Test } from 'tap';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import { ROLLOUT_ANNOTATION } from '../../policy/rollout/workload.ts';
import { advanceRollout } from '../../rollout/executor.ts';
import type { StepContext } from '../../rollout/executor.ts';
import { readWorkload } from '../../rollout/parse-workload.ts';
import { startApiServer } from '../kubernetes/api-server.ts';
import { FIXED, NOW, rolloutRecord } from '../policy/rollout/fixture.ts';

const PATH = '/apis/apps/v1/namespaces/shop/deployments/db';
const MINUTE_MS = 60_000;

/** A Deployment under observation since {@link NOW}, for five minutes, and what comes of it so many minutes later. */
async function observed(t: Test) {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  const record = rolloutRecord({ phase: 'observing', sinceMs: NOW, observeMs: 5 * MINUTE_MS, failures: [] });
  const deployment = (available: number) => ({
    metadata: {
      name: 'db',
      namespace: 'shop',
      uid: 'u1',
      resourceVersion: '7',
      generation: 3,
      annotations: { [ROLLOUT_ANNOTATION]: JSON.stringify(record) },
    },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'db', image: FIXED }] } },
    },
    status: { observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: available },
  });
  server.responses.set(`PATCH ${PATH}`, { body: {} });
  return async (minutes: number, seen: Pick<StepContext, 'failures' | 'fired'>, available = 3) => {
    server.responses.set(`GET ${PATH}`, { body: deployment(available) });
    const read = await readWorkload(api, { kind: 'Deployment', namespace: 'shop', name: 'db' });
    if (!read.ok) throw new Error(read.reason);
    const workload = { ...read.value.workload, pods: [], disruptionBudgets: [] };
    const result = await advanceRollout(workload, record, { api, nowMs: NOW + minutes * MINUTE_MS, ...seen });
    return result === 'wait' ? 'wait' : result.state;
  };
}

void t.test('an observation ends well only where the collector has answered', async (t) => {
  const after = await observed(t);
  const well = { failures: [], fired: [] };
  const silent = { failures: undefined, fired: undefined };
  t.equal(await after(4, well), 'wait');
  t.equal(await after(5, well), 'done');
  t.equal(await after(5, silent), 'wait', 'the collector is down: nobody knows');
  t.equal(await after(64, silent), 'wait');
  t.equal(await after(65, silent), 'notObserved', 'not longer than an hour');
  t.equal(await after(5, { failures: [], fired: undefined }), 'wait', 'half of an answer is none');
  t.equal(await after(30, well), 'done', 'it is back');
  t.equal(await after(30, { failures: ['container.privileged'], fired: [] }), 'rolledBack', 'what it found meanwhile');
  t.equal(await after(30, { failures: undefined, fired: ['known exploited'] }), 'rolledBack');
  t.equal(await after(30, silent, 2), 'rolledBack', 'what the API server says counts all the same');
});
