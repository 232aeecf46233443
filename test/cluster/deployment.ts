import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
const VOLUME = '/var/tmp/plimsoll-test-cluster/collector';
/** Data directory of the agent on the node. */
export const NODE_DATA = '/var/lib/plimsoll-agent';
const NAMESPACES = ['plimsoll', 'plimsoll-agents', 'plimsoll-test-workload'] as const;
/** Where pods of the tests run. */
export const WORKLOAD = NAMESPACES[2];
export const COLLECTOR_POD = 'plimsoll-collector-0';

/** Plimsoll in the test cluster, as manifests/ deploys it. */
export interface Deployment {
  readonly cluster: Cluster;
  /** The data directory of the collector, on this machine. */
  readonly collectorDirectory: string;
  /** Runs `kubectl plimsoll` and resolves to what it prints. */
  readonly plimsoll: (...args: readonly string[]) => Promise<string>;
  /** The same with `--output json`, parsed. */
  readonly ask: <T>(...args: readonly string[]) => Promise<T>;
  readonly findings: (...filter: readonly string[]) => Promise<readonly FleetFinding[]>;
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

/** Builds the image, deploys it and waits until it is ready; all of it is removed after the test. */
export async function deploy(t: Test): Promise<Deployment> {
  const cluster = await startCluster();
  await removeAll(cluster);
  t.teardown(() => removeAll(cluster));
  prepareVolume();
  const archive = join(t.testdir(), 'image.tar');
  const tag = `cluster-${String(process.pid)}`;
  await run(NODE, ['scripts/image.ts', '--output', archive, '--tag', tag], { cwd: ROOT });
  await cluster.loadImage(archive);
  const overlay = join(dirname(archive), 'overlay');
  mkdirSync(overlay);
  const base = relative(overlay, join(ROOT, 'test/cluster/overlay'));
  const kustomization = { resources: [base], images: [{ name: 'plimsoll', newTag: tag }] };
  writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify(kustomization));
  await cluster.kubectl('apply', '--kustomize', overlay);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: WORKLOAD } });
  const plugin = join(dirname(archive), 'kubectl-plimsoll');
  symlinkSync(join(ROOT, 'bin/kubectl-plimsoll.js'), plugin);
  return deploymentOf(t, cluster, dirname(plugin));
}

function deploymentOf(t: Test, cluster: Cluster, pluginDirectory: string): Deployment {
  const { kubectl } = cluster;
  const env = { ...cluster.environment, PATH: `${pluginDirectory}:${cluster.environment['PATH'] ?? ''}` };
  const plimsoll = async (...args: readonly string[]): Promise<string> => {
    const options = { env, timeout: 60_000, maxBuffer: 64 * 2 ** 20 };
    // `status` exits with 1 where there are issues.
    const { stdout } = await run('kubectl', ['plimsoll', ...args], options).catch(
      (error: Error & { readonly code: unknown; readonly stdout: string }) => {
        if (error.code === 1) return error;
        throw error;
      },
    );
    return stdout;
  };
  const ask = async <T>(...args: readonly string[]): Promise<T> =>
    JSON.parse(await plimsoll(...args, '--output', 'json')) as T;
  const agentPod = (): Promise<string> =>
    waitFor('a pod of the agent', 60_000, async () => {
      const names = await kubectl('-n', 'plimsoll-agents', 'get', 'pods', '-o', 'name');
      const [name, ...others] = names.split('\n');
      return others.length === 0 && name !== '' ? name?.replace('pod/', '') : undefined;
    });
  return {
    cluster,
    collectorDirectory: join(VOLUME, 'data'),
    plimsoll,
    ask,
    findings: async (...filter) =>
      (await ask<{ findings: FleetFinding[] }>('findings', '--limit', '100000', ...filter)).findings,
    history: async () => (await ask<{ entries: HistoryEntry[] }>('findings', '--history', '--limit', '100000')).entries,
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
      return waitFor(`pod ${name}`, 60_000, async () => {
        const path = '{.status.containerStatuses[0].state.running}{.status.containerStatuses[0].containerID}';
        const state = await kubectl('-n', WORKLOAD, 'get', 'pod', name, '-o', `jsonpath=${path}`);
        return /^\{.*containerd:\/\/([0-9a-f]{64})$/.exec(state)?.[1];
      });
    },
    deletePod: async (namespace, name) =>
      void (await kubectl('-n', namespace, 'delete', 'pod', name, '--grace-period=0', '--force', '--wait=false')),
    ready: () =>
      waitFor('both parts to be ready', 120_000, async () => {
        const path = '{range .items[*]}{.metadata.deletionTimestamp}{.status.containerStatuses[*].ready}{"\\n"}{end}';
        const pods = await Promise.all(
          NAMESPACES.slice(0, 2).map((namespace) => kubectl('-n', namespace, 'get', 'pods', '-o', `jsonpath=${path}`)),
        );
        return pods[0] === 'true' && pods[1] === 'true true' ? true : undefined;
      }).then(() => undefined),
    agentPod,
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

async function removeAll({ kubectl }: Cluster): Promise<void> {
  const options = ['--ignore-not-found', '--grace-period=0', '--force', '--wait=false'];
  await kubectl('delete', 'daemonset,statefulset', '--all', '-n', 'plimsoll', ...options);
  await kubectl('delete', 'daemonset,statefulset', '--all', '-n', 'plimsoll-agents', ...options);
  for (const namespace of NAMESPACES) await kubectl('-n', namespace, 'delete', 'pod', '--all', ...options);
  await kubectl('delete', 'namespace', ...NAMESPACES, '--ignore-not-found', '--wait=true', '--timeout=120s');
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
