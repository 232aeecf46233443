import { join } from 'node:path';
import type { NodeFact } from '../posture/fact/node.ts';
import type { Logger } from '../service/log.ts';
import { createLinuxHost } from './host/linux.ts';
import type { Host } from './host/host.ts';
import { createInventory } from './inventory/inventory.ts';
import type { Prober } from './probe/prober.ts';
import { createProber } from './probe/tls-prober.ts';
import { createDockerRuntime } from './runtime/docker.ts';
import { chooseEndpoint } from './runtime/endpoint.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';

/** All the ways in which inspectors see one node: live, or recorded in a directory. */
export interface NodeAccess {
  readonly host: Host;
  readonly runtime: ContainerRuntime;
  readonly prober: Prober;
  /** What the machine is. */
  readonly inventory: () => Promise<NodeFact>;
  /** Milliseconds since 1970. A recorded node answers with the time of the recording. */
  readonly now: () => number;
}

/** Where and as what a live node is seen. */
export interface NodeOptions {
  /** Where `/` of the node is mounted; `/` for the machine that we run on. */
  readonly hostRoot: string;
  /** Where the node's procfs and sysfs are mounted, if not below `hostRoot`. */
  readonly procRoot?: string | undefined;
  readonly sysRoot?: string | undefined;
  /** The setting; empty or undefined: found out. */
  readonly dockerEndpoint?: string | undefined;
  /** DOCKER_HOST of the environment. */
  readonly dockerHost?: string | undefined;
  /** Holds `node-id` where the node has no machine id. */
  readonly dataDir: string;
  readonly agentVersion: string;
  readonly signal?: AbortSignal | undefined;
  readonly log?: Logger | undefined;
}

/** The node as it is now. Throws where `hostRoot` does not exist. */
export async function openNode(options: NodeOptions): Promise<NodeAccess> {
  const { hostRoot, procRoot, sysRoot, signal, log, agentVersion } = options;
  const host = createLinuxHost({ root: hostRoot, procRoot, sysRoot, signal, log });
  const endpoint = await chooseEndpoint({ configured: options.dockerEndpoint, dockerHost: options.dockerHost, host });
  return {
    host,
    runtime: createDockerRuntime({ endpoint, socketPath: () => socketBelow(host, hostRoot, endpoint) }),
    prober: createProber(),
    inventory: createInventory({ host, agentVersion, nodeIdFile: join(options.dataDir, 'node-id') }),
    now: () => Date.now(),
  };
}

/** Where the socket stands here: the endpoint is a path of the node, whose links lead inside its root. */
async function socketBelow(host: Host, hostRoot: string, endpoint: string): Promise<string> {
  const path = endpoint.replace(/^unix:\/\//, '');
  if (hostRoot === '/') return path;
  const found = await host.stat(path);
  return join(hostRoot, found.ok ? found.value.realPath : path);
}
