import { userOfEngine } from '../posture/fact/docker.ts';
import { absent } from '../posture/observed.ts';
import type { AgentFact } from '../posture/fact/agent.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Logger } from '../service/log.ts';
import { createLinuxHost } from './host/linux.ts';
import { socketPath, socketUnder } from './inspector/runtime-reply.ts';
import { createParseCache } from './inspector/parse-cache.ts';
import { createFailedLooks } from './inspector/unobserved/failed-looks.ts';
import { createInventory } from './inventory/inventory.ts';
import { keptNodeId } from './inventory/node-id.ts';
import type { NodeAccess } from './node-access.ts';
import type { Prober } from './probe/prober.ts';
import { createProber } from './probe/tls-prober.ts';
import type { CriRuntimeOptions } from './runtime/cri/cri-runtime.ts';
import { refusesCri } from './runtime/cri/refuses-cri.ts';
import { criEndpoints } from './runtime/cri/served-endpoints.ts';
import { createDockerRuntime } from './runtime/docker/docker-runtime.ts';
import { findEngines } from './runtime/engines.ts';
import { holdAnswers } from './runtime/hold-answers.ts';
import { openRuntime } from './runtime/open-runtime.ts';
import type { RuntimeAdapter } from './runtime/open-runtime.ts';
import { createUserRuntime } from './runtime/user-runtime.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';
import { engineTlsPaths, loadEngineTls } from './runtime/docker/load-engine-tls.ts';
import type { EngineTlsPaths } from './runtime/docker/load-engine-tls.ts';

/** Of a call to a rootless engine: its user may be slow, or say much, on purpose. */
const USER_LIMITS = Object.freeze({ timeoutMs: 2000, maxBytes: 2 * 1024 * 1024 });

/** A daemon with hundreds of containers takes so long to be back after an upgrade. */
const ENGINE_GRACE_MS = 90_000;

