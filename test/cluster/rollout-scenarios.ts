import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { rolloutList } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { PushedImage } from '../component/debian-image.ts';
import { waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { EXPLOITED, FIXED, NODE_ADDRESS, ROLLOUTS, VULNERABLE, WEBHOOK_KEY } from './enforcement.ts';
import type { Enforcement, Supply } from './enforcement.ts';

/** Policies of manifests/rollout; `webhook`: whom to ask where there is no successor. */
export const rolloutPolicies = (webhook: string): string => {
  const rollout = (name: string, spec: string): string => `---
apiVersion: plimsoll.dev/v1
kind: RolloutPolicy
metadata: { name: ${name} }
spec:
  match: { namespaces: [${ROLLOUTS}], labels: { case: ${name} } }
  trigger: { severity: critical, knownExploited: true }
  observe: 4s
${spec}`;
  const response = (name: string, check: string, action: string, approval = 'automatic'): string => `---
apiVersion: plimsoll.dev/v1
kind: ResponsePolicy
metadata: { name: ${name} }
spec:
  match: { namespaces: [${ROLLOUTS}], checks: [${check}], severity: low }
  action: ${action}
  mode: apply
  approval: ${approval}
`;
  const automatic = `  mode: apply
  approval: automatic
  budget: { atOnce: 9, perNamespace: 9 }
  onNoSuccessor: { webhook: '${webhook}' }
  onManaged: { webhook: '${webhook}' }
  onExploited: scaleToZero
`;
  return [
    rollout('plan', '  mode: dryRun\n'),
    rollout('approved', '  mode: apply\n'),
    rollout('automatic', `${automatic}  readinessTimeout: 2m\n`),
    rollout('broken', `${automatic}  readinessTimeout: 15s\n`),
    response('evict', 'container.privileged', 'evict'),
    response('isolate', 'container.host-pid', 'isolatePod'),
    response('mark', 'container.host-pid', 'labelNode'),
    response('cordon', 'container.host-ipc', 'cordonNode', 'required'),
  ].join('');
};

/** A receiver of webhooks that fails twice for each id. */
export async function startReceiver(t: Test) {
  const calls: { readonly id: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: [NODE_ADDRESS] }, authority, Date.now());
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const id = String(request.headers['idempotency-key']);
      calls.push({ id, headers: request.headers, body });
      response.writeHead(calls.filter((one) => one.id === id).length <= 2 ? 503 : 202).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, NODE_ADDRESS, resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  return { calls, ca: authority.certificatePem, url: `https://${NODE_ADDRESS}:${String(port)}/hook` };
}

const KINDS = ['deployment', 'statefulset', 'daemonset', 'cronjob'] as const;

interface Fields {
  readonly kind?: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  readonly replicas?: number;
  readonly labels?: object;
  readonly pod?: object;
  readonly container?: object;
}

function workload(name: string, image: string, fields: Fields = {}): object {
  const { kind = 'Deployment', replicas = 1, labels = {}, pod = {}, container = {} } = fields;
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: ROLLOUTS, labels: { case: 'automatic', ...labels } },
    spec: {
      ...(kind === 'DaemonSet' ? {} : { replicas }),
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          ...pod,
          containers: [{ name: 'app', image, imagePullPolicy: 'IfNotPresent', ...container }],
        },
      },
    },
  };
}

function jobSpec(image: string): object {
  return {
    template: {
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'app', image, imagePullPolicy: 'IfNotPresent' }],
      },
    },
  };
}

function cronJob(image: string): object {
  return {
    apiVersion: 'batch/v1beta1',
    kind: 'CronJob',
    metadata: { name: 'cronjob', namespace: ROLLOUTS, labels: { case: 'automatic' } },
    spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: jobSpec(image) } },
  };
}

/** A run of the CronJob. */
function jobOf(uid: string, image: string): object {
  const owner = { apiVersion: 'batch/v1beta1', kind: 'CronJob', name: 'cronjob', uid, controller: true };
  const metadata = { name: 'cronjob-once', namespace: ROLLOUTS, ownerReferences: [owner] };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: jobSpec(image) };
}

