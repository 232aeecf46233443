import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runAdmission } from '../../admission/main.ts';
import { BREAK_GLASS_ANNOTATION } from '../../policy/pod/pod-policy.ts';
import { loadSettings } from '../../service/config/load.ts';
import { systemClock } from '../../service/clock.ts';
import type { LogFields } from '../../service/log.ts';
import { temporaryDirectory } from '../cli/process.ts';
import { restrictedPod } from '../fixture/pods.ts';
import { cannotRunCluster, startCluster } from './cluster.ts';

const NAMESPACE = 'plimsoll-admission-test';
const CONFIGURATION = 'plimsoll-admission-test';
const POLICIES = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: images }
spec: { rules: [{ type: registry, allow: [registry.example.com/**] }] }
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: pods }
spec:
  podSecurity: { level: restricted }
  breakGlass: { groups: ['system:masters'] }
`;

/** A pod of the namespace; `changes` replace fields of its spec. */
function pod(name: string, { image = 'registry.example.com/a:1', changes = {}, annotations = {} } = {}): object {
  const { spec, ...head } = restrictedPod(image) as { spec: object };
  // No volume claims, and on no node: nothing is to be run.
  return {
    ...head,
    metadata: { name, namespace: NAMESPACE, annotations },
    spec: { ...spec, volumes: [], nodeSelector: { none: 'such' }, ...changes },
  };
}

void t.test('a real API server asks the webhook', { skip: cannotRunCluster() }, async (t) => {
  const cluster = await startCluster();
  const kubectl = (
    args: readonly string[],
    object?: object,
  ): Promise<{ readonly code: number; readonly text: string }> =>
    new Promise((resolve) => {
      const child = execFile('kubectl', args, { env: cluster.environment, timeout: 60_000 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, text: `${stdout}${stderr}` }),
      );
      child.stdin?.end(object === undefined ? '' : JSON.stringify(object));
    });
  const apply = (object: object, ...flags: readonly string[]) => kubectl(['apply', '--filename=-', ...flags], object);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'policies.yaml'), POLICIES);
  const remove = async (): Promise<void> => {
    for (const kind of ['validatingwebhookconfiguration', 'mutatingwebhookconfiguration'])
      await kubectl(['delete', kind, CONFIGURATION, '--ignore-not-found']);
    await kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait=false']);
  };
  t.teardown(remove);
  await kubectl(['delete', 'validatingwebhookconfiguration', CONFIGURATION, '--ignore-not-found']);
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: NAMESPACE, labels: { 'plimsoll-test': 'admission' } },
  });
  await cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls', namespace: NAMESPACE } });
  const loaded = await loadSettings({
    programs: ['admission'],
    flags: {
      'data-dir': join(directory, 'data'),
      'admission-listen': '127.0.0.1:0',
      'admission-policies': join(directory, 'policies.yaml'),
      'admission-tls-secret': `${NAMESPACE}/tls`,
      'admission-tls-names': '127.0.0.1',
      'admission-configuration': CONFIGURATION,
      kubernetes: cluster.environment['KUBECONFIG'] ?? '',
    },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const events: string[] = [];
  const logs: string[] = [];
  const log = (fields: LogFields, message: string): void => void logs.push(`${message} ${JSON.stringify(fields)}`);
  const stop = new AbortController();
  const { promise: ready, resolve: setReady } = Promise.withResolvers<{ readonly listen: { readonly port: number } }>();
  const running = runAdmission({
    settings: loaded.settings,
    version: '0.1.0',
    clock: { ...systemClock(), after: (delayMs, callback) => systemClock().after(Math.min(delayMs, 1_000), callback) },
    log: { debug: log, info: log, warn: log, error: log },
    signal: stop.signal,
    onReady: setReady,
    events: { write: (line: string) => events.push(line), writableLength: 0 },
  });
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  const { listen } = await Promise.race([ready, running.then(() => Promise.reject(new Error(logs.join('\n'))))]);
  const webhook = (name: string, rules: readonly object[]): object => ({
    name,
    admissionReviewVersions: ['v1'],
    clientConfig: { url: `https://127.0.0.1:${String(listen.port)}/validate` },
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: 5,
    // The test cluster is older than the label that the API server sets itself.
    namespaceSelector: { matchLabels: { 'plimsoll-test': 'admission' } },
    rules,
  });
  const rule = (apiGroup: string, ...resources: readonly string[]): object => ({
    apiGroups: [apiGroup],
    apiVersions: ['v1'],
    operations: ['CREATE', 'UPDATE'],
    resources,
    scope: 'Namespaced',
  });
  await cluster.apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: CONFIGURATION },
    webhooks: [
      webhook('pods.plimsoll.dev', [rule('', 'pods', 'pods/ephemeralcontainers')]),
      webhook('templates.plimsoll.dev', [rule('apps', 'deployments', 'replicasets')]),
    ],
  });
  let first = await apply(pod('good'), '--dry-run=server');
  for (let tries = 0; first.code !== 0 && tries < 40; tries += 1) {
    t.match(first.text, /failed calling webhook/, 'until the authority is published, nothing is admitted');
    await sleep(500);
    first = await apply(pod('good'), '--dry-run=server');
  }
  t.match(first.text, /pod\/good created/);

  const refused = async (what: string, object: object, pattern: RegExp): Promise<void> => {
    const { code, text } = await apply(object, '--dry-run=server');
    t.equal(code, 1, what);
    t.match(text, pattern, what);
  };
  await refused(
    'another registry',
    pod('a', { image: 'docker.io/library/alpine:3' }),
    /denied the request: plimsoll: 1 reason against it[^]*spec\.containers\[0\]\.image[^]*registry-not-allowed[^]*Push the image/,
  );
  await refused(
    'the host',
    pod('b', { changes: { hostPID: true, hostNetwork: true } }),
    /2 reasons against it[^]*spec\.hostNetwork: hostNamespaces/,
  );
  await refused(
    'an init container',
    pod('c', { changes: { initContainers: [{ name: 'i', image: 'evil.example/i' }] } }),
    /spec\.initContainers\[0\]\.image: image evil\.example\/i/,
  );
  t.equal(events.length, 0, 'a dry run writes no event');

  const glass = await apply(
    pod('d', { changes: { hostPID: true }, annotations: { [BREAK_GLASS_ANNOTATION]: 'outage 42' } }),
  );
  t.equal(glass.code, 0, glass.text);
  t.match(glass.text, /Warning: plimsoll: break-glass: 1 reasons overridden/);
  t.match(JSON.parse(events.at(-1) ?? '{}'), {
    action: 'Allowed',
    severity: 'High',
    unmapped: { break_glass: 'outage 42' },
  });

  t.equal((await apply(pod('good'))).code, 0);
  t.equal((await kubectl(['label', 'pod', 'good', 'a=b', `--namespace=${NAMESPACE}`])).code, 0);
  const moved = await kubectl(['set', 'image', 'pod/good', 'db=evil.example/x', `--namespace=${NAMESPACE}`]);
  t.match(moved.text, /denied the request: plimsoll/, 'an update to another image');

  const labels = { app: 'web' };
  const { spec } = pod('x', { changes: { hostIPC: true } }) as { spec: object };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: NAMESPACE },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
  const warned = await apply(deployment);
  t.equal(warned.code, 0, warned.text);
  t.match(warned.text, /Warning: plimsoll: spec\.template\.spec\.hostIPC/);
  let status = '';
  for (let tries = 0; tries < 60 && !status.includes('plimsoll'); tries += 1) {
    await sleep(500);
    status = (
      await kubectl([
        'get',
        'replicaset',
        `--namespace=${NAMESPACE}`,
        '--output=jsonpath={.items[*].status.conditions[*].message}',
      ])
    ).text;
  }
  t.match(status, /denied the request: plimsoll: 1 reason/, 'the controller gets the reason for each pod');

  stop.abort();
  await running;
  const down = await apply(pod('later'), '--dry-run=server');
  t.match(down.text, /failed calling webhook/, 'without the webhook nothing is admitted');
});
