import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { ROOT } from '../../scripts/setup.mjs';
import { buildAdvisories } from '../collector/policy/rollout-collector.ts';
import { prepareCosign } from '../component/cosign.ts';
import type { Cosign, CosignKey } from '../component/cosign.ts';
import { pushDebianImage, tarOf } from '../component/debian-image.ts';
import type { PushedImage } from '../component/debian-image.ts';
import { REGISTRY_USER, startRegistry } from '../component/registry.ts';
import type { TestRegistry } from '../component/registry.ts';
import { waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { API, VOLUME } from './deployment.ts';
import type { Deployment } from './deployment.ts';

const run = promisify(execFile);
const TOOL = join(ROOT, '..', 'shared', 'cluster', 'cluster');
/** The address of the node, which pods reach as well. */
export const NODE_ADDRESS = '10.97.0.1';
/** In the volume of the collector; the same path without the volume is in its pod. */
const FILES = join(VOLUME, 'enforcement');
const FILES_IN_POD = '/var/lib/plimsoll/enforcement';

/** Where images are judged and pods are denied. */
export const SHOP = 'plimsoll-test-shop';
/** Where workloads are replaced. */
export const ROLLOUTS = 'plimsoll-test-rollouts';

/** Key of the webhooks of rollouts. */
export const WEBHOOK_KEY = 'secret-of-the-webhook';

export const VULNERABLE = { zlib1g: '1', base: '1' };
export const EXPLOITED = { openssl: '3.0.1', base: '1' };
export const FIXED = { zlib1g: '9', openssl: '3.0.2', base: '1' };

/** A registry with images, and the signer of releases. */
export interface Supply {
  readonly registry: TestRegistry;
  readonly cosign: Cosign;
  readonly release: CosignKey;
  /** Pushes an image of busybox, and lets containerd pull it, which has no credentials of its own. */
  readonly push: (
    name: string,
    packages: Readonly<Record<string, string>>,
    command?: readonly string[],
  ) => Promise<PushedImage>;
  readonly sign: (repository: string, image: PushedImage) => Promise<unknown>;
}

/** Admission webhook and rollouts, deployed beside the collector. */
export interface Enforcement {
  readonly plimsoll: Deployment;
  readonly supply: Supply;
  readonly api: Deployment['api'];
  /** Applies the manifests again. */
  readonly register: () => Promise<unknown>;
  /** When the webhook became ready. */
  readonly deployedMs: number;
  /** Asks the collector to scan images, and waits until the snapshot of every webhook can name them. */
  readonly scan: (...images: readonly string[]) => Promise<void>;
}

/** Starts the registry. The cluster must run: the registry listens on the address of its node. */
export async function prepareSupply(t: Test): Promise<Supply> {
  const registry = await startRegistry(t, { tls: true, password: true, address: NODE_ADDRESS });
  const cosign = prepareCosign(t, registry);
  const release = await cosign.keyPair('release');
  // An image of an earlier run with the same content would give containers its name.
  const base = tarOf({ 'bin/busybox': readFileSync('/bin/busybox'), run: registry.host });
  return {
    registry,
    cosign,
    release,
    sign: (repository, { digest }) => cosign.sign(release, `${repository}@${digest}`),
    push: async (name, packages, command = ['/bin/busybox', 'sleep', '36000']) => {
      const [repository = '', tag = ''] = name.split(':');
      const pushed = await pushDebianImage(registry, { repository, tag }, { packages, layers: [base], command });
      const { username, password } = REGISTRY_USER;
      const pull = ['images', 'pull', '--snapshotter', 'overlayfs', '--user', `${username}:${password}`];
      for (const reference of [`:${tag}`, `@${pushed.digest}`])
        await run(
          TOOL,
          ['ctr', ...pull, '--tlscacert', registry.caFile, `${registry.host}/${repository}${reference}`],
          {
            timeout: 60_000,
          },
        );
      return pushed;
    },
  };
}

/** Writes what the collector judges by into its volume; see test/cluster/overlay/collector.yaml. */
export async function writeCollectorFiles({ registry, release }: Supply): Promise<void> {
  mkdirSync(join(FILES, 'policies'), { recursive: true });
  const write = (name: string, content: string): void => writeFileSync(join(FILES, name), content);
  const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
  write('config.json', JSON.stringify({ auths: { [registry.host]: { auth } } }));
  write('registry-ca.pem', registry.ca);
  write('policies/all.yaml', policies(registry.host, release.publicPem));
  const advisories = [
    { id: 'CVE-2026-2001', package: 'zlib1g', fixed: '9' },
    { id: 'CVE-2026-2002', package: 'openssl', fixed: '3.0.2', isExploited: true },
  ];
  await buildAdvisories(FILES, { vulndb: join(FILES, 'vulndb.sqlite'), builtMs: Date.now() - 3_600_000, advisories });
}

/** The settings of the collector that name these files. */
export function collectorEnvironment({ registry }: Supply): Readonly<Record<string, string>> {
  return {
    PLIMSOLL_POLICIES: `${FILES_IN_POD}/policies`,
    PLIMSOLL_VULNDB: `${FILES_IN_POD}/vulndb.sqlite`,
    PLIMSOLL_REGISTRIES: registry.host,
    PLIMSOLL_REGISTRY_CREDENTIALS: `${FILES_IN_POD}/config.json`,
    PLIMSOLL_REGISTRY_CA: `${FILES_IN_POD}/registry-ca.pem`,
    PLIMSOLL_REGISTRY_CHECK_INTERVAL: '1m',
  };
}

const policies = (host: string, key: string): string => `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: elsewhere }
spec:
  rules:
    - { type: registry, allow: ['${host}/shop/**', docker.io/lab/**], message: 'Ask the platform team.' }
---
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: shop }
spec:
  match: { images: ['${host}/shop/**'] }
  # Pods that start after the agent are read through their containers on a machine that mounts nothing as shared.
  accept: { gaps: [/] }
  rules:
    - type: signature
      authorities: [{ name: release, key: { pem: ${JSON.stringify(key)} } }]
    - { type: vulnerability, severity: critical }
---
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: scan-age }
spec:
  match: { images: ['${host}/aged/**'] }
  rules:
    - { type: scan, maxAge: 45s }
---
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: rollouts }
spec:
  match: { images: ['${host}/roll/**'] }
  rules:
    - { type: registry, allow: ['${host}/roll/**'] }
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: shop }
spec:
  match: { namespaces: [${SHOP}] }
  podSecurity: { level: baseline }
  breakGlass: { groups: ['system:masters'] }
`;

/** Deploys manifests/admission and manifests/rollout as the manual says, and waits until they are ready. */
export async function deployEnforcement(
  t: Test,
  plimsoll: Deployment,
  {
    supply,
    rolloutPolicies,
    webhookCa,
  }: { readonly supply: Supply; readonly rolloutPolicies: string; readonly webhookCa: string },
): Promise<Enforcement> {
  const { api, cluster } = plimsoll;
  const { kubectl, apply } = cluster;
  // 1.21 and newer set this label.
  for (const namespace of ['plimsoll', 'plimsoll-agents', 'kube-system'])
    await kubectl('label', 'namespace', namespace, `kubernetes.io/metadata.name=${namespace}`, '--overwrite');
  const ca = readFileSync(join(plimsoll.collectorDirectory, 'tls/ca.pem'), 'utf8');
  const { publicKey } = await api<{ publicKey: string }>('/v1/policies/snapshot-key');
  const token = async (name: string, scopes: readonly string[]): Promise<string> =>
    (await api<{ token: string }>('/v1/tokens', { name, role: 'operator', scopes })).token;
  const secret = (name: string, stringData: object): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'plimsoll' },
    stringData,
  });
  await apply(
    secret('plimsoll-admission-collector', {
      token: await token('admission', ['policy', 'report']),
      'ca.pem': ca,
      'snapshot-key.pem': publicKey,
    }),
    secret('plimsoll-rollout', {
      token: await token('rollout', ['rollout', 'read']),
      'ca.pem': ca,
      'webhook-key': WEBHOOK_KEY,
      'webhook-ca.pem': webhookCa,
    }),
  );
  // t.testdir() would make the directory again, and what else is in it.
  const directory = join(t.testdirName, 'manifests');
  cpSync(join(ROOT, 'manifests'), directory, { recursive: true });
  writeFileSync(join(directory, 'kustomization.yaml'), JSON.stringify(overlay(plimsoll.imageTag, rolloutPolicies)));
  // What the manual asks to be added by hand.
  for (const [part, file] of [
    ['admission', 'pin-tags.yaml'],
    ['rollout', 'response.yaml'],
  ] as const) {
    const path = join(directory, part, 'kustomization.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('resources:\n', `resources:\n  - ${file}\n`));
  }
  const register = () => kubectl('apply', '--kustomize', directory);
  await register();
  await Promise.all(
    ['plimsoll-admission', 'plimsoll-rollout'].map((name) =>
      kubectl('-n', 'plimsoll', 'rollout', 'status', `deployment/${name}`, '--timeout=120s'),
    ),
  );
  return {
    register,
    deployedMs: Date.now(),
    plimsoll,
    supply,
    api,
    scan: (...images) => scan({ api, plimsoll }, images),
  };
}

