import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { rolloutList } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import type { Finding } from '../../posture/finding.ts';
import { planOnce, runRollout } from '../../rollout/main.ts';
import { loadSettings } from '../../service/config/load.ts';
import { systemClock } from '../../service/clock.ts';
import { ROOT } from '../../scripts/setup.mjs';
import { temporaryDirectory } from '../cli/process.ts';
import { startRolloutCollector } from '../collector/policy/rollout-collector.ts';
import { pushDebianImage, tarOf } from '../component/debian-image.ts';
import type { PushedImage } from '../component/debian-image.ts';
import { noRegistry, REGISTRY_USER, startRegistry } from '../component/registry.ts';
import { commit, finding } from '../collector/store/fleet.ts';
import { cannotRunCluster, startCluster, waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';

/*
 * Rollouts on a real cluster, with images of a real registry (TLS and a password), judged by the real parts of a
 * collector, with the rights of manifests/rollout and no more. The test stands in for the agents: it tells the collector
 * which containers the kubelet reports.
 */
const NAMESPACE = 'plimsoll-rollout-test';
const RIGHTS = ['read', 'write', 'response'].map((name) => `test-plimsoll-rollout-${name}`);
const run = promisify(execFile);
const VULNERABLE = { zlib1g: '1', base: '1' };
const EXPLOITED = { openssl: '3.0.1', base: '1' };
const FIXED = { zlib1g: '9', openssl: '3.0.2', base: '1' };

const IMAGE_POLICY = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: all }
spec: { rules: [{ type: vulnerability, severity: critical }] }
`;

const rolloutPolicies = (webhook: string, mode: 'dryRun' | 'apply'): string => `
apiVersion: plimsoll.dev/v1
kind: RolloutPolicy
metadata: { name: approved }
spec:
  match: { namespaces: [${NAMESPACE}], labels: { case: web } }
  trigger: { severity: critical }
  mode: ${mode}
  observe: 4s
---
apiVersion: plimsoll.dev/v1
kind: RolloutPolicy
metadata: { name: automatic }
spec:
  match: { namespaces: [${NAMESPACE}], labels: { case: auto } }
  trigger: { severity: critical, knownExploited: true }
  mode: ${mode}
  approval: automatic
  budget: { atOnce: 3, perNamespace: 3 }
  readinessTimeout: 12s
  observe: 4s
  onNoSuccessor: { webhook: '${webhook}' }
  onManaged: { webhook: '${webhook}' }
  onExploited: scaleToZero
---
apiVersion: plimsoll.dev/v1
kind: ResponsePolicy
metadata: { name: evict }
spec:
  match: { namespaces: [${NAMESPACE}], checks: [container.privileged] }
  action: evict
  mode: ${mode}
  approval: automatic
---
apiVersion: plimsoll.dev/v1
kind: ResponsePolicy
metadata: { name: isolate }
spec:
  match: { namespaces: [${NAMESPACE}], checks: [container.devices] }
  action: isolatePod
  mode: ${mode}
  approval: automatic
---
apiVersion: plimsoll.dev/v1
kind: ResponsePolicy
metadata: { name: mark }
spec:
  match: { namespaces: [${NAMESPACE}], checks: [container.devices] }
  action: labelNode
  mode: ${mode}
  approval: automatic