/** How this node is seen. */
export interface LiveNodeOptions {
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** Endpoints of engines, separated by commas, the first one first; empty: those of the dockerd that run. */
  readonly dockerHost: string;
  /** Sockets of further runtimes whose API is not known, separated by commas. Default: empty. */
  readonly runtimeEndpoint?: string;
  /** Whether engines of users that nobody named are asked. Default: `no`. */
  readonly rootlessEngines?: 'ask' | 'no';
  /** Certificates for engines on TCP; without them those are spoken to in plain HTTP. */
  readonly dockerTls?: EngineTlsPaths | undefined;
  /** Name that the operator chose; empty: the host name. */
  readonly nodeName: string;
  readonly dataDir: string;
  readonly agentVersion: string;
  readonly now: () => number;
  /** true: the node is read once, and nothing is kept that only a second look would use. Default: false. */
  readonly isSingleLook?: boolean;
  /** For so long what an engine said last is held while it is away and its containers run. Default: 90,000. */
  readonly engineGraceMs?: number;
  /** What the running agent uses; left out where the node is read once. */
  readonly agent?: () => AgentFact;
  /** Default: one that connects from this process. */
  readonly prober?: Prober;
  /** Returns the id of a node without a machine id. Default: one that is kept in the data directory. */
  readonly makeNodeId?: () => Promise<string>;
  /** Ends all watching of files. */
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

/** The part of the options that settings give. Throws where the settings of certificates are incomplete. */
export function liveNodeSettings(settings: Settings, agentVersion: string): Omit<LiveNodeOptions, 'now'> {
  const { hostRoot, dockerHost, runtimeEndpoint, rootlessEngines, nodeName, dataDir } = settings;
  const dockerTls = engineTlsPaths(settings);
  return { hostRoot, dockerHost, runtimeEndpoint, rootlessEngines, dockerTls, nodeName, dataDir, agentVersion };
}

/** The node that this process runs on. Rejects where the host root does not exist. */
export async function openLiveNode(options: LiveNodeOptions): Promise<NodeAccess> {
  const { hostRoot, dockerHost, runtimeEndpoint = '', rootlessEngines = 'no', dockerTls, nodeName } = options;
  const { dataDir, agentVersion, isSingleLook = false, signal, log, agent } = options;
  const { engineGraceMs: graceMs = ENGINE_GRACE_MS } = options;
  const host = createLinuxHost({ root: hostRoot, signal, log });
  const cache = createParseCache({ isSingleLook });
  const failedLooks = createFailedLooks();
  const monotonic = (): number => performance.now();
  const { lastRunning } = failedLooks;
  const held =
    (open: RuntimeAdapter): RuntimeAdapter =>
    (endpoint) =>
      holdAnswers(open(endpoint), { host, lastRunning, graceMs, monotonic });
  const tls = dockerTls === undefined ? undefined : () => loadEngineTls(dockerTls);
  const openDocker = (endpoint: string): ContainerRuntime =>
    createDockerRuntime({ endpoint, tls, socketPath: socketUnder(hostRoot, endpoint, host) });
  const cri = createCriLoader();
  if (runtimeEndpoint !== '') await cri.load();
  const openCri = (endpoint: string): ContainerRuntime =>
    cri.open({ endpoint, socketPath: socketUnder(hostRoot, endpoint, host) });
  const openOfUser = (endpoint: string): ContainerRuntime => {
    const docker = { endpoint, socketPath: socketUnder(hostRoot, endpoint, host), ...USER_LIMITS };
    const runtime = openRuntime(endpoint, [() => createDockerRuntime(docker)]);
    return createUserRuntime(runtime, { host, monotonic });
  };
  const ofUserOr = (open: RuntimeAdapter): RuntimeAdapter => {
    // To a program of the same user, its own engine is the engine.
    const trusted = new Set([0, process.getuid?.()]);
    return (endpoint) => (trusted.has(userOfEngine(endpoint)) ? open(endpoint) : openOfUser(endpoint));
  };
  const [runtime, engines] = await findEngines({
    docker: { named: listOf(dockerHost), open: ofUserOr(held(openDocker)) },
    further: {
      named: listOf(runtimeEndpoint),
      open: ofUserOr(held((endpoint) => openRuntime(endpoint, [openDocker, openCri]))),
    },
    cri: {
      find: criEndpoints,
      isRefused: async (endpoint) => {
        const path = await (socketUnder(hostRoot, endpoint, host)?.() ?? socketPath(endpoint));
        return path !== undefined && refusesCri(path);
      },
      load: cri.load,
      open: held(openCri),
    },
    openOfUser: rootlessEngines === 'ask' ? openOfUser : undefined,
    access: { host, cache },
  });
  const { prober = createProber(), makeNodeId = () => keptNodeId(dataDir) } = options;
  const inventory = createInventory({ host, agentVersion, makeNodeId });
  return {
    host,
    runtime,
    engines,
    prober,
    inventory: async () => {
      const node = await inventory();
      return nodeName === '' ? node : { ...node, name: nodeName };
    },
    agent: agent ?? (() => absent('plimsoll agent')),
    cache,
    failedLooks,
    now: options.now,
  };
}

/** Loads the adapter for the CRI with the first runtime that may serve it: gRPC takes 15 MiB. */
function createCriLoader() {
  let create: ((options: CriRuntimeOptions) => ContainerRuntime) | undefined;
  const load = async (): Promise<void> => {
    create ??= (await import('./runtime/cri/cri-runtime.ts')).createCriRuntime;
  };
  return {
    load,
    open: (options: CriRuntimeOptions): ContainerRuntime => {
      if (create === undefined) throw new Error('the adapter for the CRI is not loaded');
      return create(options);
    },
  };
}

function listOf(endpoints: string): readonly string[] {
  return endpoints.split(',').filter((endpoint) => endpoint !== '');
}
