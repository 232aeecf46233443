import { joined } from '../../../posture/check/mount.ts';
import { mapObserved } from '../../../posture/observed.ts';
import type { ContainerFact, Mount } from '../../../posture/fact/container.ts';
import { overlayLayers } from '../proc/mountinfo.ts';
import { pathsIn } from '../proc/mount-table.ts';
import type { MountTable } from '../proc/mount-table.ts';
import { parseNamespaceLink } from '../proc/node-namespaces.ts';
import type { NodeNamespaces } from '../proc/node-namespaces.ts';
import { reachableSockets } from './control-sockets.ts';
import type { NodeView } from './node-view.ts';

/** Longer paths of mountinfo are cut. */
export const MAX_MOUNT_PATH_LENGTH = 4096;
const MAX_LAYERS = 32;

/** Where the files of a mount are on the node. */
type Placement = Pick<Mount, 'origin' | 'nodePaths' | 'wholePaths' | 'sharedWithNode'>;

/** A mount that was not compared with those of the node. */
export const UNPLACED: Placement = Object.freeze({
  origin: 'unresolved',
  nodePaths: Object.freeze([]),
  wholePaths: Object.freeze([]),
  sharedWithNode: false,
});

/** File systems that each mount makes anew or that hold no files: what is not in the node's table is the container's. */
const PRIVATE_TYPES = new Set(['cgroup', 'cgroup2', 'devpts', 'mqueue', 'nsfs', 'proc', 'sysfs']);

/** What of a container depends on the mounts and sockets of the node, which change on their own. */
type Placed = Pick<ContainerFact, 'mounts' | 'mountNamespaces' | 'controlSockets'>;

/** The mounts of a container with their paths on the node, and the control sockets that are reached through them. */
export async function placeContainer(
  view: NodeView,
  { namespaces, ...read }: Pick<ContainerFact, 'namespaces' | 'mounts' | 'mountNamespaces'>,
): Promise<Placed> {
  const placeAll = (all: ContainerFact['mounts']): ContainerFact['mounts'] =>
    mapObserved(all, (mounts) => mounts.map((mount) => ({ ...mount, ...place(view, mount) })));
  const mounts = placeAll(read.mounts);
  const mountNamespaces = read.mountNamespaces.map((other) => ({ ...other, mounts: placeAll(other.mounts) }));
  const controlSockets = await reachableSockets(view, { namespaces, mounts, mountNamespaces });
  return { mounts, mountNamespaces, controlSockets };
}

function place({ mounts, node }: NodeView, mount: Mount): Placement {
  const { device, fsType, root, peerGroup } = mount;
  const isPrivate = PRIVATE_TYPES.has(fsType);
  const sharedWithNode = peerGroup !== 0 && mounts.ok && mounts.value.peerGroups.has(peerGroup);
  if (fsType === 'nsfs' && isOfNode(node.namespaces, root))
    return {
      ...UNPLACED,
      origin: 'node',
      nodePaths: [`/proc/1/ns/${root.slice(0, root.indexOf(':'))}`],
      sharedWithNode,
    };
  if (!mounts.ok || root.length > MAX_MOUNT_PATH_LENGTH)
    return { ...UNPLACED, origin: isPrivate ? 'container' : 'unresolved', sharedWithNode };
  const { paths: found, whole, isComplete } = pathsIn(mounts.value, { device, root });
  const paths =
    fsType === 'overlay' && mount.mountPoint !== '/' ? [...found, ...layerPaths(mounts.value, mount)] : found;
  // Of a single path there is nothing to choose.
  const wholePaths = paths.length > 1 ? whole : UNPLACED.wholePaths;
  if (paths.length > 0)
    return { origin: isComplete ? 'node' : 'unresolved', nodePaths: paths, wholePaths, sharedWithNode };
  const isUnresolved = !isPrivate && (mounts.value.byDevice.has(device) || isDisk(mount));
  return { ...UNPLACED, origin: isUnresolved ? 'unresolved' : 'container', sharedWithNode };
}

/** What an overlay of the node is made of, which its files are read from and written to. */
function layerPaths({ byDevice }: MountTable, { device, root }: Mount): readonly string[] {
  const layers = (byDevice.get(device) ?? []).flatMap(({ superOptions }) => overlayLayers(superOptions));
  return [...new Set(layers)].slice(0, MAX_LAYERS).map((layer) => joined(layer, root === '/' ? '' : root));
}

/** A namespace file of the node that was mounted: nsfs has `net:[4026531840]` as root. */
function isOfNode({ inodes }: NodeNamespaces, root: string): boolean {
  const inode = parseNamespaceLink(root);
  return inode !== undefined && Object.values(inodes).some((own) => own.state === 'seen' && own.value === inode);
}

/** File systems on a block device have its number; those of several devices (btrfs) have a number of their own. */
function isDisk({ device, source }: Mount): boolean {
  return !device.startsWith('0:') || source.startsWith('/dev/');
}
