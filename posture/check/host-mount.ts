import { sourceOf } from '../fact/container.ts';
import type { ContainerFact, Declared, Mount } from '../fact/container.ts';
import type { EngineSettings } from '../fact/docker.ts';
import type { Evidence } from '../verdict.ts';
import { quote } from './evidence-text.ts';
import { isWithin, joined, mountAt, mountLine } from './mount.ts';
import { ENGINE_ROOTS } from './sensitive-path.ts';

/** Something of the host that is mounted in a container. */
export interface HostMount {
  /** Paths on the node where the kernel has these files, and what was asked for, /var/run written as /run. */
  readonly paths: readonly string[];
  /** false: it may be at other paths of the node than `paths`. */
  readonly isResolved: boolean;
  readonly readOnly: boolean;
  /** The kernel's line first, then the declaration; what was expected is for the check to say. */
  readonly evidence: readonly Omit<Evidence, 'expected'>[];
}

/**
 * What a container sees of the node: every mount whose files the node has too, whatever brought it there (a bind, a
 * volume that is a bind in disguise, a mount that came later), kernel interfaces at other places than the usual ones,
 * and declared binds that no line of mountinfo shows. The engine's own files and plain volumes are left out.
 */
export function hostMounts(container: ContainerFact, docker: Pick<EngineSettings, 'api'>): readonly HostMount[] {
  const { mounts, mountNamespaces } = container;
  const storage = engineStorage(container, docker);
  const lines = mounts.state === 'seen' ? mounts.value : [];
  const found: HostMount[] = [];
  for (const table of [mounts, ...mountNamespaces.map((other) => other.mounts)])
    for (const line of table.state === 'seen' ? table.value : []) {
      const paths = foreignPaths(line, container, storage);
      const isResolved = line.origin !== 'unresolved' || line.mountPoint === '/';
      if (paths.length === 0 && isResolved) continue;
      const evidence = lineEvidence(line, paths, table.source, container);
      found.push({ paths, isResolved, readOnly: line.readOnly, evidence });
    }
  const shown = new Set(lines.map(({ mountPoint }) => mountPoint));
  return [...found, ...declaredHostMounts(container, shown)];
}

/** The binds that a container was created with, but those at the mount points `shown`. */
export function declaredHostMounts(container: ContainerFact, shown: ReadonlySet<string>): readonly HostMount[] {
  return container.declared.mounts
    .filter(({ type, destination }) => type === 'bind' && !shown.has(normalPath(destination)))
    .map(({ source, destination, writable }) => ({
      paths: [normalPath(source)],
      isResolved: true,
      readOnly: !writable,
      evidence: [declaredEvidence(container, { source, destination, writable })],
    }));
}

/** The paths of a mount that are neither the container's own nor made by the engine for it. */
function foreignPaths(line: Mount, container: ContainerFact, storage: string | undefined): readonly string[] {
  const interfacePath = KERNEL_INTERFACES.get(line.fsType);
  // The files are the same wherever such a file system is mounted.
  if (interfacePath !== undefined)
    return isUsualKernelMount(line, container) ? [] : [joined(interfacePath, line.root === '/' ? '' : line.root)];
  // The root of the container comes from its image.
  if (line.mountPoint === '/' && (line.fsType === 'overlay' || line.origin !== 'node')) return [];
  if (line.origin === 'unresolved' && isUndeclaredDisk(line, container)) return ['/'];
  const isOwn = (path: string): boolean => isOfEngine(path, line, container, storage);
  const { whole, parts } = placesOf(line, storage);
  // Files that the engine made for the container are its own at whatever other place the node shows them.
  return [...(whole.some(isOwn) ? [] : whole), ...parts.filter((path) => !isOwn(path))];
}

/**
 * Where the files of a mount are on the node: `whole` all of them, `parts` some. A place that is only a mount which an
 * engine or the kubelet made for a container (a volume with the disk of the node in it) says nothing about the files of
 * other containers that are elsewhere too.
 */
