import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { NamespaceName } from '../../../posture/fact/container.ts';
import type { Host } from '../../host/host.ts';
import { readText, unseen } from '../read-text.ts';
import { parseProcStatus } from './proc-status.ts';

/** Namespace types, sorted. */
export const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const satisfies NamespaceName[];

/** Inode of the first pid namespace: PROC_PID_INIT_INO in the kernel's `proc_ns.h`. */
const FIRST_PID_NAMESPACE = 0xeffffffc;

/** The namespaces of the node. */
export interface NodeNamespaces {
  /** Inode of each, as pid 1 has it. */
  readonly inodes: Readonly<Record<NamespaceName, Observed<number>>>;
  /** Does this /proc show the first pid namespace, with every process of the machine? */
  readonly seesAll: boolean;
}

/**
 * Reads the namespaces that pid 1 of the node is in. Where its links may not be read, those of kthreadd (pid 2) stand
 * in: kernel threads live in the initial namespaces, and so does a pid 1 that the kernel started.
 */
export async function readNodeNamespaces(host: Host): Promise<NodeNamespaces> {
  const kernelThreads = await showsKernelThreads(host);
  const read = async (name: NamespaceName): Promise<Observed<number>> => {
    const first = await readNamespace(host, 1, name);
    if (first.state === 'seen' || !kernelThreads) return first;
    const second = await readNamespace(host, 2, name);
    return second.state === 'seen' ? second : first;
  };
  const [cgroup, ipc, mnt, net, pid, user, uts] = await Promise.all([
    read('cgroup'),
    read('ipc'),
    read('mnt'),
    read('net'),
    read('pid'),
    read('user'),
    read('uts'),
  ]);
  const seesAll = kernelThreads || (pid.state === 'seen' && pid.value === FIRST_PID_NAMESPACE);
  return { inodes: { cgroup, ipc, mnt, net, pid, user, uts }, seesAll };
}

/** One link of `/proc/PID/ns`, namespaces(7): `net:[4026531833]`. */
export async function readNamespace(host: Host, pid: number | 'self', name: NamespaceName): Promise<Observed<number>> {
  return readNamespaceLink(host, `/proc/${String(pid)}/ns/${name}`);
}

/** Is the process on the network of the node? What cannot be compared is taken for one that is. */
export async function isOnNetworkOfNode(host: Host, pid: number): Promise<boolean> {
  const [own, node] = [await readNamespace(host, pid, 'net'), await readNamespace(host, 1, 'net')];
  if (own.state === 'absent') return false;
  return own.state !== 'seen' || node.state !== 'seen' || own.value === node.value;
}

/** The namespace behind one such link. */
export async function readNamespaceLink(host: Host, path: string): Promise<Observed<number>> {
  const link = await host.readLink(path);
  if (!link.ok) return unseen(link, path);
  const inode = parseNamespaceLink(link.value);
  return inode === undefined ? unreadable(path, 'its content is not understood') : seen(inode, path);
}

/** The number in `net:[4026531833]`. */
export function parseNamespaceLink(text: string): number | undefined {
  const match = /^[a-z_]{1,32}:\[(\d{1,15})\]$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/**
 * Is what the agent sees of `name` what the node has? undefined: yes. Otherwise the reason why not: settings of a
 * namespace (sysctls of the network) are those of the reader.
 */
export async function outsideOfNode(
  host: Host,
  node: NodeNamespaces,
  name: NamespaceName,
): Promise<string | undefined> {
  const own = await readNamespace(host, 'self', name);
  const reference = node.inodes[name];
  // Where nothing can be compared, an agent that sees the whole machine is taken for a process of it.
  if (own.state !== 'seen' || reference.state !== 'seen')
    return node.seesAll ? undefined : `it could not be told whether the agent is in the ${name} namespace of the node`;
  return own.value === reference.value ? undefined : `the agent is not in the ${name} namespace of the node`;
}

async function showsKernelThreads(host: Host): Promise<boolean> {
  const read = await readText(host, '/proc/2/status');
  const status = read.ok ? parseProcStatus(read.value) : undefined;
  return status !== undefined && status.name === 'kthreadd' && status.hasNoMemory && !status.isDead;
}