`;

interface Images {
  readonly push: (
    name: string,
    packages: Readonly<Record<string, string>>,
    command?: readonly string[],
  ) => Promise<PushedImage>;
  readonly idOf: (digest: string) => string | undefined;
}

function workload(
  name: string,
  image: string,
  fields: { readonly replicas?: number; readonly labels?: object } = {},
): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NAMESPACE, labels: { case: 'auto', ...fields.labels } },
    spec: {
      replicas: fields.replicas ?? 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          containers: [{ name: 'app', image, imagePullPolicy: 'IfNotPresent' }],
        },
      },
    },
  };
}

const applyAll = (cluster: Cluster, ...items: readonly object[]): Promise<void> =>
  cluster.apply({ apiVersion: 'v1', kind: 'List', items });

/** The rights of the manifests, for a service account of the test namespace. */
async function kubeconfigOf(cluster: Cluster, directory: string): Promise<string> {
  const read = (name: string): string => readFileSync(join(ROOT, 'manifests/rollout', name), 'utf8');
  const text = `${read('access.yaml')}---\n${read('response.yaml')}`;
  const renamed = text
    .replaceAll('namespace: plimsoll\n', `namespace: ${NAMESPACE}\n`)
    .replaceAll(/name: (plimsoll-rollout-(?:read|write|response))/g, 'name: test-$1');
  await applyAll(cluster, ...parseAllDocuments(renamed).map((document) => document.toJS() as object));
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/plimsoll-rollout/token`;
  const request = join(directory, 'token.json');
  const spec = { audiences: [], expirationSeconds: 3600 };
  writeFileSync(request, JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }));
  const { status } = JSON.parse(await cluster.kubectl('create', '--raw', path, '-f', request)) as {
    status: { token: string };
  };
  const admin = JSON.parse(await cluster.kubectl('config', 'view', '--raw', '-o', 'json')) as { clusters: object[] };
  const config = {
    'current-context': 'c',
    clusters: [{ ...admin.clusters[0], name: 'c' }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    users: [{ name: 'c', user: { token: status.token } }],
  };
  const file = join(directory, 'kubeconfig');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** A receiver of webhooks that fails twice for each id. */
async function startReceiver(t: Test) {
  const calls: { readonly id: string; readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const id = String(request.headers['idempotency-key']);
      calls.push({ id, headers: request.headers, body });
      response.writeHead(calls.filter((one) => one.id === id).length <= 2 ? 503 : 202).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { calls, url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/hook` };
}

await t.test('rollouts on a real cluster', { skip: cannotRunCluster() || noRegistry }, async (t) => {
  const directory = temporaryDirectory(t);
  const registry = await startRegistry(t, { tls: true, password: true });
  const cluster = await startCluster();
  const { kubectl } = cluster;
  const remove = async (): Promise<void> => {
    await kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait=false');
    for (const kind of ['clusterrole', 'clusterrolebinding'])
      await kubectl('delete', kind, ...RIGHTS, '--ignore-not-found');
  };
  t.teardown(remove);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const kubeconfig = await kubeconfigOf(cluster, directory);
  const images = imagesOf(registry);
  const collector = await startRolloutCollector(t, registry, {
    advisories: [
      { id: 'CVE-2026-2001', package: 'zlib1g', fixed: '9' },
      { id: 'CVE-2026-2002', package: 'openssl', fixed: '3.0.2', isExploited: true },
    ],
    policy: IMAGE_POLICY,
  });
  const receiver = await startReceiver(t);
  const policies = join(directory, 'policies.yaml');
  writeFileSync(policies, rolloutPolicies(receiver.url, 'dryRun'));
  const [tokenFile, keyFile] = [join(directory, 'token'), join(directory, 'key')];
  writeFileSync(tokenFile, await collector.server.createToken('operator', ['rollout', 'read']));
  writeFileSync(keyFile, 'secret-of-the-webhook');
  const loaded = await loadSettings({
    programs: ['rollout'],
    flags: {
      'data-dir': directory,
      api: `127.0.0.1:${String(collector.server.port)}`,
      'token-file': tokenFile,
      'rollout-policies': policies,
      'rollout-interval': '1s',
      'rollout-lease': `${NAMESPACE}/plimsoll-rollout`,
      'rollout-webhook-key': keyFile,
      kubernetes: kubeconfig,
    },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { settings } = loaded;

  const repository = `${registry.host}/shop`;
  const vulnerable = {
    web: await images.push('web:1.1', VULNERABLE),
    broken: await images.push('broken:1.1', VULNERABLE),
    none: await images.push('none:1.1', VULNERABLE),
    kev: await images.push('kev:1.1', EXPLOITED),
    managed: await images.push('managed:1.1', VULNERABLE),
  };
  await applyAll(
    cluster,
    workload('web', `${repository}/web:1.1`, { replicas: 3, labels: { case: 'web' } }),
    workload('broken', `${repository}/broken:1.1`),
    workload('none', `${repository}/none:1.1`),
    workload('kev', `${repository}/kev:1.1`, { replicas: 2 }),
    workload('managed', `${repository}/managed:1.1`, { labels: { 'argocd.argoproj.io/instance': 'shop' } }),
    {
      apiVersion: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web', namespace: NAMESPACE },
      spec: { minAvailable: 3, selector: { matchLabels: { app: 'web' } } },
    },
  );
  const nodeUid = await kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.uid}');
  /** What an agent on the node would say. */
  const tell = async (): Promise<void> => {
    const { items } = JSON.parse(await kubectl('-n', NAMESPACE, 'get', 'pods', '-o', 'json')) as { items: KubePod[] };
    const containers = items.flatMap(({ status: { containerStatuses = [] } }) =>
      containerStatuses.flatMap(({ containerID = '', imageID, image, state }) => {
        const imageId = images.idOf(imageID.slice(imageID.indexOf('@') + 1));
        const id = containerID.replace('containerd://', '');
        return id === '' || imageId === undefined || state?.running === undefined
          ? []
          : [{ id, name: id.slice(0, 12), image, imageId, startedAt: '' }];
      }),
    );
    await collector.putNode(nodeUid, containers);
  };
  const telling = new AbortController();
  const told = (async () => {
    while (!telling.signal.aborted) {
      await tell().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  t.teardown(async () => {
    telling.abort();
    await told;
  });
  const putImage = (image: PushedImage, packages: Readonly<Record<string, string>>) =>
    collector.putImage(nodeUid, image.imageId, packages);
  for (const [name, image] of Object.entries(vulnerable))
    await putImage(image, name === 'kev' ? EXPLOITED : VULNERABLE);
  for (const name of Object.keys(vulnerable))
    await kubectl('-n', NAMESPACE, 'rollout', 'status', `deployment/${name}`, '--timeout=90s');

  const fixed = await images.push('web:1.1', FIXED);
  await putImage(fixed, FIXED);
  const broken = await images.push('broken:1.1', FIXED, ['/bin/none']);

  const { signal } = new AbortController();
  const target = `${repository}/web:1.1@${fixed.digest}`;
  const planned = await waitFor('a plan', 90_000, async () => {
    const plan = await planOnce({ settings, clock: systemClock(), signal });
    if (!plan.ok) throw new Error(plan.reason);
    const web = plan.value.find(({ workload: { name } }) => name === 'web');
    return web?.action === 'roll' ? plan.value : undefined;
  });
  t.match(
    planned.find(({ workload: { name } }) => name === 'web'),
    { state: 'dryRun', changes: [{ container: 'app', to: target }], reasons: [/CVE-2026-2001/] },
    'dry run shows the plan',
  );
  const imageOf = (name: string): Promise<string> =>
    kubectl('-n', NAMESPACE, 'get', 'deployment', name, '-o', 'jsonpath={.spec.template.spec.containers[0].image}');
  t.equal(await imageOf('web'), `${repository}/web:1.1`, 'and changes nothing');

  writeFileSync(policies, rolloutPolicies(receiver.url, 'apply'));
  const logs: string[] = [];
  const log = (fields: object, message: string): void => void logs.push(`${message} ${JSON.stringify(fields)}`);
  const start = () => {
    const stop = new AbortController();
    const options = { settings, clock: systemClock(), log: { debug: log, info: log, warn: log, error: log } };
    const over = runRollout({ ...options, signal: stop.signal, onReady: () => undefined });
    return async (): Promise<void> => {
      stop.abort();
      await over;
    };
  };
  let end = start();
  t.teardown(() => end());
  const rollouts = async (): Promise<readonly Rollout[]> => {
    const parsed = rolloutList.parse(await (await collector.server.fetch('/v1/rollouts')).json());
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.value.rollouts;
  };
  const rolloutOf = (name: string, isWanted: (one: Rollout) => boolean, deadlineMs = 90_000): Promise<Rollout> =>
    waitFor(`the rollout of ${name}\n${logs.join('\n')}`, deadlineMs, async () =>
      (await rollouts()).find((one) => one.workload.name === name && isWanted(one)),
    );
  const hasStep = (state: string) => (one: Rollout) => one.steps.some((step) => step.state === state);

  await t.test('approved, it rolls to the digest, with no moment below its PodDisruptionBudget', async (t) => {
    const waiting = await rolloutOf('web', ({ state }) => state === 'awaitingApproval');
    t.equal(await imageOf('web'), `${repository}/web:1.1`);
    const path = `/v1/rollouts/${waiting.id}/decision`;
    const own = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8')}` };
    const init = (headers: Record<string, string>) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ decision: 'approved' }),
    });
    t.equal((await collector.server.fetch(path, init(own))).status, 403, 'the component cannot approve its own plan');
    const approver = { authorization: `Bearer ${await collector.server.createToken('operator', ['approve'])}` };
    t.equal((await collector.server.fetch(path, init(approver))).status, 200);
    let least = Infinity;
    const observing = new AbortController();
    const observed = (async () => {
      while (!observing.signal.aborted) {
        const ready = await kubectl('-n', NAMESPACE, 'get', 'pdb', 'web', '-o', 'jsonpath={.status.currentHealthy}');
        least = Math.min(least, Number(ready));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    await waitFor('the patch', 60_000, async () => (await imageOf('web')) === target || undefined);
    // The process ends in the middle of it; another one goes on.
    await end();
    end = start();
    const done = await rolloutOf('web', hasStep('done'));
    observing.abort();
    await observed;
    t.ok(least >= 3, `at least ${String(least)} of 3 pods were healthy`);
    const revision = await kubectl(
      '-n',
      NAMESPACE,
      'get',
      'deployment',
      'web',
      '-o',
      'jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}',
    );
    t.equal(revision, '2', 'one change of the template, in spite of the restart');
    t.match(done.decision, { decision: 'approved', isUsed: true });
    t.match(
      done.steps.map(({ state }) => state),
      ['started', 'done'],
    );
  });

  await t.test('a broken successor rolls back by itself, and is not tried again', async (t) => {
    await rolloutOf('broken', hasStep('rolledBack'));
    t.equal(await imageOf('broken'), `${repository}/broken:1.1`);
    const after = await rolloutOf('broken', ({ isPlanned, note }) => isPlanned && note.includes('rolled back before'));
    t.match(after.note, broken.digest);
    await kubectl('-n', NAMESPACE, 'rollout', 'status', 'deployment/broken', '--timeout=60s');
  });

  await t.test('without a successor, the webhook is called until it answers', async (t) => {
    const asked = await rolloutOf('none', hasStep('delivered'));
    const calls = receiver.calls.filter(({ id }) => id === asked.id);
    t.equal(calls.length, 3, 'two failures and one answer');
    for (const { headers, body } of calls) {
      const text = `${String(headers['x-plimsoll-timestamp'])}.${body}`;
      const expected = createHmac('sha256', 'secret-of-the-webhook').update(text).digest('hex');
      t.equal(headers['x-plimsoll-signature'], `sha256=${expected}`);
    }
    t.match(JSON.parse(calls[0]?.body ?? ''), {
      event: 'rebuild',
      workload: { kind: 'Deployment', name: 'none' },
      images: [{ from: `${repository}/none:1.1` }],
    });
    t.equal(await imageOf('managed'), `${repository}/managed:1.1`, 'what Argo CD manages is not patched');
  });

  await t.test('a known exploited vulnerability: scaled to zero, and back after the fix', async (t) => {
    const replicas = () => kubectl('-n', NAMESPACE, 'get', 'deployment', 'kev', '-o', 'jsonpath={.spec.replicas}');
    await rolloutOf('kev', hasStep('offline'));
    t.equal(await replicas(), '0');
    const mended = await images.push('kev:1.1', FIXED);
    await putImage(mended, FIXED);
    await rolloutOf('kev', (one) => one.action === 'restore' && hasStep('done')(one));
    t.equal(await replicas(), '2');
    t.equal(await imageOf('kev'), `${repository}/kev:1.1@${mended.digest}`);
  });
  await t.test(
    'responses: a pod is evicted, one is isolated, its node is labelled; not by the word of another node',
    async (t) => {
      const podsOf = async (app: string) =>
        JSON.parse(await kubectl('-n', NAMESPACE, 'get', 'pods', '-l', `app=${app}`, '-o', 'json')) as {
          items: KubePod[];
        };
      const containerOf = (pod: KubePod | undefined): string =>
        (pod?.status.containerStatuses?.[0]?.containerID ?? '').replace('containerd://', '');
      const [none] = (await podsOf('none')).items;
      const [managed] = (await podsOf('managed')).items;
      const [web] = (await podsOf('web')).items;
      const failed = (check: string, pod: KubePod | undefined) =>
        finding({ check, verdict: 'fail', severity: 'critical', kind: 'container', on: containerOf(pod) });
      const report = (nodeId: string, put: readonly Finding[]) =>
        collector.server.commit(commit({ nodeId, sequence: 1, snapshot: true, put }));
      await report('another-node', [failed('container.privileged', web)]);
      await report(nodeUid, [failed('container.privileged', none), failed('container.devices', managed)]);
      const responseTo = (action: string) =>
        waitFor(`${action}\n${logs.slice(-20).join('\n')}`, 60_000, async () =>
          (await rollouts()).find((one) => one.action === action && one.steps.some(({ state }) => state === 'done')),
        );
      t.equal((await responseTo('evict')).workload.name, none?.metadata.name);
      await waitFor('another pod', 60_000, async () => {
        const { items } = await podsOf('none');
        return items.every(({ metadata }) => metadata.uid !== none?.metadata.uid) || undefined;
      });
      await responseTo('isolatePod');
      const isolated = await kubectl('-n', NAMESPACE, 'get', 'pods', '-l', 'plimsoll.dev/isolated', '-o', 'name');
      t.equal(isolated, `pod/${managed?.metadata.name ?? ''}`);
      t.match(await kubectl('-n', NAMESPACE, 'get', 'networkpolicies', '-o', 'name'), /plimsoll-isolate-/);
      await responseTo('labelNode');
      t.match(await kubectl('get', 'nodes', '-l', 'plimsoll.dev/response=mark', '-o', 'name'), /^node\//);
      await kubectl('label', 'nodes', '--all', 'plimsoll.dev/response-');
      t.ok(
        (await podsOf('web')).items.some(({ metadata }) => metadata.uid === web?.metadata.uid),
        'forged by another node',
      );
      t.notOk((await rollouts()).some(({ workload: { uid } }) => uid === web?.metadata.uid));
    },
  );
  const stored = (await collector.store.outbox(0, 1000)).filter((event) => 'remediation' in event);
  t.ok(stored.length >= 6, 'each step is an event');
});

