import { join } from 'node:path';
import { absent } from '../posture/observed.ts';
import type { AgentFact } from '../posture/fact/agent.ts';
import type { Logger } from '../service/log.ts';
import { createLinuxHost } from './host/linux.ts';
import type { Host } from './host/host.ts';
import { createRecall } from './inspector/recall.ts';
import { createInventory } from './inventory/inventory.ts';
import type { NodeAccess } from './node-access.ts';
import { createProber } from './probe/tls-prober.ts';
import { createDockerRuntime } from './runtime/docker.ts';
import { chooseEndpoint } from './runtime/endpoint.ts';

/** How this node is seen. */
export interface LiveNodeOptions {
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** `unix:///…`; empty: the socket of the dockerd that runs. */
  readonly dockerHost: string;
  /** Name that the operator chose; empty: the host name. */
  readonly nodeName: string;
  readonly dataDir: string;
  readonly agentVersion: string;
  readonly now: () => number;
  /** What the agent takes that looks at the node; without it there is none, only a single look. */
  readonly agent?: () => AgentFact;
  /** Ends all watching of files. */
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

/** The node that this process runs on. Rejects where the host root does not exist. */
export async function openLiveNode(options: LiveNodeOptions): Promise<NodeAccess> {
  const { hostRoot, dockerHost, nodeName, dataDir, agentVersion, signal, log, agent } = options;
  const host = createLinuxHost({ root: hostRoot, signal, log });
  const endpoint = await chooseEndpoint({ configured: dockerHost, dockerHost: undefined, host });
  const inventory = createInventory({ host, agentVersion, nodeIdFile: join(dataDir, 'agent', 'node-id') });
  return {
    host,
    runtime: createDockerRuntime({ endpoint, socketPath: socketUnder(hostRoot, endpoint, host) }),
    prober: createProber(),
    inventory: async () => {
      const node = await inventory();
      return nodeName === '' ? node : { ...node, name: nodeName };
    },
    agent: agent ?? (() => absent('plimsoll agent')),
    recall: createRecall(),
    now: options.now,
  };
}

/** Under another root the socket is where its path, links resolved inside that root, is seen from here. */
function socketUnder(hostRoot: string, endpoint: string, host: Host): (() => Promise<string>) | undefined {
  if (hostRoot === '/') return undefined;
  const path = endpoint.slice('unix://'.length);
  return async () => {
    const found = await host.stat(path);
    return join(hostRoot, found.ok ? found.value.realPath : path);
  };
}
