import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import type { FindingEvent, FleetFinding, HistoryEntry } from '../../api/finding.ts';
import { NODE, ROOT } from '../../scripts/setup.mjs';
import { startCluster, waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';

const run = promisify(execFile);
/** The hostPath of test/cluster/overlay/volume.yaml. */
export const VOLUME = '/var/tmp/plimsoll-test-cluster/collector';
/** The address of the Service in test/cluster/overlay/collector.yaml. */
export const API = { host: '10.96.70.43', port: 7480, servername: 'plimsoll-collector.plimsoll.svc' };
/** Data directory of the agent on the node. */
export const NODE_DATA = '/var/lib/plimsoll-agent';
const NAMESPACES = [
  'plimsoll',
  'plimsoll-agents',
  'plimsoll-test-workload',
  'plimsoll-test-shop',
  'plimsoll-test-rollouts',
] as const;
/** Where pods of the tests run. */
export const WORKLOAD = NAMESPACES[2];
export const COLLECTOR_POD = 'plimsoll-collector-0';

/** Plimsoll in the test cluster, as manifests/ deploys it. */
export interface Deployment {
  readonly cluster: Cluster;
  /** Of the image that was built and loaded. */
  readonly imageTag: string;
  /** The data directory of the collector, on this machine. */
  readonly collectorDirectory: string;
  /** Runs `kubectl plimsoll` and resolves to what it prints. */
  readonly plimsoll: (...args: readonly string[]) => Promise<string>;
  /** The same with `--output json`, parsed. */
  readonly ask: <T>(...args: readonly string[]) => Promise<T>;
  /** Asks the operator API as an administrator, without a process for each question. Rejects for a status from 400 on. */
  readonly api: <T>(path: string, body?: object) => Promise<T>;
  /** Findings, restricted by parameters of the API. */
  readonly findings: (filter?: Readonly<Record<string, string>>) => Promise<readonly FleetFinding[]>;
  readonly history: () => Promise<readonly HistoryEntry[]>;
  /** Follows the findings until the test ends: calls back with each event at the time that it is printed. */
  readonly watch: (onEvent: (event: FindingEvent) => void) => void;
  /** Starts a pod with one container and resolves to the id of it once it runs. */
  readonly startPod: (name: string, spec?: PodSpec) => Promise<string>;
  readonly deletePod: (namespace: string, name: string) => Promise<void>;
  /** Resolves once both parts are ready. */
  readonly ready: () => Promise<void>;
  /** Name of the agent's pod. */
  readonly agentPod: () => Promise<string>;
}

/** What differs from a plain pod. */
export interface PodSpec {
  readonly pod?: object;
  readonly container?: object;
}

/**
 * Builds the image and deploys it; all of it is removed after the test. `prepare` runs once the cluster and the volume of
 * the collector are there, and resolves to settings of the collector, as environment.
 */
export async function deploy(
  t: Test,
  prepare: (cluster: Cluster) => Promise<Readonly<Record<string, string>>> = () => Promise.resolve({}),
): Promise<Deployment> {
  const cluster = await startCluster();
  await removeAll(cluster, 'wait');
  t.teardown(() => removeAll(cluster, 'begin'));
  prepareVolume();
  const archive = join(t.testdir(), 'image.tar');
  const tag = `cluster-${String(process.pid)}`;
  const preparing = prepare(cluster);
  await run(NODE, ['scripts/image.ts', '--output', archive, '--tag', tag], { cwd: ROOT });
  await cluster.loadImage(archive);
  const environment = Object.entries(await preparing).map(([name, value]) => ({ name, value }));
  const overlay = join(dirname(archive), 'overlay');
  mkdirSync(overlay);
  const base = relative(overlay, join(ROOT, 'test/cluster/overlay'));
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'plimsoll-collector', namespace: 'plimsoll' },
    spec: { template: { spec: { containers: [{ name: 'collector', env: environment }] } } },
  };
  const kustomization = {
    resources: [base],
    images: [{ name: 'plimsoll', newTag: tag }],
    patches: [{ patch: JSON.stringify(patch) }],
  };
  writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify(kustomization));
  await cluster.kubectl('apply', '--kustomize', overlay);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: WORKLOAD } });
  const plugin = join(dirname(archive), 'kubectl-plimsoll');
  symlinkSync(join(ROOT, 'bin/kubectl-plimsoll.js'), plugin);
  return deploymentOf(t, { cluster, imageTag: tag, pluginDirectory: dirname(plugin) });
}

