import t from 'tap';
import type { Test } from 'tap';
import { openRolloutRecords } from '../../collector/remediation/rollout-records.ts';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import { parseResponsePolicy } from '../../policy/rollout/response-policy.ts';
import type { CollectorClient } from '../../rollout/collector-client.ts';
import { createRounds } from '../../rollout/round.ts';
import { startApiServer } from '../kubernetes/api-server.ts';

const MINUTE_MS = 60_000;
const NAMES = ['a', 'b'];
const EVICTED = { body: {} };
/** As an API server says whose admission webhook has no endpoint, and of a PodDisruptionBudget. */
const FAILING = { status: 500, body: { kind: 'Status', message: 'failed calling webhook' } };
const BLOCKED = { status: 429, body: { kind: 'Status', message: 'Cannot evict pod' } };

/** Rounds with a policy that evicts one of two pods an hour, and the records of a collector. */
async function startRounds(t: Test) {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access);
  t.teardown(api.close);
  const lists = ['apps/v1/deployments', 'apps/v1/statefulsets', 'apps/v1/daemonsets', 'apps/v1/replicasets'];
  for (const path of [...lists, 'batch/v1/cronjobs', 'batch/v1/jobs', 'policy/v1/poddisruptionbudgets'])
    server.responses.set(`GET /apis/${path}?limit=100`, { body: { metadata: {}, items: [] } });
  const pods = NAMES.map((name) => ({
    metadata: { name, namespace: 'shop', uid: `pod-${name}` },
    spec: { nodeName: 'one' },
    status: { phase: 'Running', containerStatuses: [{ name: 'app', containerID: `containerd://${name}` }] },
  }));
  server.responses.set('GET /api/v1/pods?limit=100', { body: { metadata: {}, items: pods } });
  server.responses.set('GET /api/v1/nodes?limit=100', {
    body: { metadata: {}, items: [{ metadata: { name: 'one', uid: 'node-1' } }] },
  });
  const directory = t.testdir({});
  const store = await openSqliteStore({ path: `${directory}/store.sqlite` });
  t.teardown(() => store.close());
  let now = Date.parse('2026-11-29T12:00:00Z');
  const clock = {
    now: () => now,
    monotonic: () => now,
    after: (delayMs: number, work: () => void) => {
      now += delayMs;
      work();
      return () => undefined;
    },
  };
  const records = await openRolloutRecords({ directory, store, eventBus: createEventBus(), clock });
  const failures = NAMES.map((name) => ({
    check: 'container.privileged',
    severity: 'critical',
    nodeId: 'node-1',
    containerId: name,
  }));
  const match = { checks: ['container.privileged'] };
  const policy = parseResponsePolicy({
    value: {
      apiVersion: 'plimsoll.dev/v1',
      kind: 'ResponsePolicy',
      metadata: { name: 'evict' },
      spec: { match, action: 'evict', mode: 'apply', approval: 'automatic', budget: { perHour: 1 } },
    },
    source: 'test',
  });
  if (!policy.ok) throw new Error(policy.problem);
  const quiet = (): void => undefined;
  const rounds = createRounds({
    api,
    collector: {
      exposures: () => Promise.resolve({ ok: true, value: [] }),
      deniedIn: () => Promise.resolve({ ok: true, value: new Set<string>() }),
      containerFailures: () => Promise.resolve({ ok: true, value: failures }),
      state: () => Promise.resolve({ ok: true, value: records.state() }),
      report: async ({ plan, steps, usage = null }) => {
        await records.report({ plan: plan === undefined ? null : [...plan], part: 'only', steps, usage }, 'rollout');
        return { ok: true, value: records.state() };
      },
    } as Partial<CollectorClient> as CollectorClient,
    policies: () => Promise.resolve({ ok: true, value: { rolloutPolicies: [], responsePolicies: [policy.value] } }),
    webhooks: { call: () => Promise.resolve(false) },
    isLeader: () => true,
    clock,
    log: { debug: quiet, info: quiet, warn: (fields) => t.comment(fields), error: (fields) => t.comment(fields) },
  });
  return {
    respond: (name: string, response: { readonly status?: number; readonly body: unknown }) =>
      server.responses.set(`POST /api/v1/namespaces/shop/pods/${name}/eviction`, response),
    /** Runs a round some minutes later. Resolves to the pods whose eviction was asked for. */
    round: async (minutes: number): Promise<readonly string[]> => {
      now += minutes * MINUTE_MS;
      const before = server.asked.length;
      await rounds.run();
      const asked = server.asked.slice(before).map(({ path }) => /pods\/(\w)\/eviction$/.exec(path)?.[1]);
      return [...new Set(asked.filter((name) => name !== undefined))];
    },
    stepsOf: (name: string) =>
      records
        .list()
        .rollouts.filter(({ workload }) => workload.name === name)
        .flatMap(({ steps }) => steps.map(({ state }) => state)),
    budget: () => records.list().budgets.map(({ policy, used, limit }) => `${policy} ${String(used)}/${String(limit)}`),
  };
}

void t.test('a response that the API server could not take does not use the budget again', async (t) => {
  const { respond, round, stepsOf, budget } = await startRounds(t);
  respond('a', FAILING);
  respond('b', EVICTED);
  t.strictSame(await round(0), ['a']);
  t.strictSame(stepsOf('a'), ['started', 'failed']);
  t.strictSame(await round(0.5), [], 'not in every round');
  t.strictSame(await round(1), ['a'], 'the next try');
  respond('a', EVICTED);
  t.strictSame(await round(1), [], 'the pauses grow');
  t.strictSame(await round(2), ['a']);
  t.strictSame(stepsOf('a'), ['started', 'failed', 'failed', 'done'], 'it was begun once');
  t.strictSame(await round(50), [], 'the budget of this hour');
  t.strictSame(budget(), ['evict 1/1'], 'the collector knows that it is used up');
  t.strictSame(await round(10), ['b']);
  t.strictSame(stepsOf('b'), ['started', 'done']);
});

void t.test('a pod that cannot be evicted does not keep the budget from others', async (t) => {
  const { respond, round, stepsOf } = await startRounds(t);
  respond('a', BLOCKED);
  respond('b', EVICTED);
  t.strictSame(await round(0), ['a']);
  t.strictSame(await round(61), ['b'], 'those that were not tried come first');
  t.strictSame(await round(61), ['a']);
  t.strictSame(stepsOf('b'), ['started', 'done']);
});
