import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { openLiveNode } from '../../agent/live-node.ts';
import type { NodeAccess } from '../../agent/node-access.ts';
import { ensureAuthority, ensureNodeCertificate, ensureServerCertificate } from '../../service/tls/authority.ts';
import { bundleModule } from '../fixture/bundle.ts';
import { VERSION } from './child-protocol.ts';
import { createContainers } from './containers.ts';
import type { Containers } from './containers.ts';
import { mountDisk } from './disk.ts';
import type { Disk } from './disk.ts';
import { startEngineProxy } from './engine-proxy.ts';
import type { EngineProxy } from './engine-proxy.ts';
import { createOperator } from './operator.ts';
import type { Operator } from './operator.ts';
import type { ProgramName } from './plan.ts';
import { createProgram } from './program.ts';
import type { Program } from './program.ts';
import { startProxy } from './proxy.ts';
import type { Proxy } from './proxy.ts';

/** A collector and an agent as processes, a network between them, and containers for the agent to see. */
export interface Scene {
  readonly programs: Readonly<Record<ProgramName, Program>>;
  readonly network: Proxy;
  /** What the agent takes for the engine. */
  readonly engine: EngineProxy;
  readonly containers: Containers;
  /** Small disks under the data directories, where they were asked for. */
  readonly disks: Partial<Readonly<Record<ProgramName, Disk>>>;
  readonly operator: Operator;
  /** This machine, as a scan sees it that knows nothing from before. */
  readonly openNode: () => Promise<NodeAccess>;
  readonly collectorDirectory: string;
  readonly isFull: Set<ProgramName>;
}

/** What a scene is made of. */
export interface SceneOptions {
  /** `unix:///…` of the Docker engine. */
  readonly endpoint: string;
  readonly seed: number;
  /** Size of the disk under a data directory; without one it has the room of the machine. */
  readonly diskBytes?: Partial<Readonly<Record<ProgramName, number>>>;
}

/** Starts everything; it ends with the test. The reason where a disk cannot be had. */
export async function openScene(t: Test, options: SceneOptions): Promise<Scene | { readonly reason: string }> {
  const base = mkdtempSync(join(tmpdir(), 'plimsoll-chaos-'));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const directories = { agent: join(base, 'agent'), collector: join(base, 'collector') };
  const disks: Partial<Record<ProgramName, Disk>> = {};
  for (const name of ['agent', 'collector'] as const) {
    const bytes = options.diskBytes?.[name];
    if (bytes === undefined) continue;
    const disk = mountDisk(directories[name], bytes);
    if ('reason' in disk) return disk;
    t.teardown(disk.unmount);
    disks[name] = disk;
  }
  const { script, remove } = await bundleModule('test/chaos/child.ts');
  t.teardown(remove);
  const enginePath = options.endpoint.slice('unix://'.length);
  const engine = await startEngineProxy(join(base, 'engine.sock'), enginePath);
  t.teardown(engine.close);
  const openNode = (): Promise<NodeAccess> =>
    openLiveNode({
      hostRoot: '/',
      dockerHost: engine.endpoint,
      nodeName: '',
      dataDir: directories.agent,
      agentVersion: VERSION,
      now: Date.now,
    });
  const node = await openNode();
  const tls = await makeCertificates(join(base, 'tls'), (await node.inventory()).id);
  const network = await startProxy();
  t.teardown(network.close);
  const containers = createContainers(enginePath, `${String(process.pid)}x${String(options.seed)}`);
  t.teardown(containers.clear);

  const isFull = new Set<ProgramName>();
  let apiPort = 0;
  const program = (name: ProgramName, flags: Readonly<Record<string, string>>): Program =>
    createProgram({
      script,
      name,
      flags: {
        ...flags,
        ...tls(name),
        'data-dir': directories[name],
        'heartbeat-interval': '1s',
        'log-level': 'debug',
      },
      seed: options.seed,
      mayFailToStart: () => isFull.has(name),
      onReady: (ready) => {
        if (name !== 'collector') return;
        apiPort = ready.apiPort;
        network.leadTo(ready.listenPort);
      },
    });
  const any = '127.0.0.1:0';
  const collector = program('collector', {
    listen: any,
    api: any,
    // Small files, so that they are rotated all the time; all are kept.
    'sink-ndjson-max-bytes': '1MiB',
    'sink-ndjson-keep': '200',
  });
  const agent = program('agent', {
    collector: `127.0.0.1:${String(network.port)}`,
    'docker-host': engine.endpoint,
    // What happens must be noticed when it happens: no sweep makes up for what was missed.
    'sweep-interval': '7d',
  });
  const programs = { agent, collector };
  t.teardown(() => Promise.all([agent.stop(), collector.stop()]));
  await collector.start();
  await agent.start();
  const operator = createOperator(directories.collector, () => apiPort);
  return {
    programs,
    network,
    engine,
    containers,
    disks,
    operator,
    openNode,
    collectorDirectory: directories.collector,
    isFull,
  };
}

/** One authority with a certificate for each end; answers the flags that name them. */
async function makeCertificates(directory: string, nodeId: string) {
  const authority = await ensureAuthority(directory, Date.now());
  await ensureServerCertificate(authority, ['127.0.0.1'], Date.now());
  await ensureNodeCertificate(authority, nodeId, Date.now());
  return (name: ProgramName): Readonly<Record<string, string>> => ({
    'tls-ca': join(directory, 'ca.pem'),
    'tls-cert': join(directory, `${name}.pem`),
    'tls-key': join(directory, `${name}-key.pem`),
  });
}
