import type { ContainerFact, Declared, Mount } from '../fact/container.ts';
import type { DockerFact } from '../fact/docker.ts';
import type { Evidence } from '../verdict.ts';
import { quote } from './evidence-text.ts';
import { isWithin, mountLine } from './mount.ts';

/** Something of the node that is mounted in a container. */
export interface HostMount {
  /** Paths on the node, /var/run written as /run: where the kernel says it comes from, and what was asked for. */
  readonly paths: readonly string[];
  readonly readOnly: boolean;
  /** The kernel's line first, then the declaration; what was expected is for the check to say. */
  readonly evidence: readonly Omit<Evidence, 'expected'>[];
}

/**
 * What a container sees of the node: declared binds, and everything of the node's file systems that mountinfo shows
 * beside them (a volume that is a bind in disguise, a mount that was added later). The engine's own files and plain
 * volumes are left out.
 */
export function hostMounts(container: ContainerFact, docker: DockerFact): readonly HostMount[] {
  const { mounts, declared } = container;
  const lines = mounts.state === 'seen' ? mounts.value : [];
  const top = new Map(lines.map((line) => [line.mountPoint, line]));
  const binds = declared.mounts.filter(({ type }) => type === 'bind');
  const prefixes = devicePrefixes(lines, top, binds, docker);
  const found = binds.map((bind) => declaredMount(bind, top.get(bind.destination), mounts.source, prefixes));
  const used = new Set(binds.map(({ destination }) => top.get(destination)));
  // A tmpfs that is mounted whole is the container's own.
  const ownDevices = new Set(lines.filter(({ root }) => root === '/').map(({ device }) => device));
  for (const line of lines) {
    // The root of the container comes from its image.
    if (line.mountPoint === '/' || used.has(line) || isOfTheEngine(line)) continue;
    const likely = isExplained(declared, line) ? undefined : likelyPath(line, ownDevices);
    const path = pathOnNode(line, prefixes) ?? likely;
    if (path === undefined || isAsDeclared(declared, line, path)) continue;
    const evidence = [{ source: mounts.source, seen: mountLine(line) }];
    found.push({ paths: [normalPath(path)], readOnly: line.readOnly, evidence });
  }
  return found;
}

type DeclaredMount = Declared['mounts'][number];

function declaredMount(
  declared: DeclaredMount,
  line: Mount | undefined,
  mountinfo: string,
  prefixes: ReadonlyMap<string, string>,
): HostMount {
  const { source, destination, writable } = declared;
  const asked = {
    source: 'inspect Mounts',
    seen: `bind ${quote(source)} -> ${quote(destination)} ${writable ? 'rw' : 'ro'}`,
  };
  if (line === undefined) return { paths: [normalPath(source)], readOnly: !writable, evidence: [asked] };
  const path = pathOnNode(line, prefixes);
  const paths = path === undefined ? [source] : [path, source];
  return {
    paths: [...new Set(paths.map(normalPath))],
    readOnly: line.readOnly,
    evidence: [{ source: mountinfo, seen: mountLine(line) }, asked],
  };
}

/**
 * Where each file system of the node is mounted there. mountinfo of a container gives paths within a file system only;
 * what is known by both names (the engine's resolv.conf, declared binds) tells the difference.
 */
function devicePrefixes(
  lines: readonly Mount[],
  top: ReadonlyMap<string, Mount>,
  binds: readonly DeclaredMount[],
  { api }: DockerFact,
): ReadonlyMap<string, string> {
  const prefixes = new Map<string, string>();
  const learn = (line: Mount | undefined, path: string): void => {
    if (line === undefined || prefixes.has(line.device)) return;
    if (line.root === '/') prefixes.set(line.device, path === '/' ? '' : path);
    else if (path.endsWith(line.root)) prefixes.set(line.device, path.slice(0, -line.root.length));
  };
  if (api.state === 'seen')
    for (const line of lines) {
      const file = ENGINE_FILE.exec(line.root);
      if (file !== null) learn(line, `${api.value.dataRoot}${file[0]}`);
    }
  for (const { source, destination } of binds) learn(top.get(destination), source);
  return prefixes;
}

function pathOnNode({ device, fsType, root }: Mount, prefixes: ReadonlyMap<string, string>): string | undefined {
  // The device file system is one for the whole machine; the /dev of a container is a tmpfs.
  if (fsType === 'devtmpfs') return root === '/' ? '/dev' : undefined;
  if (KERNEL_FILE_SYSTEMS.has(fsType)) return undefined;
  const prefix = prefixes.get(device);
  if (prefix === undefined) return undefined;
  return root === '/' ? prefix || '/' : prefix + root;
}

/** Each container has these by itself; those of the node are judged as the declared binds that they are. */
const KERNEL_FILE_SYSTEMS = new Set(['proc', 'sysfs', 'cgroup', 'cgroup2', 'mqueue', 'devpts', 'overlay']);

/**
 * resolv.conf, hostname and hosts, of this container or of the one whose network it joined, its secrets, and the small
 * init of `--init`.
 */
const ENGINE_FILE = /\/containers\/[0-9a-f]{64}\/(?:resolv\.conf|hostname|hosts|mounts\/[^/]+)$/;

function isOfTheEngine({ root, mountPoint, readOnly }: Mount): boolean {
  return ENGINE_FILE.test(root) || (mountPoint === '/sbin/docker-init' && readOnly);
}

/** A volume whose files lie where the engine keeps them, or a mount of the node below a directory that was bound. */
function isAsDeclared({ mounts }: Declared, { mountPoint }: Mount, path: string): boolean {
  return mounts.some(({ type, source, destination }) => {
    if (!isWithin(mountPoint, destination)) return false;
    const below = mountPoint.slice(destination === '/' ? 0 : destination.length);
    return (type === 'volume' || type === 'bind') && normalPath(source + below) === normalPath(path);
  });
}

/** Is it below something that was asked for? */
function isExplained({ mounts }: Declared, { mountPoint }: Mount): boolean {
  return mounts.some(({ destination }) => isWithin(mountPoint, destination));
}

/**
 * Where a mount that nobody asked for comes from, as far as can be said: a disk may hold anything, so it counts as all
 * of the node; a part of a tmpfs that is not the container's own is most likely one of /run.
 */
function likelyPath({ source, fsType, root, device }: Mount, ownDevices: ReadonlySet<string>): string | undefined {
  if (source.startsWith('/dev/') && !KERNEL_FILE_SYSTEMS.has(fsType)) return '/';
  return fsType === 'tmpfs' && root !== '/' && !ownDevices.has(device) ? `/run${root}` : undefined;
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
