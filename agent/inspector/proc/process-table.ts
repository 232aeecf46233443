import type { Host, Read, ReadFailure } from '../../host/host.ts';
import { readText } from '../read-text.ts';
import { containerIds } from './cgroup.ts';
import { parseProcStatus } from './proc-status.ts';
import type { ProcStatus } from './proc-status.ts';

/** Upper bound of entries in /proc: the largest pid_max of a 64-bit kernel would be 4 Mi; no node runs that many. */
const MAX_ENTRIES = 200_000;

/** A process of the node itself: neither in a pid namespace below nor in the cgroup of a container. */
export interface NodeProcess {
  readonly pid: number;
  readonly status: ProcStatus;
}

/** Processes that carry one of `names` as their `comm`, proc_pid_comm(5), and belong to the node itself. */
export async function findNodeProcesses(
  host: Host,
  names: ReadonlySet<string>,
): Promise<Read<ReadonlyMap<string, readonly NodeProcess[]>>> {
  const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  if (!listed.value.includes('1'))
    return { ok: false, code: 'denied', reason: 'processes of others are hidden (hidepid on /proc)' };
  const own = await idsOfPidOne(host);
  const found = new Map<string, NodeProcess[]>();
  for (const entry of listed.value) {
    const first = entry.charCodeAt(0);
    if (first < 0x30 || first > 0x39) continue;
    const comm = await readText(host, `/proc/${entry}/comm`);
    if (!comm.ok) continue;
    const name = comm.value.trimEnd();
    if (!names.has(name)) continue;
    const process = await nodeProcess(host, Number(entry), own);
    if (process !== undefined) found.set(name, [...(found.get(name) ?? []), process]);
  }
  return { ok: true, value: found };
}

/** Containers that the whole node lives in, where it is itself one: their ids stand in every cgroup path. */
async function idsOfPidOne(host: Host): Promise<ReadonlySet<string>> {
  const cgroup = await readText(host, '/proc/1/cgroup');
  return new Set(cgroup.ok ? containerIds(cgroup.value) : []);
}

async function nodeProcess(host: Host, pid: number, own: ReadonlySet<string>): Promise<NodeProcess | undefined> {
  const read = await readText(host, `/proc/${String(pid)}/status`);
  const status = read.ok ? parseProcStatus(read.value) : undefined;
  if (status === undefined || status.isDead || status.pidNamespaces > 1) return undefined;
  // With --pid=host a container shares the pid namespace of the node, but never its cgroup.
  const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
  const inContainer = cgroup.ok && containerIds(cgroup.value).some((id) => !own.has(id));
  return inContainer ? undefined : { pid, status };
}

/**
 * Does a process hold one of these sockets? Its descriptors are looked at in the order in which it opened them: what a
 * daemon listens on it opened first, and it may hold thousands.
 */
export async function holdsSocketOf(host: Host, pid: number, inodes: ReadonlySet<number>): Promise<Read<boolean>> {
  let holds = false;
  const looked = await visitSockets(host, pid, (inode) => (holds = inodes.has(inode)));
  return looked.ok ? { ok: true, value: holds } : looked;
}

/** Inodes of the sockets that a process holds: `socket:[18290]` behind `/proc/PID/fd/N`, proc_pid_fd(5). */
export async function socketInodes(host: Host, pid: number): Promise<Read<ReadonlySet<number>>> {
  const inodes = new Set<number>();
  const looked = await visitSockets(host, pid, (inode) => {
    inodes.add(inode);
    return false;
  });
  return looked.ok ? { ok: true, value: inodes } : looked;
}

/** The sockets that a process holds, the lowest descriptor first, until `isEnough` says so. */
async function visitSockets(
  host: Host,
  pid: number,
  isEnough: (inode: number) => boolean,
): Promise<{ readonly ok: true } | ReadFailure> {
  const directory = `/proc/${String(pid)}/fd`;
  const listed = await host.list(directory, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  for (const entry of listed.value.toSorted((one, other) => Number(one) - Number(other))) {
    const link = await host.readLink(`${directory}/${entry}`);
    // A descriptor that was closed meanwhile is no loss; one that we may not see makes the answer worthless.
    if (!link.ok && link.code !== 'absent') return link;
    const match = link.ok ? /^socket:\[(\d{1,15})\]$/.exec(link.value) : null;
    if (match !== null && isEnough(Number(match[1]))) break;
  }
  return { ok: true };
}
