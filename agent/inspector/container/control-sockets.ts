import { seen, unreadable } from '../../../posture/observed.ts';
import { below, isWithin, joined, mountAt } from '../../../posture/check/mount.ts';
import type { ContainerFact, Mount, ReachableSocket } from '../../../posture/fact/container.ts';
import type { Host, Read } from '../../host/host.ts';
import { isDeleted, locate } from '../proc/mount-table.ts';
import type { FileLocation, MountTable } from '../proc/mount-table.ts';
import { readNamespace } from '../proc/node-namespaces.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { findNamedProcesses, heldSockets } from '../proc/process-table.ts';
import type { CachedHost } from '../parse-cache.ts';
import { parseUnixListeners } from '../proc/proc-net-unix.ts';
import type { UnixListener } from '../proc/proc-net-unix.ts';
import { readSocketTable } from '../proc/socket-table.ts';
import { readText } from '../read-text.ts';

/** The sockets through which the container engines of a node are controlled. */
export interface ControlSockets {
  readonly sockets: readonly ControlSocket[];
  /** Abstract sockets: whoever is in the network namespace of the node reaches them. */
  readonly abstract: readonly string[];
  /** Why there may be others; undefined: these are all. */
  readonly problem: string | undefined;
}

interface ControlSocket extends FileLocation {
  /** On the node, without symbolic links. */
  readonly path: string;
  readonly fileId: string;
  /** More than one: the socket can be reached by other names too. */
  readonly links: number;
  /** A directory in which there is a socket for each container. */
  readonly isDirectory: boolean;
}

/** Default control sockets. Those of a second engine are found by who holds them, or by their names. */
const WELL_KNOWN = [
  '/run/buildkit/buildkitd.sock',
  '/run/containerd/containerd.sock',
  '/run/containerd/containerd.sock.ttrpc',
  '/run/cri-dockerd.sock',
  '/run/crio/crio.sock',
  '/run/docker.sock',
  '/run/docker/containerd/containerd.sock',
  '/run/dockershim.sock',
  '/run/k0s/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/podman/podman.sock',
  '/var/snap/docker/common/run/docker.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
];
/** Of a rootless engine, below the runtime directory of its user. */
const OF_USERS = ['docker.sock', 'podman/podman.sock', 'containerd-rootless/api.sock'];
const NAME = /\/(?:docker|dockershim|cri-dockerd|containerd|crio|podman|buildkitd)\.sock(?:\.ttrpc)?$/;
/** Every socket that one of these listens on, whatever its name. */
const ENGINES: ReadonlySet<string> = new Set(['buildkitd', 'containerd', 'cri-dockerd', 'crio', 'dockerd', 'podman']);
/** Measurements only. */
const HARMLESS = /\/(?:docker\/)?metrics\.sock$/;
/** The shim of each container listens here: who asks it can run programs in the container without its confinement. */
const SHIM_DIRECTORY = '/run/containerd/s';
/** containerd before 1.3.9 and 1.4.3 (CVE-2020-15257). */
const ABSTRACT_SHIM = /^@\/containerd-shim\//;

/** No socket can be bound in these file systems. */
const KERNEL_TYPES = new Set(['cgroup', 'cgroup2', 'devpts', 'mqueue', 'nsfs', 'proc', 'sysfs']);

const MAX_ENGINES = 16;
const MAX_SOCKETS = 256;
/** Reachable sockets that are kept for one container. */
const MAX_REACHABLE = 64;
const MAX_USERS = 1000;
/** Directory entries that are compared for one mount in the search for further names of a socket. */
const MAX_ENTRIES = 2000;

/** Finds the live control sockets of a node whose mounts are `mounts`. */
export async function findControlSockets(access: CachedHost, mounts: Read<MountTable>): Promise<ControlSockets> {
  const { host } = access;
  const none = { sockets: [], abstract: [] };
  if (!mounts.ok) return { ...none, problem: `/proc/1/mountinfo: ${mounts.reason}` };
  const table = await readSocketTable(host, 1, 'unix');
  const listeners = table.ok ? parseUnixListeners(table.value, '') : [];
  const held = await heldByEngines(access, listeners);
  const named = listeners.map(({ path }) => path).filter((path) => NAME.test(path));
  const paths = [...WELL_KNOWN, ...(await socketsOfUsers(host)), ...named, ...held.paths, SHIM_DIRECTORY];
  const sockets = new Map<string, ControlSocket>();
  const lost: string[] = [];
  for (const path of new Set(paths)) {
    const socket = await findSocket(host, mounts.value, path);
    if (socket !== undefined) sockets.set(socket.path, socket);
    else if (held.paths.includes(path)) lost.push(path);
    if (sockets.size > MAX_SOCKETS) break;
  }
  const problem =
    (table.ok ? held.problem : `/proc/1/net/unix: ${table.reason}`) ??
    (sockets.size > MAX_SOCKETS ? `more than ${String(MAX_SOCKETS)} control sockets` : undefined) ??
    (lost[0] === undefined ? undefined : `an engine listens on ${lost[0]}, where there is no socket any more`);
  return {
    sockets: [...sockets.values()].slice(0, MAX_SOCKETS).sort((one, other) => (one.path < other.path ? -1 : 1)),
    abstract: [...new Set(listeners.map(({ path }) => path).filter((path) => ABSTRACT_SHIM.test(path)))].slice(0, 1),
    problem,
  };
}