/** Images of the workloads, by name. */
export type RolloutImages = Readonly<Record<string, PushedImage>>;

const NAMES = ['plan', 'web', 'broken', 'none', 'kev', 'managed', ...KINDS];
const WITH_SUCCESSOR = ['plan', 'web', ...KINDS];

/** Starts the workloads, all with a vulnerable image. */
export async function startWorkloads({ apply, kubectl }: Cluster, { registry, push }: Supply): Promise<RolloutImages> {
  const images: Record<string, PushedImage> = {};
  for (const name of NAMES) images[name] = await push(`roll/${name}:1.1`, name === 'kev' ? EXPLOITED : VULNERABLE);
  const at = (name: string): string => `${registry.host}/roll/${name}:1.1`;
  const busybox = 'docker.io/lab/busybox:v1';
  const command = { command: ['/bin/sleep', '3600'] };
  const own = (name: string, fields: Fields): object =>
    workload(name, busybox, { ...fields, labels: { case: 'none' }, container: { ...command, ...fields.container } });
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ROLLOUTS } },
    workload('plan', at('plan'), { labels: { case: 'plan' } }),
    workload('web', at('web'), { replicas: 3, labels: { case: 'approved' } }),
    {
      apiVersion: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web', namespace: ROLLOUTS },
      spec: { minAvailable: 3, selector: { matchLabels: { app: 'web' } } },
    },
    workload('broken', at('broken'), { labels: { case: 'broken' } }),
    ...['none', 'deployment'].map((name) => workload(name, at(name))),
    workload('kev', at('kev'), { replicas: 2 }),
    workload('managed', at('managed'), { labels: { 'argocd.argoproj.io/instance': 'shop' } }),
    workload('statefulset', at('statefulset'), { kind: 'StatefulSet' }),
    workload('daemonset', at('daemonset'), { kind: 'DaemonSet' }),
    cronJob(at('cronjob')),
    own('privileged', { container: { securityContext: { privileged: true } } }),
    own('host-pid', { pod: { hostPID: true } }),
    own('host-ipc', { pod: { hostIPC: true } }),
  );
  const uid = await kubectl('-n', ROLLOUTS, 'get', 'cronjob', 'cronjob', '-o', 'jsonpath={.metadata.uid}');
  await apply(jobOf(uid, at('cronjob')));
  return images;
}

