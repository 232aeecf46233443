import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Mount, MountNamespace } from '../../../posture/fact/container.ts';
import { clip } from '../clip.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import type { MountEntry } from '../proc/mountinfo.ts';
import { MAX_MOUNTINFO_BYTES } from '../proc/node-mounts.ts';
import { unseen } from '../read-text.ts';
import { MAX_MOUNT_PATH_LENGTH, UNPLACED } from './mount-placement.ts';
import type { NodeView } from './node-view.ts';
import type { ThreadReading } from './threads.ts';

const MAX_MOUNTS = 20_000;
/** Mount namespaces of one container beside that of its first process. */
const MAX_NAMESPACES = 32;

/** What a container has mounted, by mount namespace. */
interface ContainerMounts {
  readonly ofFirst: Observed<readonly Mount[]>;
  readonly others: readonly MountNamespace[];
  /** Why not all namespaces are kept. */
  readonly problem: string | undefined;
}

/** The container whose mounts are read. */
interface MountQuestion {
  /** The first process. */
  readonly pid: number;
  readonly threads: readonly ThreadReading[];
}

/** Reads the mounts of each mount namespace in which a thread of the container is. */
export async function readMountNamespaces(view: NodeView, { pid, threads }: MountQuestion): Promise<ContainerMounts> {
  const first = threads[0]?.pid === pid ? threads[0] : undefined;
  const own = mountNamespaceOf(first);
  const groups = new Map<number, ThreadReading[]>();
  for (const thread of threads) {
    const inode = mountNamespaceOf(thread);
    if (inode !== undefined && inode !== own) groups.set(inode, [...(groups.get(inode) ?? []), thread]);
  }
  const parse = (text: Buffer): readonly Mount[] | undefined => toMounts(text, view.cache.intern);
  const others: MountNamespace[] = [];
  const ofNode = view.node.namespaces.inodes.mnt;
  for (const [inode, group] of [...groups].slice(0, MAX_NAMESPACES)) {
    const mounts = await readWhole(view, group, parse);
    others.push({ inode, host: ofNode.state === 'seen' && ofNode.value === inode, mounts });
  }
  const group = own === undefined ? [] : threads.filter((thread) => mountNamespaceOf(thread) === own);
  return {
    ofFirst:
      group.length > 0 ? await readWhole(view, group, parse) : await readFrom(view, `/proc/${String(pid)}`, parse),
    others,
    problem:
      groups.size > MAX_NAMESPACES
        ? `the threads of the container are in more than ${String(MAX_NAMESPACES)} mount namespaces`
        : undefined,
  };
}

function mountNamespaceOf(thread: ThreadReading | undefined): number | undefined {
  const inode = thread?.context.namespaces.mnt;
  return inode?.state === 'seen' ? inode.value : undefined;
}

type ParseMounts = (text: Buffer) => readonly Mount[] | undefined;

/**
 * From a thread whose root directory is that of the namespace: `mountinfo` leaves out what is not below the root of the
 * thread, so after a chroot it may say nearly nothing.
 */
async function readWhole(
  view: NodeView,
  threads: readonly ThreadReading[],
  parse: ParseMounts,
): Promise<Observed<readonly Mount[]>> {
  const outside = threads.find(({ context: { root } }) => root.ok && root.value === '/');
  if (outside !== undefined) return readFrom(view, outside.directory, parse);
  const [first] = threads;
  const source = `${first?.directory ?? '/proc'}/mountinfo`;
  const root = first?.context.root;
  if (root?.ok === false)
    return unreadable(source, `it is not known whether it lists every mount: root: ${root.reason}`);
  return unreadable(source, 'after a chroot it does not list every mount of the namespace');
}

async function readFrom(
  { host }: Pick<NodeView, 'host'>,
  directory: string,
  parse: ParseMounts,
): Promise<Observed<readonly Mount[]>> {
  const path = `${directory}/mountinfo`;
  const read = await host.readFile(path, { maxBytes: MAX_MOUNTINFO_BYTES });
  if (!read.ok) return unseen(read, path);
  const mounts = parse(read.value);
  if (mounts === undefined) return unreadable(path, `more than ${String(MAX_MOUNTS)} mounts`);
  // Every live process has mounts; one that is being taken down has an empty table.
  return mounts.length === 0 ? absent(path) : seen(mounts, path);
}

/** undefined: more than are kept. */
function toMounts(text: Buffer, word: (text: string) => string): readonly Mount[] | undefined {
  const entries = parseMountinfo(text.toString('utf8'));
  return entries.length > MAX_MOUNTS ? undefined : entries.map((entry) => toMount(entry, word));
}

/** As its mountinfo has it: where it is on the node is found out later. */
function toMount(entry: MountEntry, word: (text: string) => string): Mount {
  return {
    id: entry.id,
    parent: entry.parent,
    root: word(clip(entry.root, MAX_MOUNT_PATH_LENGTH)),
    mountPoint: word(clip(entry.mountPoint, MAX_MOUNT_PATH_LENGTH)),
    readOnly: entry.readOnly,
    shared: entry.peerGroup !== 0,
    peerGroup: entry.peerGroup,
    fsType: word(clip(entry.fsType, 64)),
    source: word(clip(entry.source, MAX_MOUNT_PATH_LENGTH)),
    device: word(clip(entry.device, 32)),
    // Field by field: V8 keeps spread fields apart from the object, and there are thousands of mounts.
    origin: UNPLACED.origin,
    nodePaths: UNPLACED.nodePaths,
    wholePaths: UNPLACED.wholePaths,
    sharedWithNode: UNPLACED.sharedWithNode,
  };
}
