import type { Host, Read } from '../../host/host.ts';
import { readText } from '../read-text.ts';
import { NODE_ITSELF } from '../recall.ts';
import type { Drawer, Recall } from '../recall.ts';
import { containerIds } from './cgroup.ts';
import { parseStartTicks } from './proc-stat.ts';
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
  const pids = listed.value.filter((entry) => isDigit(entry.charCodeAt(0)));
  const comms = await host.readMany(pids.map((pid) => ({ ask: 'readFile', path: `/proc/${pid}/comm` })));
  const found = new Map<string, NodeProcess[]>();
  // Without an iterator, and the end cut off by its length: this runs over every process of the node.
  for (let index = 0; index < comms.length; index += 1) {
    const comm = comms[index];
    if (comm?.ok !== true || !Buffer.isBuffer(comm.value)) continue;
    const name = comm.value.toString('latin1', 0, comm.value.length - 1);
    if (!names.has(name)) continue;
    const process = await nodeProcess(host, Number(pids[index]), own);
    if (process !== undefined) found.set(name, [...(found.get(name) ?? []), process]);
  }
  return { ok: true, value: found };
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

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

/** Inodes of the sockets that a process holds: `socket:[18290]` behind `/proc/PID/fd/N`, proc_pid_fd(5). */
export async function socketInodes(host: Host, pid: number): Promise<Read<ReadonlySet<number>>> {
  const listed = await host.list(`/proc/${String(pid)}/fd`, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  const held = await socketsBehind(host, pid, listed.value);
  return held.ok ? { ok: true, value: new Set(held.value.keys()) } : held;
}

/** What was found out about the descriptors of a process. */
interface KnownSockets {
  /** pid and start: the number may come to belong to another process. */
  readonly process: string;
  /** The descriptor of each inode that it holds. */
  readonly held: ReadonlyMap<number, string>;
  /** All that were asked for then. */
  readonly asked: ReadonlySet<number>;
}

/**
 * Those of the listening sockets `inodes` that a process holds. A daemon may have thousands of descriptors: they are all
 * looked at only for a socket that was not asked for before. One that it did not hold it does not come to hold: it makes
 * its own, or is started with it. `recall` keeps that for each `purpose`.
 */
export async function heldSockets(
  { host, recall }: { readonly host: Host; readonly recall: Recall },
  purpose: string,
  pid: number,
  inodes: ReadonlySet<number>,
): Promise<Read<ReadonlySet<number>>> {
  const drawer: Drawer<KnownSockets> = { name: `sockets: ${purpose}` };
  const process = await identityOf(host, pid);
  const known = recall.kept(NODE_ITSELF, drawer);
  if (process !== undefined && known?.process === process && isSubset(inodes, known.asked)) {
    const asked = [...known.held].filter(([inode]) => inodes.has(inode));
    const held = await socketsBehind(
      host,
      pid,
      asked.map(([, descriptor]) => descriptor),
    );
    if (held.ok && asked.every(([inode]) => held.value.has(inode))) {
      // One that is gone is asked for anew if its number comes again.
      recall.keep(NODE_ITSELF, drawer, { process, held: new Map(asked), asked: inodes });
      return { ok: true, value: new Set(asked.map(([inode]) => inode)) };
    }
  }
  const listed = await host.list(`/proc/${String(pid)}/fd`, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  const all = await socketsBehind(host, pid, listed.value);
  if (!all.ok) return all;
  const held = new Map([...all.value].filter(([inode]) => inodes.has(inode)));
  if (process !== undefined) recall.keep(NODE_ITSELF, drawer, { process, held, asked: inodes });
  return { ok: true, value: new Set(held.keys()) };
}

function isSubset(some: ReadonlySet<number>, all: ReadonlySet<number>): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}

async function identityOf(host: Host, pid: number): Promise<string | undefined> {
  const stat = await readText(host, `/proc/${String(pid)}/stat`);
  const start = stat.ok ? parseStartTicks(stat.value) : undefined;
  return start === undefined ? undefined : `${String(pid)} ${String(start)}`;
}

/** The inode of each socket behind these descriptors, and its descriptor. */
async function socketsBehind(
  host: Host,
  pid: number,
  descriptors: readonly string[],
): Promise<Read<ReadonlyMap<number, string>>> {
  const paths = descriptors.map((descriptor) => `/proc/${String(pid)}/fd/${descriptor}`);
  const links = await host.readMany(paths.map((path) => ({ ask: 'readLink', path })));
  const found = new Map<number, string>();
  for (const [index, link] of links.entries()) {
    // A descriptor that was closed meanwhile is no loss; one that we may not see makes the answer worthless.
    if (!link.ok && link.code !== 'absent') return link;
    const match = link.ok ? /^socket:\[(\d{1,15})\]$/.exec(link.value.toString()) : null;
    if (match !== null) found.set(Number(match[1]), descriptors[index] ?? '');
  }
  return { ok: true, value: found };
}