function placesOf(
  { nodePaths, wholePaths }: Mount,
  storage: string | undefined,
): { readonly whole: readonly string[]; readonly parts: readonly string[] } {
  const all = new Set(wholePaths.map(({ path }) => path));
  const parts = nodePaths.filter((path) => !all.has(path));
  const elsewhere = wholePaths.filter(({ mountPoint }) => !isMadeForContainers(mountPoint, storage));
  if (elsewhere.length === 0) return { whole: [...all], parts };
  // The path of a part is the mount point itself.
  return {
    whole: elsewhere.map(({ path }) => path),
    parts: parts.filter((path) => !isMadeForContainers(path, storage)),
  };
}

/** Below these, mounts are made for containers, users and media. */
const MOUNT_PLACES = [...ENGINE_ROOTS, '/run', '/var/lib/kubelet/pods'];
/** Files mounted there configure the node. */
const SETTINGS_BELOW_RUN = ['/run/systemd', '/run/udev'];

function isMadeForContainers(mountPoint: string, storage: string | undefined): boolean {
  if (SETTINGS_BELOW_RUN.some((path) => isWithin(mountPoint, path))) return false;
  return [...MOUNT_PLACES, storage].some(
    (place) => place !== undefined && mountPoint !== place && isWithin(mountPoint, place),
  );
}

/** File systems through which the kernel is set and asked, and where the node has them. */
const KERNEL_INTERFACES: ReadonlyMap<string, string> = new Map([
  ['binfmt_misc', '/proc/sys/fs/binfmt_misc'],
  ['cgroup', '/sys/fs/cgroup'],
  ['cgroup2', '/sys/fs/cgroup'],
  ['configfs', '/sys/kernel/config'],
  ['debugfs', '/sys/kernel/debug'],
  ['efivarfs', '/sys/firmware/efi/efivars'],
  ['proc', '/proc'],
  ['pstore', '/sys/fs/pstore'],
  ['securityfs', '/sys/kernel/security'],
  ['selinuxfs', '/sys/fs/selinux'],
  ['sysfs', '/sys'],
  ['tracefs', '/sys/kernel/tracing'],
]);

/**
 * What every runtime mounts in a container: proc and sysfs at their places, and the cgroup of the container. What other
 * checks judge there (masked paths, host namespaces, privileges) is not said twice.
 */
function isUsualKernelMount(
  { fsType, root, mountPoint, readOnly, origin }: Mount,
  { id, declared, namespaces }: ContainerFact,
): boolean {
  if (fsType === 'cgroup' || fsType === 'cgroup2') {
    if (root.includes(id)) return true;
    return readOnly && isWithin(mountPoint, '/sys/fs/cgroup') && !isAskedFor(declared, mountPoint);
  }
  const [usual, namespace] =
    fsType === 'proc' ? ['/proc', namespaces.pid] : fsType === 'sysfs' ? ['/sys', namespaces.net] : [];
  if (usual === undefined || namespace === undefined) return false;
  // There is one proc for each pid namespace (before Linux 5.8) and one sysfs for each network namespace.
  const isOwn = origin !== 'node' || (namespace.state === 'seen' && namespace.value.host);
  return isOwn && mountPoint === joined(usual, root === '/' ? '' : root) && !isAskedFor(declared, mountPoint);
}

/** Is it at or below something that was asked for? */
function isAskedFor({ mounts }: Declared, mountPoint: string): boolean {
  return mounts.some(({ destination }) => isWithin(mountPoint, normalPath(destination)));
}

/** A disk that the node has not mounted may hold anything: it counts as all of the node. */
function isUndeclaredDisk({ source, mountPoint }: Mount, { declared }: ContainerFact): boolean {
  return source.startsWith('/dev/') && !isAskedFor(declared, mountPoint);
}

