import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMountinfo } from '../inspector/proc/mountinfo.ts';
import { parseStartTicks } from '../inspector/proc/proc-stat.ts';

/** Whose root directory is read: a process as the engine names it. */
export interface RootRequest {
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** Full id of the container. */
  readonly id: string;
  readonly pid: number;
}

/** The root directory of a container, or why it is not read. `findChange`: asked after it was read. */
export type ContainerRoot =
  | { readonly ok: true; readonly path: string; readonly findChange: () => Promise<string | undefined> }
  | { readonly ok: false; readonly problem: string };

/** What identifies a process and its root directory. */
interface Identity {
  readonly startTicks: number;
  readonly root: string;
}

/**
 * `/proc/PID/root` of the first process of a container. Refused where it may not be the root directory of the container:
 * the cgroup of the process does not name the container (the number went to another process, or it counts in a virtual
 * machine), or the process has the root directory or the mount namespace of the node, as a hypervisor has.
 */
export async function findContainerRoot(request: RootRequest): Promise<ContainerRoot> {
  const first = await identify(request);
  if (typeof first === 'string') return { ok: false, problem: first };
  return {
    ok: true,
    path: processPath(request, 'root'),
    findChange: async () => {
      const now = await identify(request);
      if (typeof now === 'string') return now;
      const isSame = now.startTicks === first.startTicks && now.root === first.root;
      return isSame ? undefined : 'its first process, or the root directory of that, changed while it was read';
    },
  };
}

/** Source of the empty tmpfs that gVisor makes the root directory of its sandbox: runsc/cmd/chroot.go. */
const GVISOR_ROOT = 'runsc-root';

/** A text: why the root directory of the process is not that of the container. */
async function identify(request: RootRequest): Promise<Identity | string> {
  const { hostRoot, id, pid } = request;
  try {
    const startTicks = parseStartTicks(await readFile(processPath(request, 'stat'), 'latin1'));
    const cgroup = await readFile(processPath(request, 'cgroup'), 'latin1');
    if (startTicks === undefined || pid <= 0) return 'its first process is not known';
    if (id === '' || !cgroup.includes(id)) return 'the cgroup of its first process does not name the container';
    const namespace = await readlink(processPath(request, 'ns/mnt'));
    if ((await nodeNamespaces(hostRoot)).includes(namespace))
      return 'its first process is in the mount namespace of the node';
    const mounts = parseMountinfo(await readFile(processPath(request, 'mountinfo'), 'utf8'));
    if (mounts.some(({ mountPoint, source }) => mountPoint === '/' && source === GVISOR_ROOT))
      return 'its first process is the sandbox of gVisor, which has no files of the container';
    const root = await fileId(processPath(request, 'root'));
    // Both are the root of the node, unless its first process is in another one.
    const node = [await fileId(hostRoot), await fileId(join(hostRoot, 'proc/1/root')).catch(() => undefined)];
    if (node.includes(root)) return 'the root directory of its first process is that of the node';
    return { startTicks, root };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ESRCH'
      ? 'its first process has ended'
      : `the root directory of its first process cannot be read: ${code}`;
  }
}

/** Mount namespaces of the node: that of pid 1, and that of the kernel threads where pid 1 may not be read. */
async function nodeNamespaces(hostRoot: string): Promise<readonly string[]> {
  const links = ['1', '2'].map((pid) => readlink(join(hostRoot, 'proc', pid, 'ns/mnt')).catch(() => undefined));
  return (await Promise.all(links)).filter((link) => link !== undefined);
}

async function fileId(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${String(dev)}:${String(ino)}`;
}

function processPath({ hostRoot, pid }: RootRequest, name: string): string {
  return join(hostRoot, 'proc', String(pid), name);
}