/** Plans, approvals, rollouts of each kind, a rollback, webhooks, a workload taken offline, and the responses. */
export async function replacesImages(
  t: Test,
  enforcement: Enforcement,
  receiver: Awaited<ReturnType<typeof startReceiver>>,
) {
  const { api, plimsoll, supply } = enforcement;
  const { kubectl } = plimsoll.cluster;
  const { registry, push } = supply;
  const rollouts = async (): Promise<readonly Rollout[]> => {
    const parsed = rolloutList.parse(await api('/v1/rollouts'));
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.value.rollouts;
  };
  const find = (name: string, isWanted: (one: Rollout) => boolean, deadlineMs = 240_000): Promise<Rollout> =>
    waitFor(`the rollout of ${name}`, deadlineMs, async () =>
      (await rollouts()).find((one) => one.workload.name === name && isWanted(one)),
    );
  const reached = (name: string, state: string): Promise<Rollout> =>
    find(name, ({ steps }) => steps.some((step) => step.state === state));
  const read = (kind: string, name: string, path: string): Promise<string> =>
    kubectl('-n', ROLLOUTS, 'get', kind, name, '-o', `jsonpath={${path}}`);
  const imageOf = (name: string, kind = 'deployment'): Promise<string> =>
    read(kind, name, `${kind === 'cronjob' ? '.spec.jobTemplate' : ''}.spec.template.spec.containers[0].image`);
  const tagOf = (name: string): string => `${registry.host}/roll/${name}:1.1`;

  await t.test('without a successor, the webhook is called until it answers', async (t) => {
    const asked = await reached('none', 'delivered');
    const calls = receiver.calls.filter(({ id }) => id === asked.id);
    t.equal(calls.length, 3, 'two failures and one answer');
    for (const { headers, body } of calls) {
      const text = `${String(headers['x-plimsoll-timestamp'])}.${body}`;
      const expected = createHmac('sha256', WEBHOOK_KEY).update(text).digest('hex');
      t.equal(headers['x-plimsoll-signature'], `sha256=${expected}`);
    }
    t.match(JSON.parse(calls[0]?.body ?? ''), { event: 'rebuild', workload: { name: 'none' } });
    t.equal(await imageOf('managed'), tagOf('managed'), 'what Argo CD manages is not patched');
  });
  await reached('kev', 'offline');
  t.equal(await read('deployment', 'kev', '.spec.replicas'), '0', 'an exploited vulnerability: scaled to zero');

  const pushed = WITH_SUCCESSOR.map(async (name) => [name, await push(`roll/${name}:1.1`, FIXED)] as const);
  const [broken, kev, ...others] = await Promise.all([
    push('roll/broken:1.1', FIXED, ['/bin/none']),
    push('roll/kev:1.1', FIXED),
    ...pushed,
  ]);
  const fixed = new Map(others.map(([name, { digest }]) => [name, `${tagOf(name)}@${digest}`]));
  const target = (name: string): string => fixed.get(name) ?? '';

  const planned = await find('plan', ({ action }) => action === 'roll');
  t.match(planned, { state: 'dryRun', changes: [{ to: target('plan') }], reasons: [/CVE-2026-2001/] }, 'a dry run');

  await t.test('approved, it rolls to the digest, with no moment below its PodDisruptionBudget', async (t) => {
    const waiting = await find('web', ({ state }) => state === 'awaitingApproval');
    t.equal(await imageOf('web'), tagOf('web'));
    await plimsoll.plimsoll('rollouts', 'approve', waiting.id);
    let least = Infinity;
    let isOver = false;
    const observed = (async () => {
      while (!isOver) {
        least = Math.min(least, Number(await read('pdb', 'web', '.status.currentHealthy')));
        await sleep(300);
      }
    })();
    await waitFor('the patch', 240_000, async () => (await imageOf('web')) === target('web'));
    const done = await reached('web', 'done');
    isOver = true;
    await observed;
    t.ok(least >= 3, `at least ${String(least)} of 3 pods were healthy`);
    const revision = String.raw`.metadata.annotations.deployment\.kubernetes\.io/revision`;
    t.equal(await read('deployment', 'web', revision), '2', 'one change of the template');
    t.match(done.decision, { decision: 'approved', isUsed: true });
  });
  await t.test('each kind is replaced', async (t) => {
    for (const kind of KINDS) {
      await reached(kind, 'done');
      t.equal(await imageOf(kind, kind), target(kind), kind);
    }
    t.equal(await imageOf('plan'), tagOf('plan'), 'a dry run changes nothing');
  });
  await t.test('a broken successor rolls back, and is not tried again', async (t) => {
    await reached('broken', 'rolledBack');
    t.equal(await imageOf('broken'), tagOf('broken'));
    const after = await find('broken', ({ isPlanned, note }) => isPlanned && note.includes('rolled back before'));
    t.match(after.note, broken.digest);
  });
  await t.test('what was offline comes back with the fix', async (t) => {
    await find('kev', ({ action, steps }) => action === 'restore' && steps.some(({ state }) => state === 'done'));
    t.equal(await read('deployment', 'kev', '.spec.replicas'), '2');
    t.equal(await imageOf('kev'), `${tagOf('kev')}@${kev.digest}`);
  });
}