/** The directory below which the engine keeps containers and volumes; undefined where it is not known. */
function engineStorage({ declared }: ContainerFact, { api }: Pick<EngineSettings, 'api'>): string | undefined {
  for (const file of declared.engineFiles) {
    const storage = /^(\/.+)\/containers\/[0-9a-f]{64}\/[^/]+$/.exec(file)?.[1];
    if (storage !== undefined) return storage;
  }
  return api.state === 'seen' ? api.value.dataRoot : undefined;
}

/**
 * The files that Podman makes for a container, below its graph root and its run root: memory files, host names, secrets
 * (containers/storage: `DRIVER-containers/ID/userdata`).
 */
const PODMAN_FILES = /^\/.+\/[a-z0-9]+-containers\/([0-9a-f]{64})\/userdata(\/.*)$/;

/** What the engine made for this container: its files, its memory files, its root and its volumes. */
function isOfEngine(
  path: string,
  { mountPoint, readOnly }: Mount,
  { id, runtime, declared, mounts, namespaces }: ContainerFact,
  storage: string | undefined,
): boolean {
  if (declared.engineFiles.includes(path)) return true;
  const joinedIpc = /^container:([0-9a-f]{64})$/.exec(declared.ipcMode)?.[1];
  const podmanFile = runtime === 'podman' ? PODMAN_FILES.exec(path) : null;
  if (podmanFile !== null)
    return (
      podmanFile[1] === id || (podmanFile[1] === joinedIpc && podmanFile[2] === '/shm' && mountPoint === '/dev/shm')
    );
  if (mountPoint === '/sbin/docker-init')
    return readOnly && /^\/usr\/.*\/(?:docker-init|tini|tini-static|catatonit)$/.test(path);
  const isOnNodeIpc = declared.ipcMode === 'host' || (namespaces.ipc.state === 'seen' && namespaces.ipc.value.host);
  if (mountPoint === '/dev/shm' && isOnNodeIpc && path === '/dev/shm') return true;
  if (mountPoint === '/') return [storage, '/var/lib/containerd'].some((at) => at !== undefined && isWithin(path, at));
  // A part of its root that it mounted elsewhere, as an engine in the container does.
  const root = mounts.state === 'seen' ? mountAt(mounts.value, '/') : undefined;
  if (root?.nodePaths.some((own) => own !== '/' && isWithin(path, own)) === true) return true;
  if (storage === undefined) return false;
  if (isWithin(path, `${storage}/containers/${id}/mounts`)) return true;
  if (joinedIpc !== undefined && path === `${storage}/containers/${joinedIpc}/mounts/shm`) return true;
  return declared.mounts.some(
    ({ type, source }) => type === 'volume' && isWithin(source, storage) && isWithin(path, source),
  );
}

function lineEvidence(
  line: Mount,
  paths: readonly string[],
  source: string,
  container: ContainerFact,
): HostMount['evidence'] {
  const asked = container.declared.mounts.find(
    ({ type, destination }) => type === 'bind' && normalPath(destination) === line.mountPoint,
  );
  const onNode = paths.some((path) => path === line.root) ? [] : paths.slice(0, 2);
  return [
    { source, seen: mountLine(line) },
    ...onNode.map((path) => ({ source: '/proc/1/mountinfo', seen: `${quote(path)} on the host` })),
    ...(asked === undefined ? [] : [declaredEvidence(container, asked)]),
  ];
}

function declaredEvidence(
  container: ContainerFact,
  { source, destination, writable }: Pick<Declared['mounts'][number], 'source' | 'destination' | 'writable'>,
): HostMount['evidence'][number] {
  return {
    source: sourceOf(container, 'mounts'),
    seen: `bind ${quote(source)} -> ${quote(destination)} ${writable ? 'rw' : 'ro'}`,
  };
}

/** Without `..`, doubled and closing slashes; /var/run is a link to /run. */
function normalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  if (parts[0] === 'var' && parts[1] === 'run') parts.shift();
  return `/${parts.join('/')}`;
}
