import { execFile, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { runAdmission } from '../../admission/main.ts';
import { findingPage } from '../../api/finding.ts';
import { ROOT } from '../../scripts/setup.mjs';
import { loadSettings } from '../../service/config/load.ts';
import { systemClock } from '../../service/clock.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from '../cli/process.ts';
import { cannotRunCluster, startCluster, startTimeMs, waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';

/*
 * A collector, an agent on the node and the webhook, against a real API server, kubelet and containerd: what passes the
 * webhook by, and what tampers with it, is found.
 */
const NAMESPACE = 'plimsoll-tamper-test';
const IMAGE = 'docker.io/lab/busybox:v1';
const CONFIGURATION = 'plimsoll-admission';
const CTR = `plimsoll-ctr-${String(process.pid)}`;
const TOOL = join(ROOT, '..', 'shared', 'cluster', 'cluster');
const POLICY = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: images }
spec: { rules: [{ type: registry, allow: [docker.io/lab/**] }] }
`;
/** The goal is 5 s; a busy machine takes longer. */
const BUSY_MS = 15_000;
/** Pods that start within a minute of the first report count as older. */
const OLDER_MS = 62_000;

const tool = (...args: readonly string[]) => promisify(execFile)(TOOL, args, { timeout: 60_000 });

function podOf(name: string, image = IMAGE): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{ name: 'c', image, imagePullPolicy: 'Never', command: ['sleep', '900'] }],
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A collector and an agent of this machine; resolves once the API answers. */
async function startPlimsoll(t: Test, cluster: Cluster) {
  const dataDir = temporaryDirectory(t);
  const [api, listen] = [await freePort(), await freePort()];
  const client = ['--api', `127.0.0.1:${String(api)}`, '--api-tls', 'on', '--data-dir', dataDir];
  const child = spawn(
    process.execPath,
    [
      PROGRAM,
      'up',
      ...client,
      '--listen',
      `127.0.0.1:${String(listen)}`,
      '--kubernetes',
      cluster.environment['KUBECONFIG'] ?? '',
      '--runtime-endpoint',
      `unix://${cluster.state}/run/containerd.sock`,
      '--image-inventory',
      'off',
      '--sink-ndjson',
      'off',
    ],
    { env: environmentOf(), stdio: 'ignore' },
  );
  t.teardown(async () => {
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve).kill('SIGTERM'));
  });
  const ask = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await plimsoll([...args, ...client]);
    if (code === 0 || code === 1) return stdout;
    throw new Error(stderr);
  };
  await waitFor('the collector', 60_000, async () => (await ask('nodes')).includes(' connected') || undefined);
  const findings = async (...args: readonly string[]) => {
    const page = findingPage.parse(JSON.parse(await ask('findings', '-o', 'json', ...args)));
    if (!page.ok) throw new Error(page.problem);
    return page.value.findings;
  };
  return { dataDir, api, ask, findings };
}

void t.test('what passes the webhook by', { skip: cannotRunCluster() }, async (t) => {
  const cluster = await startCluster();
  const { kubectl, apply } = cluster;
  const manifest = join(cluster.state, 'manifests', 'plimsoll-tamper.json');
  const removeConfiguration = () =>
    kubectl('delete', 'validatingwebhookconfiguration', CONFIGURATION, '--ignore-not-found');
  t.teardown(async () => {
    rmSync(manifest, { force: true });
    await removeConfiguration();
    await tool('ctr', 'tasks', 'delete', '--force', CTR).catch(() => undefined);
    await tool('ctr', 'containers', 'delete', CTR).catch(() => undefined);
    await kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait=false');
  });
  await removeConfiguration();
  await apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: NAMESPACE, labels: { 'plimsoll-test': 'tamper' } },
  });
  await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls', namespace: NAMESPACE } });
  const { dataDir, api, ask, findings } = await startPlimsoll(t, cluster);
  const verdictOf = async (check: string, subject?: string) => {
    const found = await findings('--check', check);
    return found.find(({ subject: { name } }) => subject === undefined || name.includes(subject));
  };
  const isFound = async (check: string, subject: string | undefined, verdict: string, reason = /./) =>
    waitFor(`${check} ${subject ?? ''} ${verdict}`, 40_000, async () => {
      const found = await verdictOf(check, subject);
      return found?.verdict === verdict && (verdict === 'pass' || reason.test(found.reason ?? '')) ? found : undefined;
    });

  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'policy.yaml'), POLICY);
  writeFileSync(
    join(directory, 'token'),
    /plo\.\S+/.exec(
      await ask('token', 'create', '--name', 'webhook', '--role', 'operator', '--scope', 'report'),
    )?.[0] ?? '',
  );
  const loaded = await loadSettings({
    programs: ['admission'],
    flags: {
      'data-dir': join(directory, 'data'),
      'admission-listen': '127.0.0.1:0',
      'admission-policies': join(directory, 'policy.yaml'),
      'admission-tls-secret': `${NAMESPACE}/tls`,
      'admission-tls-names': '127.0.0.1',
      'report-collector': `127.0.0.1:${String(api)}`,
      'report-token-file': join(directory, 'token'),
      'report-ca': join(dataDir, 'tls/ca.pem'),
      kubernetes: cluster.environment['KUBECONFIG'] ?? '',
    },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const stop = new AbortController();
  const quiet = (): void => undefined;
  const ready = Promise.withResolvers<{ readonly listen: { readonly port: number } }>();
  const running = runAdmission({
    settings: loaded.settings,
    version: '0.1.0',
    clock: { ...systemClock(), after: (delayMs, callback) => systemClock().after(Math.min(delayMs, 1_000), callback) },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    signal: stop.signal,
    onReady: ready.resolve,
    events: { write: () => true, writableLength: 0 },
  });
  running.catch(ready.reject);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  const { listen } = await ready.promise;
  const startedMs = Date.now();
  const register = () =>
    apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: CONFIGURATION },
      webhooks: [
        {
          name: 'pods.plimsoll.dev',
          admissionReviewVersions: ['v1'],
          clientConfig: { url: `https://127.0.0.1:${String(listen.port)}/validate` },
          failurePolicy: 'Fail',
          matchPolicy: 'Equivalent',
          sideEffects: 'None',
          namespaceSelector: { matchLabels: { 'plimsoll-test': 'tamper' } },
          rules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['pods'],
              scope: 'Namespaced',
            },
          ],
        },
      ],
    });
  await register();
  // It is not the one of the manifests.
  const changed = await isFound('admission.webhook', undefined, 'fail', /clientConfig\.url/);
  t.match(changed, { nodeName: 'kubernetes', severity: 'critical' });
  t.match(await isFound('admission.exempt-namespace', undefined, 'fail'), { reason: /namespace default and \d+ more/ });
  const deletedMs = Date.now();
  await removeConfiguration();
  const deleted = await isFound('admission.webhook', undefined, 'fail', /was deleted/);
  t.comment(`deleted webhook configuration: found after ${String(deleted.changedMs - deletedMs)} ms`);
  t.ok(deleted.changedMs - deletedMs < 5_000);
  await register();

  writeFileSync(manifest, JSON.stringify(podOf('static')));
  const fixed = await isFound('admission.admitted', 'static', 'fail', /static pod/);
  const pid = (await cluster.processes()).get(fixed.subject.id) ?? 0;
  const staticMs = fixed.firstSeenMs - startTimeMs(pid);
  t.comment(`static pod: found ${String(staticMs)} ms after its start`);
  t.ok(staticMs < BUSY_MS, String(staticMs));
  // Whoever reaches the socket of containerd chooses the labels.
  const forged = [
    'io.kubernetes.pod.uid=00000000-0000-4000-8000-000000000001',
    'io.kubernetes.pod.namespace=kube-system',
  ];
  const labels = forged.flatMap((label) => ['--label', label]);
  await tool('ctr', 'run', '--detach', ...labels, IMAGE, CTR, 'sleep', '900');
  const ctrPid = await waitFor('ctr', 10_000, async () => (await cluster.processes()).get(CTR));
  const bypass = await waitFor('runtime.unobserved', 40_000, async () => {
    const found = await verdictOf('runtime.unobserved');
    return found?.evidence.some(({ seen }) => seen.includes(CTR)) ? found : undefined;
  });
  const ctrMs = bypass.changedMs - startTimeMs(ctrPid);
  t.comment(`container of ctr: found ${String(ctrMs)} ms after its start`);
  t.ok(ctrMs < BUSY_MS, String(ctrMs));

  await waitFor('pods are new', OLDER_MS + 5_000, () => Date.now() - startedMs > OLDER_MS || undefined);
  await waitFor('the authority is published', 30_000, async () => {
    await apply(podOf('good'));
    return true;
  });
  t.match(await isFound('admission.admitted', 'good', 'pass'), { subject: { name: `${NAMESPACE}/good/c` } });
  await t.rejects(apply(podOf('bad', 'evil.example/x:1')), 'another registry');
  const denied = await waitFor('the denial', 20_000, async () => {
    const { denials } = JSON.parse(await ask('denials', '-o', 'json', '--namespace', NAMESPACE)) as {
      denials: readonly { name: string }[];
    };
    return denials.find(({ name }) => name === 'bad');
  });
  t.match(denied, {
    outcome: 'denied',
    kind: 'Pod',
    user: 'kubernetes-admin',
    reasons: [{ code: 'registry-not-allowed' }],
    source: /^webhook \(/,
  });
  await removeConfiguration();
  await apply(podOf('unjudged'));
  await isFound('admission.admitted', 'unjudged', 'fail', /no admission webhook has admitted this pod/);
  t.match(await verdictOf('admission.admitted', 'good'), { verdict: 'pass' });
  t.notOk(readFileSync(join(directory, 'token'), 'utf8') === '');
});
