import type { Host } from '../../host/host.ts';
import { cgroupMounts } from '../proc/cgroup.ts';
import type { CgroupMount } from '../proc/cgroup.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readNodeNamespaces } from '../proc/node-namespaces.ts';
import type { NodeNamespaces } from '../proc/node-namespaces.ts';
import type { Recall } from '../recall.ts';
import { createLimitReader } from './limits.ts';
import type { LimitReader } from './limits.ts';

/** What is the same for all containers of a node: read once a round, then used for each. */
export interface NodeView {
  readonly host: Host;
  readonly recall: Recall;
  readonly limits: LimitReader;
  /** The same object as in the last round where it says the same. */
  readonly node: Surroundings;
}

/** What the containers of a node are compared with, and where the kernel tells about them. */
export interface Surroundings {
  readonly namespaces: NodeNamespaces;
  readonly cgroups: readonly CgroupMount[];
  /**
   * File of a process with its security label; undefined where no module labels processes. `attr/apparmor/current`
   * (Linux 5.8) is preferred: no other module shares it.
   */
  readonly labelFile: 'attr/apparmor/current' | 'attr/current' | undefined;
}

/** Looks at the node before its containers are inspected. */
export async function viewNode({ host, recall }: { readonly host: Host; readonly recall: Recall }): Promise<NodeView> {
  const [namespaces, mounts, label] = await Promise.all([
    readNodeNamespaces(host),
    readMounts({ host, recall }),
    findLabelFile(host),
  ]);
  const node: Surroundings = { namespaces, cgroups: mounts, labelFile: label };
  return { host, recall, limits: createLimitReader(host), node: recall.steady('node', node) };
}

/** Every process may read its own label. Without a module that labels processes the kernel answers EINVAL. */
async function findLabelFile(host: Host): Promise<Surroundings['labelFile']> {
  const own = await host.readFile('/proc/self/attr/apparmor/current');
  if (own.ok) return 'attr/apparmor/current';
  const shared = await host.readFile('/proc/self/attr/current');
  return !shared.ok && shared.reason.includes('EINVAL') ? undefined : 'attr/current';
}

/** From pid 1, whose paths are those of the node; else as the agent itself sees them. */
async function readMounts(access: { readonly host: Host; readonly recall: Recall }): Promise<readonly CgroupMount[]> {
  for (const pid of ['1', 'self'] as const) {
    const read = await nodeMounts(access, pid);
    const mounts = read.ok ? cgroupMounts(read.value) : [];
    if (mounts.length > 0) return mounts;
  }
  return [];
}