/** For a cluster of 1.20 without DNS, with little to give. */
function overlay(newTag: string, rolloutPolicies: string): object {
  const webhook = '10.96.70.44';
  const hostAliases = [
    { ip: API.host, hostnames: [API.servername] },
    { ip: webhook, hostnames: ['plimsoll-admission.plimsoll.svc'] },
  ];
  const deployment = (name: string, container: object): object => ({
    patch: JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'plimsoll' },
      spec: { template: { spec: { hostAliases, containers: [container] } } },
    }),
  });
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: ['admission', 'rollout'],
    components: ['components/admission-snapshot'],
    images: [{ name: 'plimsoll', newTag }],
    patches: [
      deployment('plimsoll-admission', { name: 'admission', resources: { requests: { cpu: '50m' } } }),
      deployment('plimsoll-rollout', {
        name: 'rollout',
        env: [
          { name: 'PLIMSOLL_ROLLOUT_INTERVAL', value: '1s' },
          { name: 'PLIMSOLL_ROLLOUT_WEBHOOK_KEY', value: '/etc/plimsoll/collector/webhook-key' },
          { name: 'PLIMSOLL_ROLLOUT_WEBHOOK_CA', value: '/etc/plimsoll/collector/webhook-ca.pem' },
        ],
      }),
      {
        target: { kind: 'Service', name: 'plimsoll-admission' },
        patch: JSON.stringify([{ op: 'add', path: '/spec/clusterIP', value: webhook }]),
      },
      {
        target: { kind: 'PodDisruptionBudget' },
        patch: JSON.stringify([{ op: 'replace', path: '/apiVersion', value: 'policy/v1beta1' }]),
      },
      {
        target: { kind: 'ConfigMap', name: 'plimsoll-rollout-policies' },
        patch: JSON.stringify([{ op: 'replace', path: '/data/rollout.yaml', value: rolloutPolicies }]),
      },
    ],
  };
}