/** Evicts a pod, isolates one, labels its node, and cordons the node once that is approved. */
export async function responds(t: Test, { api, plimsoll }: Enforcement): Promise<void> {
  const { kubectl } = plimsoll.cluster;
  let known: readonly Rollout[] = [];
  const responseTo = (action: string, isWanted: (one: Rollout) => boolean): Promise<Rollout> =>
    waitFor(action, 150_000, async () => {
      const parsed = rolloutList.parse(await api('/v1/rollouts'));
      known = parsed.ok ? parsed.value.rollouts.filter((one) => one.action === action) : [];
      return known.find(isWanted);
    }).catch((error: unknown) => {
      t.comment(JSON.stringify(known.map(({ workload, state, note, steps }) => ({ workload, state, note, steps }))));
      throw error;
    });
  const isDone = ({ steps }: Rollout): boolean => steps.some(({ state }) => state === 'done');
  const evicted = await responseTo('evict', isDone);
  t.match(evicted.workload.name, /^privileged-/);
  await waitFor('another pod', 60_000, async () => {
    const pods = await kubectl('-n', ROLLOUTS, 'get', 'pods', '-l', 'app=privileged', '-o', 'name');
    return pods !== '' && !pods.includes(evicted.workload.name);
  });
  const isolated = await responseTo('isolatePod', isDone);
  t.match(isolated.workload.name, /^host-pid-/);
  const label = await kubectl('-n', ROLLOUTS, 'get', 'pods', '-l', 'plimsoll.dev/isolated', '-o', 'name');
  t.equal(label, `pod/${isolated.workload.name}`);
  t.match(await kubectl('-n', ROLLOUTS, 'get', 'networkpolicies', '-o', 'name'), /plimsoll-isolate-/);
  await responseTo('labelNode', isDone);
  t.match(await kubectl('get', 'nodes', '-l', 'plimsoll.dev/response=mark', '-o', 'name'), /^node\//);
  await kubectl('label', 'nodes', '--all', 'plimsoll.dev/response-');
  const waiting = await responseTo('cordonNode', ({ state }) => state === 'awaitingApproval');
  await api(`/v1/rollouts/${waiting.id}/decision`, { decision: 'approved' });
  await responseTo('cordonNode', isDone);
  const unschedulable = await kubectl('get', 'node', waiting.workload.name, '-o', 'jsonpath={.spec.unschedulable}');
  await kubectl('uncordon', waiting.workload.name);
  t.equal(unschedulable, 'true', 'the node is cordoned');
}

/** Of two replicas one holds the lease; the other takes it over when that one is killed. */
export async function changesLeader(t: Test, { plimsoll }: Enforcement): Promise<void> {
  const { kubectl, processes } = plimsoll.cluster;
  const lease = (path: string): Promise<string> =>
    kubectl('-n', 'plimsoll', 'get', 'lease', 'plimsoll-rollout', '-o', `jsonpath={.spec.${path}}`);
  const podOf = (holder: string): string => holder.split('_')[0] ?? '';
  const names = (await kubectl('-n', 'plimsoll', 'get', 'pods', '-l', LABEL, '-o', 'name')).split('\n');
  t.equal(names.length, 2);
  const leader = await lease('holderIdentity');
  t.ok(names.includes(`pod/${podOf(leader)}`), leader);
  // On a machine that stands still for seconds, a leader can lose the lease before.
  const transitions = Number(await lease('leaseTransitions'));
  const path = 'jsonpath={.status.containerStatuses[0].containerID}';
  const container = await kubectl('-n', 'plimsoll', 'get', 'pod', podOf(leader), '-o', path);
  process.kill((await processes()).get(container.replace('containerd://', '')) ?? 0, 'SIGKILL');
  const killedMs = Date.now();
  const next = await waitFor('another leader', 60_000, async () => {
    const holder = await lease('holderIdentity');
    return holder === leader || holder === '' ? undefined : holder;
  });
  t.comment(`another leader after ${String(Date.now() - killedMs)} ms: ${next}`);
  t.ok(Number(await lease('leaseTransitions')) > transitions);
}

const LABEL = 'app.kubernetes.io/name=plimsoll-rollout';
