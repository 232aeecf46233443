import * as os from 'node:os';
import { nodeId } from './node-id.ts';
import { operatingSystem } from './os-release.ts';
import { totalMemory } from './system-information.ts';
import { detectVirtualization } from './virtualization.ts';
import type { NodeFact } from '../../posture/fact/node.ts';
import type { Host } from '../host/host.ts';

/** What the inventory is made from. */
export interface InventoryOptions {
  readonly host: Host;
  readonly agentVersion: string;
  /** Returns the id of a node without a machine id. */
  readonly makeNodeId: () => Promise<string>;
}

/** Describes the machine. Reads at the first call only: nothing of it changes while the agent runs. */
export function createInventory(options: InventoryOptions): () => Promise<NodeFact> {
  let known: Promise<NodeFact> | undefined;
  return () => (known ??= readInventory(options));
}

async function readInventory({ host, agentVersion, makeNodeId }: InventoryOptions): Promise<NodeFact> {
  return {
    id: await nodeId(host, makeNodeId),
    name: await hostName(host),
    operatingSystem: await readOperatingSystem(host),
    kernelRelease: os.release(),
    architecture: os.machine(),
    cpus: os.cpus().length,
    memoryBytes: await totalMemory(),
    virtualization: await detectVirtualization(host),
    effectiveUid: process.geteuid?.() ?? -1,
    agentVersion,
  };
}

/** The agent's own host name is that of the node only in the same UTS namespace; otherwise what the node has on disk. */
async function hostName(host: Host): Promise<string> {
  const own = await host.readLink('/proc/self/ns/uts');
  const node = await host.readLink('/proc/1/ns/uts');
  if (own.ok && node.ok && own.value !== node.value) {
    const read = await host.readFile('/etc/hostname', { maxBytes: 4096 });
    const [name = ''] = read.ok ? read.value.toString('utf8').trim().split('\n') : [];
    if (name !== '') return name.slice(0, 256);
  }
  return os.hostname();
}

async function readOperatingSystem(host: Host): Promise<string> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const read = await host.readFile(path);
    if (read.ok) return operatingSystem(read.value.toString('utf8'));
  }
  return '';
}
