import type { Host } from '../../host/host.ts';
import { cgroupMounts } from '../proc/cgroup.ts';
import type { CgroupMount } from '../proc/cgroup.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import { readNodeNamespaces } from '../proc/node-namespaces.ts';
import type { NodeNamespaces } from '../proc/node-namespaces.ts';
import { readText } from '../read-text.ts';
import type { Recall } from '../recall.ts';
import { createLimitReader } from './limits.ts';
import type { LimitReader } from './limits.ts';

/** A table of mounts is longer than other files of /proc. */
export const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;

/** What is the same for all containers of a node: read once a round, then used for each. */
export interface NodeView {
  readonly host: Host;
  readonly recall: Recall;
  readonly namespaces: NodeNamespaces;
  readonly cgroups: readonly CgroupMount[];
  readonly readLimit: LimitReader;
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
    readMounts(host),
    findLabelFile(host),
  ]);
  return {
    host,
    recall,
    namespaces,
    cgroups: mounts,
    readLimit: createLimitReader(host),
    labelFile: label,
  };
}

/** Every process may read its own label. Without a module that labels processes the kernel answers EINVAL. */
async function findLabelFile(host: Host): Promise<NodeView['labelFile']> {
  const own = await host.readFile('/proc/self/attr/apparmor/current');
  if (own.ok) return 'attr/apparmor/current';
  const shared = await host.readFile('/proc/self/attr/current');
  return !shared.ok && shared.reason.includes('EINVAL') ? undefined : 'attr/current';
}

/** From pid 1, whose paths are those of the node; else as the agent itself sees them. */
async function readMounts(host: Host): Promise<readonly CgroupMount[]> {
  for (const pid of ['1', 'self']) {
    const read = await readText(host, `/proc/${pid}/mountinfo`, MAX_MOUNTINFO_BYTES);
    const mounts = read.ok ? cgroupMounts(parseMountinfo(read.value)) : [];
    if (mounts.length > 0) return mounts;
  }
  return [];
}
