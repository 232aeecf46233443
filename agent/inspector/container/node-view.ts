import type { Host, Read } from '../../host/host.ts';
import { cgroupMounts } from '../proc/cgroup.ts';
import type { CgroupMount } from '../proc/cgroup.ts';
import type { MountTable } from '../proc/mount-table.ts';
import { readNamespaceMembers } from '../proc/namespace-members.ts';
import type { NamespaceMembers } from '../proc/namespace-members.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readProcessCgroups } from '../proc/process-cgroups.ts';
import { readNodeNamespaces } from '../proc/node-namespaces.ts';
import type { NodeNamespaces } from '../proc/node-namespaces.ts';
import type { CachedHost } from '../parse-cache.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { findControlSockets } from './control-sockets.ts';
import type { ControlSockets } from './control-sockets.ts';
import { lowPortReader } from './host-ports.ts';
import { createLimitReader } from './limits.ts';
import type { LimitReader } from './limits.ts';

/** What is the same for all containers of a node: read once a round, then used for each. */
export interface NodeView extends CachedHost {
  readonly limits: LimitReader;
  /** The same object as in the last round where it says the same. */
  readonly node: Surroundings;
  /** The processes in mount namespaces of their own, as they were just now. */
  readonly members: NamespaceMembers;
  /** See `readProcessCgroups`. */
  readonly processesByContainer: () => ReturnType<typeof readProcessCgroups>;
  /** The mounts of pid 1, which change with each container; the same object where they did not. */
  readonly mounts: Read<MountTable>;
  /** The same object where they did not change. */
  readonly sockets: ControlSockets;
  /** The listening TCP sockets of the node below port 1024, read where a container uses the network of the node. */
  readonly lowPorts: () => Promise<Read<readonly TcpListener[]>>;
}

/** What the containers of a node are compared with, and where the kernel describes them. */
export interface Surroundings {
  readonly namespaces: NodeNamespaces;
  readonly cgroups: readonly CgroupMount[];
  /**
   * File of a process with its security label; undefined where no module labels processes. `attr/apparmor/current`
   * (Linux 5.8) is preferred: no other module shares it.
   */
  readonly labelFile: 'attr/apparmor/current' | 'attr/current' | undefined;
}

/**
 * Looks at the node before its containers are inspected. `around`: answers what other inspectors ask in the same round;
 * the containers themselves are read through `host`.
 */
export async function viewNode({ host, cache }: CachedHost, around: Host = host): Promise<NodeView> {
  const access = { host: around, cache };
  const [namespaces, mounts, label] = await Promise.all([
    readNodeNamespaces(around),
    nodeMounts(access, '1'),
    findLabelFile(around),
  ]);
  const [cgroups, sockets, members] = await Promise.all([
    readCgroupMounts(access, mounts),
    findControlSockets(access, mounts),
    readNamespaceMembers(access, namespaces.inodes.mnt),
  ]);
  const node: Surroundings = { namespaces, cgroups, labelFile: label };
  return {
    host,
    cache,
    limits: createLimitReader(host),
    node: cache.canonical('node', node),
    members,
    processesByContainer: () => readProcessCgroups(access),
    mounts,
    sockets: cache.canonical('control sockets', sockets),
    lowPorts: lowPortReader(around, cache),
  };
}

/** Every process may read its own label. Without a module that labels processes the kernel answers EINVAL. */
async function findLabelFile(host: Host): Promise<Surroundings['labelFile']> {
  const own = await host.readFile('/proc/self/attr/apparmor/current');
  if (own.ok) return 'attr/apparmor/current';
  const shared = await host.readFile('/proc/self/attr/current');
  return !shared.ok && shared.reason.includes('EINVAL') ? undefined : 'attr/current';
}

/** From pid 1, whose paths are those of the node; else as the agent itself sees them. */
async function readCgroupMounts(access: CachedHost, ofNode: Read<MountTable>): Promise<readonly CgroupMount[]> {
  const found = ofNode.ok ? cgroupMounts(ofNode.value.entries) : [];
  if (found.length > 0) return found;
  const own = await nodeMounts(access, 'self');
  return own.ok ? cgroupMounts(own.value.entries) : [];
}