async function heldByEngines(
  access: CachedHost,
  listeners: readonly UnixListener[],
): Promise<{ readonly paths: readonly string[]; readonly problem: string | undefined }> {
  const candidates = listeners.filter(({ path }) => path.startsWith('/') && !isWithin(path, SHIM_DIRECTORY));
  if (candidates.length === 0) return { paths: [], problem: undefined };
  const engines = await findEngines(access);
  if (!engines.ok) return { paths: [], problem: engines.reason };
  const paths: string[] = [];
  let problem: string | undefined;
  const inodes = new Set(candidates.map(({ inode }) => inode));
  for (const [index, pid] of engines.value.entries()) {
    const held = await heldSockets(access, `control sockets ${String(index)}`, pid, inodes);
    if (!held.ok && held.code !== 'absent') problem = `/proc/${String(pid)}/fd: ${held.reason}`;
    for (const { inode, path } of held.ok ? candidates : [])
      if (held.ok && held.value.has(inode) && !HARMLESS.test(path)) paths.push(path);
  }
  return { paths, problem };
}

/**
 * Processes with the name of an engine in the mount namespace of the node, where the paths of their sockets are paths
 * of the node. Anyone can give a process such a name: those of root come first.
 */
async function findEngines(access: CachedHost): Promise<Read<readonly number[]>> {
  const { host } = access;
  const named = await findNamedProcesses(access, ENGINES);
  if (!named.ok) return named;
  const ofNode = await readNamespace(host, 1, 'mnt');
  const root: number[] = [];
  const others: number[] = [];
  for (const { pid } of named.value) {
    const own = await readNamespace(host, pid, 'mnt');
    if (ofNode.state === 'seen' && own.state === 'seen' && own.value !== ofNode.value) continue;
    const status = await readText(host, `/proc/${String(pid)}/status`);
    if (status.ok) (parseProcStatus(status.value)?.effectiveUid === 0 ? root : others).push(pid);
  }
  if (root.length > MAX_ENGINES)
    return { ok: false, code: 'tooLarge', reason: `more than ${String(MAX_ENGINES)} engines of root` };
  return { ok: true, value: [...root, ...others].slice(0, MAX_ENGINES) };
}

async function socketsOfUsers(host: Host): Promise<readonly string[]> {
  const users = await host.list('/run/user', { maxEntries: MAX_USERS });
  return users.ok ? users.value.flatMap((user) => OF_USERS.map((name) => `/run/user/${user}/${name}`)) : [];
}

async function findSocket(host: Host, table: MountTable, path: string): Promise<ControlSocket | undefined> {
  const stat = await host.stat(path);
  const isDirectory = path === SHIM_DIRECTORY;
  if (!stat.ok || stat.value.kind !== (isDirectory ? 'directory' : 'socket')) return undefined;
  const { realPath, fileId, links } = stat.value;
  const location = locate(table, realPath);
  return location && { path: realPath, ...location, fileId, links: isDirectory ? 1 : links, isDirectory };
}

/** Is the answer of {@link reachableSockets} about files that may get further names at any time? */
export function mayBeRenamed({ sockets }: ControlSockets): boolean {
  return sockets.some(({ links }) => links > 1);
}