function deploymentOf(
  t: Test,
  {
    cluster,
    imageTag,
    pluginDirectory,
  }: { readonly cluster: Cluster; readonly imageTag: string; readonly pluginDirectory: string },
): Deployment {
  const { kubectl } = cluster;
  const env = { ...cluster.environment, PATH: `${pluginDirectory}:${cluster.environment['PATH'] ?? ''}` };
  const plimsoll = async (...args: readonly string[]): Promise<string> => {
    const options = { env, timeout: 60_000, maxBuffer: 64 * 2 ** 20 };
    // `status` exits with 1 where there are issues, and kubectl where the plugin failed.
    const { stdout } = await run('kubectl', ['plimsoll', ...args], options).catch(
      (error: Error & { readonly code: unknown; readonly stdout: string }) => {
        if (error.code === 1 && error.stdout !== '') return error;
        throw error;
      },
    );
    return stdout;
  };
  const ask = async <T>(...args: readonly string[]): Promise<T> =>
    JSON.parse(await plimsoll(...args, '--output', 'json')) as T;
  const api = apiOf(join(VOLUME, 'data'));
  const agentPod = (): Promise<string> =>
    waitFor('a pod of the agent', 60_000, async () => {
      const names = await kubectl('-n', 'plimsoll-agents', 'get', 'pods', '-o', 'name');
      const [name, ...others] = names.split('\n');
      return others.length === 0 && name !== '' ? name?.replace('pod/', '') : undefined;
    });
  return {
    cluster,
    imageTag,
    collectorDirectory: join(VOLUME, 'data'),
    plimsoll,
    ask,
    api,
    findings: async (filter = {}) => {
      const found: FleetFinding[] = [];
      let cursor: string | null = null;
      do {
        const more: Readonly<Record<string, string>> = cursor === null ? {} : { cursor };
        const query = new URLSearchParams({ limit: '1000', ...filter, ...more });
        const page: FindingPage = await api(`/v1/findings?${query.toString()}`);
        found.push(...page.findings);
        // The last page has none.
        cursor = page.cursor ?? null;
      } while (cursor !== null);
      return found;
    },
    // A collector that answers others refuses it.
    history: () =>
      waitFor('the history', 60_000, async () => {
        return (await ask<{ entries: HistoryEntry[] }>('findings', '--history', '--limit', '100000')).entries;
      }),
    watch: (onEvent) => {
      const child = spawn('kubectl', ['plimsoll', 'findings', '--watch', '--output', 'json'], {
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      t.teardown(() => child.kill());
      createInterface(child.stdout).on('line', (line) => onEvent(JSON.parse(line) as FindingEvent));
    },
    startPod: async (name, spec) => {
      await cluster.apply(podOf(name, spec));
      return waitFor(`pod ${name}`, 120_000, async () => {
        const path = '{.status.containerStatuses[0].state.running}{.status.containerStatuses[0].containerID}';
        const state = await kubectl('-n', WORKLOAD, 'get', 'pod', name, '-o', `jsonpath=${path}`);
        return /^\{.*containerd:\/\/([0-9a-f]{64})$/.exec(state)?.[1];
      });
    },
    deletePod: async (namespace, name) =>
      void (await kubectl(
        '-n',
        namespace,
        'delete',
        'pod',
        name,
        '--ignore-not-found',
        '--grace-period=0',
        '--force',
        '--wait=false',
      )),
    ready: () =>
      waitFor('both parts to be ready', 180_000, async () => {
        const parts = '{.metadata.deletionTimestamp}{.status.containerStatuses[*].ready}';
        const get = (namespace: string, ...args: readonly string[]) => kubectl('-n', namespace, 'get', ...args);
        const [collector, agents] = await Promise.all([
          get('plimsoll', 'pod', COLLECTOR_POD, '-o', `jsonpath=${parts}`),
          get('plimsoll-agents', 'pods', '-o', `jsonpath={range .items[*]}${parts}{"\\n"}{end}`),
        ]);
        return collector === 'true' && agents === 'true true' ? true : undefined;
      }).then(() => undefined),
    agentPod,
  };
}

interface FindingPage {
  readonly findings: readonly FleetFinding[];
  readonly cursor?: string | null;
}

function apiOf(collectorDirectory: string): Deployment['api'] {
  return async <T>(path: string, body?: object): Promise<T> => {
    const [ca, token] = ['tls/ca.pem', 'operator-token'].map((name) =>
      readFileSync(join(collectorDirectory, name), 'utf8'),
    );
    const headers = { authorization: `Bearer ${token?.trim() ?? ''}`, 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const sent = request({ ...API, path, method, headers, ca, agent: false, timeout: 20_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        if ((response.statusCode ?? 500) >= 400) reject(new Error(`${path}: ${text}`));
        else resolve(JSON.parse(text) as T);
      });
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`${path}: no answer`)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  };
}

function podOf(name: string, { pod = {}, container = {} }: PodSpec = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: WORKLOAD },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      ...pod,
      containers: [{ name: 'main', image: 'docker.io/lab/busybox:v1', command: ['/bin/sleep', '3600'], ...container }],
    },
  };
}

/** A small file system of its own for the collector, so that a test can fill it. */
function prepareVolume(): void {
  mkdirSync(VOLUME, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512m', 'tmpfs', VOLUME]);
  chownSync(VOLUME, 65_532, 65_532);
  chmodSync(VOLUME, 0o700);
}

/** `begin`: the kubelet takes a minute for many pods, and the next run waits for it. */
async function removeAll({ kubectl }: Cluster, mode: 'wait' | 'begin'): Promise<void> {
  const options = ['--ignore-not-found', '--grace-period=0', '--force', '--wait=false'];
  await kubectl('delete', 'daemonset,statefulset', '--all', '-n', 'plimsoll', ...options);
  await kubectl('delete', 'daemonset,statefulset', '--all', '-n', 'plimsoll-agents', ...options);
  for (const namespace of NAMESPACES) await kubectl('-n', namespace, 'delete', 'pod', '--all', ...options);
  const waiting = mode === 'wait' ? ['--wait=true', '--timeout=180s'] : ['--wait=false'];
  await kubectl('delete', 'namespace', ...NAMESPACES, '--ignore-not-found', ...waiting);
  await kubectl('delete', 'pv', 'plimsoll-test', '--ignore-not-found', '--wait=false');
  if (existsSync(VOLUME)) {
    // Mounted once a run that did not end in order as well.
    for (;;) {
      try {
        execFileSync('umount', ['-l', VOLUME], { stdio: 'ignore' });
      } catch {
        break;
      }
    }
  }
  for (const path of [dirname(VOLUME), NODE_DATA]) rmSync(path, { recursive: true, force: true });
}