interface KubePod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly containerID?: string;
      readonly imageID: string;
      readonly image: string;
      readonly state?: { readonly running?: object };
    }[];
  };
}

/** Pushes images to the registry, and lets containerd pull them, which has no credentials of its own. */
function imagesOf(registry: Parameters<typeof pushDebianImage>[0]): Images {
  const base = tarOf({ 'bin/busybox': readFileSync('/bin/busybox') });
  const ids = new Map<string, string>();
  const ctr = (...args: readonly string[]) =>
    run(join(ROOT, '..', 'shared', 'cluster', 'cluster'), ['ctr', ...args], { timeout: 60_000 });
  return {
    idOf: (digest) => ids.get(digest),
    push: async (name, packages, command = ['/bin/busybox', 'sleep', '36000']) => {
      const [path = '', tag = ''] = name.split(':');
      const repository = `shop/${path}`;
      const pushed = await pushDebianImage(registry, { repository, tag }, { packages, layers: [base], command });
      ids.set(pushed.digest, pushed.imageId);
      const { username, password } = REGISTRY_USER;
      const access = ['--user', `${username}:${password}`, '--tlscacert', registry.caFile];
      const pull = ['images', 'pull', '--snapshotter', 'overlayfs', ...access];
      for (const reference of [`:${tag}`, `@${pushed.digest}`])
        await ctr(...pull, `${registry.host}/${repository}${reference}`);
      return pushed;
    },
  };
}