/** The control sockets that a container reaches through the mounts of its processes and its network namespace. */
export async function reachableSockets(
  { host, sockets: known }: { readonly host: Host; readonly sockets: ControlSockets },
  { mounts, mountNamespaces, namespaces }: Pick<ContainerFact, 'mounts' | 'mountNamespaces' | 'namespaces'>,
): Promise<ContainerFact['controlSockets']> {
  if (mounts.state !== 'seen') return mounts;
  const found: ReachableSocket[] = [];
  const problems: string[] = [];
  const { net } = namespaces;
  if (net.state === 'seen' && net.value.host)
    for (const path of known.abstract) found.push({ path, at: path, mount: 0, covered: false });
  for (const table of [mounts, ...mountNamespaces.map((other) => other.mounts)]) {
    if (table.state === 'unreadable') problems.push(`${table.source}: ${table.reason}`);
    if (table.state !== 'seen') continue;
    for (const mount of table.value) {
      if (mount.origin === 'container') continue;
      found.push(...throughMount(known.sockets, mount, table.value));
      const further = await underOtherNames(host, known.sockets, mount);
      found.push(...further.found);
      problems.push(...further.problems, ...(await openQuestions(host, known, mount)));
    }
  }
  found.sort((one, other) => Number(one.covered) - Number(other.covered));
  if (found[0]?.covered === false || problems[0] === undefined)
    return seen(found.slice(0, MAX_REACHABLE), mounts.source);
  return unreadable(mounts.source, problems[0]);
}

async function openQuestions(host: Host, known: ControlSockets, mount: Mount): Promise<readonly string[]> {
  const layer = await socketLayer(host, known.sockets, mount);
  // Some kernels connect through an overlay (Linux 4.7 and later), others refuse (seen: 6.18).
  if (layer !== undefined) return [`an overlay at ${mount.mountPoint} shows a control socket below ${layer}`];
  return known.problem !== undefined && (await mayHoldSockets(host, mount)) ? [known.problem] : [];
}

async function mayHoldSockets(host: Host, { fsType, nodePaths: [path] }: Mount): Promise<boolean> {
  if (KERNEL_TYPES.has(fsType)) return false;
  const stat = path === undefined ? undefined : await host.stat(path);
  return stat?.ok !== true || stat.value.kind !== 'file';
}

function throughMount(sockets: readonly ControlSocket[], mount: Mount, all: readonly Mount[]): ReachableSocket[] {
  const found: ReachableSocket[] = [];
  for (const { device, root, path, isDirectory } of sockets) {
    if (device !== mount.device) continue;
    const rest = isDirectory && isWithin(mount.root, root) ? '' : below(root, mount.root);
    if (rest === undefined) continue;
    const at = joined(mount.mountPoint, rest);
    found.push({ path, at, mount: mount.id, covered: mountAt(all, at)?.id !== mount.id });
  }
  return found;
}

/** The layer of an overlay, other than the root of the container, that holds a control socket. */
async function socketLayer(host: Host, sockets: readonly ControlSocket[], mount: Mount): Promise<string | undefined> {
  if (mount.fsType !== 'overlay' || mount.mountPoint === '/') return undefined;
  for (const layer of mount.nodePaths) {
    const stat = await host.stat(layer);
    if (stat.ok && sockets.some(({ path }) => isWithin(path, stat.value.realPath))) return layer;
  }
  return undefined;
}

/** A hard link is the same socket; so is a mounted name that was removed since. */
async function underOtherNames(
  host: Host,
  sockets: readonly ControlSocket[],
  mount: Mount,
): Promise<{ readonly found: readonly ReachableSocket[]; readonly problems: readonly string[] }> {
  const near = sockets.filter(({ device }) => device === mount.device);
  if (near.length > 0 && isDeleted(mount.root))
    return { found: [], problems: [`what is mounted at ${mount.mountPoint} was removed: it may be a control socket`] };
  const linked = new Map(near.filter(({ links }) => links > 1).map((socket) => [socket.fileId, socket]));
  const [top] = mount.nodePaths;
  if (linked.size === 0 || top === undefined) return { found: [], problems: [] };
  const found: ReachableSocket[] = [];
  const queue = [top];
  // The queue grows while it is walked.
  for (const path of queue) {
    const stat = await host.stat(path);
    // What a symbolic link leads to is found where it is.
    if (!stat.ok || stat.value.realPath !== path) continue;
    const socket = linked.get(stat.value.fileId);
    if (socket !== undefined)
      found.push({ path: socket.path, at: mount.mountPoint + path.slice(top.length), mount: mount.id, covered: false });
    if (stat.value.kind !== 'directory') continue;
    const names = await host.list(path, { maxEntries: MAX_ENTRIES });
    if (names.ok) queue.push(...names.value.map((name) => joined(path, `/${name}`)));
    if (!names.ok || queue.length > MAX_ENTRIES)
      return { found, problems: [`a control socket has several names, and ${top} could not be searched for them`] };
  }
  return { found, problems: [] };
}