/** Removes both, so that nothing is judged any more. */
export async function removeEnforcement({ kubectl }: Pick<Cluster, 'kubectl'>): Promise<void> {
  const options = ['--ignore-not-found', '--wait=false'];
  for (const kind of ['validatingwebhookconfiguration', 'mutatingwebhookconfiguration'])
    await kubectl('delete', kind, 'plimsoll-admission', ...options);
  await kubectl('-n', 'plimsoll', 'delete', 'deployment', 'plimsoll-admission', 'plimsoll-rollout', ...options);
  for (const kind of ['clusterrole', 'clusterrolebinding']) await kubectl('delete', kind, ...CLUSTER_ROLES, ...options);
  await kubectl('delete', 'namespace', SHOP, ROLLOUTS, ...options);
}

const CLUSTER_ROLES = [
  'plimsoll-admission',
  ...['read', 'write', 'response'].map((name) => `plimsoll-rollout-${name}`),
];

/** Webhooks fetch the snapshot every ten seconds, and look at it every two. */
async function scan(
  { api, plimsoll }: Pick<Enforcement, 'api' | 'plimsoll'>,
  images: readonly string[],
): Promise<void> {
  for (const image of images) await api('/v1/policies/scans', { image });
  await waitFor('the scans', 60_000, async () => {
    const { scans } = await api<{ scans: readonly { image: string; state: string; reason: string }[] }>(
      '/v1/policies/scans',
    );
    const own = scans.filter(({ image }) => images.includes(image));
    const failed = own.find(({ state }) => state === 'failed');
    if (failed !== undefined) throw new Error(failed.reason);
    return own.length === images.length && own.every(({ state }) => state === 'done');
  });
  // The judge waits a second between two rounds.
  await sleep(2_000);
  const version = Number(readFileSync(join(plimsoll.collectorDirectory, 'policy-snapshot/version'), 'utf8'));
  await waitFor('the verdicts at the webhooks', 60_000, async () => {
    const { kubectl } = plimsoll.cluster;
    const label = 'app.kubernetes.io/name=plimsoll-admission';
    const names = (await kubectl('-n', 'plimsoll', 'get', 'pods', '-l', label, '-o', 'name')).split('\n');
    const logs = await Promise.all(names.map((name) => kubectl('-n', 'plimsoll', 'logs', name, '--tail=5')));
    return logs.every((log) => [...log.matchAll(/"version":(\d{13})/g)].some(([, one]) => Number(one) >= version));
  });
}
