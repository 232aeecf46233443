import type { Host, Read, ReadRequest, ReadResult } from '../../host/host.ts';
import { isFault, readText } from '../read-text.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CacheKey, CachedHost } from '../parse-cache.ts';
import { parseStartTicks } from './proc-stat.ts';
import type { ProcStatus } from './proc-status.ts';

/** Upper bound of entries in /proc: the largest pid_max of a 64-bit kernel would be 4 Mi; no node runs that many. */
const MAX_ENTRIES = 200_000;

/** A process by its number and what the kernel says of it. */
export interface NodeProcess {
  readonly pid: number;
  readonly status: ProcStatus;
}

/** A process and the two names that it has; not yet known to be what it calls itself. */
export interface NamedProcess {
  readonly pid: number;
  /** proc_pid_comm(5). Every process chooses its own. */
  readonly comm: string;
  /** The link `/proc/PID/exe`, as the kernel shows it. */
  readonly executable: Read<string>;
  /** The last component of that link, without the mark of a replaced program; empty where it cannot be read. */
  readonly program: string;
}

/**
 * Every process of the machine that did not end while it was read, by pid. In a round the table is read once. Fails where
 * /proc hides the processes of others, or where it cannot be read at the moment.
 */
export function readProcessTable(access: CachedHost): Promise<Read<readonly NamedProcess[]>> {
  return access.cache.shared(access.host, 'processes', () => readProcesses(access));
}

/**
 * The processes whose `comm` or whose executable is called one of `names`. A program that was started by another name
 * still shows its file; one of several programs in one file has its name in `comm` only.
 */
export async function findNamedProcesses(
  access: CachedHost,
  names: ReadonlySet<string>,
): Promise<Read<readonly NamedProcess[]>> {
  const table = await readProcessTable(access);
  if (!table.ok) return table;
  return { ok: true, value: table.value.filter(({ comm, program }) => names.has(comm) || names.has(program)) };
}

/** For the first process of a container, its parent. */
export type FirstProcesses = ReadonlyMap<number, number>;

/**
 * The first processes of containers that were read in this round, each in the cgroup of its container. The inspector of
 * containers adds to it; outside of a round it is empty.
 */
export function firstProcesses({ host, cache }: CachedHost): Promise<Map<number, number>> {
  return cache.shared(host, 'first processes of containers', () => Promise.resolve(new Map()));
}

/** A process as it was read last: both names are read again each time, since a process can take another program. */
interface KnownProcess {
  readonly requests: readonly [comm: ReadRequest, executable: ReadRequest];
  readonly results: readonly [comm: ReadResult, executable: ReadResult];
  /** undefined: it had ended. */
  readonly process: NamedProcess | undefined;
}

const KNOWN: CacheKey<ReadonlyMap<string, KnownProcess>> = Object.freeze({ name: 'processes' });

async function readProcesses({ host, cache }: CachedHost): Promise<Read<readonly NamedProcess[]>> {
  const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  if (!listed.value.includes('1'))
    return { ok: false, code: 'denied', reason: 'processes of others are hidden (hidepid on /proc)' };
  const pids = listed.value.filter((entry) => isDigit(entry.charCodeAt(0)));
  const before = cache.get(NODE_SUBJECT, KNOWN);
  const requests: ReadRequest[] = [];
  const earlier: (ReadResult | undefined)[] = [];
  for (const pid of pids) {
    const known = before?.get(pid);
    const asked = known?.requests ?? requestsFor(pid);
    requests.push(asked[0], asked[1]);
    earlier.push(known?.results[0], known?.results[1]);
  }
  const results = await host.readMany(requests, earlier);
  const after = new Map<string, KnownProcess>();
  const processes: NamedProcess[] = [];
  for (let index = 0; index < pids.length; index += 1) {
    const pid = pids[index] as string;
    // No pattern of an array, which would make an iterator for each process.
    const comm = results[2 * index] as ReadResult;
    const executable = results[2 * index + 1] as ReadResult;
    // Any process may be the one that is looked for. Where that of pid 1 is denied, all of other users are (hidepid=1).
    if (isFault(comm) || (!comm.ok && comm.code === 'denied' && pid === '1'))
      return { ...comm, reason: `/proc/${pid}/comm: ${comm.reason}` };
    const known = before?.get(pid);
    const isSame = known !== undefined && known.results[0] === comm && known.results[1] === executable;
    const process = isSame ? known.process : toNamedProcess(Number(pid), comm, executable as Read<string>);
    if (isSame) after.set(pid, known);
    else {
      const asked = [requests[2 * index] as ReadRequest, requests[2 * index + 1] as ReadRequest] as const;
      after.set(pid, { requests: asked, results: [comm, executable], process });
    }
    if (process !== undefined) processes.push(process);
  }
  cache.set(NODE_SUBJECT, KNOWN, after);
  return { ok: true, value: processes };
}

function requestsFor(pid: string): KnownProcess['requests'] {
  return [
    { op: 'readFile', path: `/proc/${pid}/comm` },
    { op: 'readLink', path: `/proc/${pid}/exe` },
  ];
}

function toNamedProcess(pid: number, comm: ReadResult, executable: Read<string>): NamedProcess | undefined {
  if (!comm.ok || !Buffer.isBuffer(comm.value)) return undefined;
  return {
    pid,
    // Without the newline at its end.
    comm: comm.value.toString('latin1', 0, comm.value.length - 1),
    executable,
    program: executable.ok ? programName(executable.value) : '',
  };
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** The kernel marks a program that was replaced while it runs, proc_pid_exe(5). */
const DELETED = ' (deleted)';

/** The path of an executable without the mark of a replaced one. */
export function withoutDeleted(executable: string): string {
  return executable.endsWith(DELETED) ? executable.slice(0, -DELETED.length) : executable;
}

/** The last component of the path of an executable. */
export function programName(executable: string): string {
  const path = withoutDeleted(executable);
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Inodes of the sockets that a process holds: `socket:[18290]` behind `/proc/PID/fd/N`, proc_pid_fd(5). */
export async function socketInodes(host: Host, pid: number): Promise<Read<ReadonlySet<number>>> {
  const listed = await host.list(`/proc/${String(pid)}/fd`, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  const held = await socketsBehind(host, `/proc/${String(pid)}`, listed.value);
  return held.ok ? { ok: true, value: new Set(held.value.keys()) } : held;
}

/**
 * Those of `wanted` that a process holds, by at most `limit` of its descriptors, lowest first. A process that ended holds
 * none. `directory`: of a thread that runs.
 */
export async function heldAmong(
  host: Host,
  directory: string,
  wanted: ReadonlySet<number>,
  limit: number,
): Promise<Read<{ readonly inodes: readonly number[]; readonly looked: number }>> {
  // As one of many reads: what a process opens meanwhile does not change what is known of its container.
  const [listed] = await host.readMany([{ op: 'list', path: `${directory}/fd`, maxEntries: MAX_ENTRIES }]);
  if (listed === undefined || (!listed.ok && listed.code === 'absent'))
    return { ok: true, value: { inodes: [], looked: 0 } };
  if (!listed.ok) return listed;
  const names = (listed.value as readonly string[]).toSorted((one, other) => Number(one) - Number(other));
  const held = await socketsBehind(host, directory, names.slice(0, limit), wanted);
  if (!held.ok) return held;
  return { ok: true, value: { inodes: [...held.value.keys()].filter((one) => wanted.has(one)), looked: names.length } };
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
 * its own, or is started with it. `cache` keeps that for each `purpose`.
 */
export async function heldSockets(
  { host, cache }: CachedHost,
  purpose: string,
  pid: number,
  inodes: ReadonlySet<number>,
): Promise<Read<ReadonlySet<number>>> {
  const key: CacheKey<KnownSockets> = { name: `sockets: ${purpose}` };
  const process = await identityOf(host, pid);
  const known = cache.get(NODE_SUBJECT, key);
  if (process !== undefined && known?.process === process && isSubset(inodes, known.asked)) {
    const asked = [...known.held].filter(([inode]) => inodes.has(inode));
    const held = await socketsBehind(
      host,
      `/proc/${String(pid)}`,
      asked.map(([, descriptor]) => descriptor),
    );
    if (held.ok && asked.every(([inode]) => held.value.has(inode))) {
      // One that is gone is asked for anew if its number comes again.
      cache.set(NODE_SUBJECT, key, { process, held: new Map(asked), asked: inodes });
      return { ok: true, value: new Set(asked.map(([inode]) => inode)) };
    }
  }
  const listed = await host.list(`/proc/${String(pid)}/fd`, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  const all = await socketsBehind(host, `/proc/${String(pid)}`, listed.value, inodes);
  if (!all.ok) return all;
  const held = new Map([...all.value].filter(([inode]) => inodes.has(inode)));
  if (process !== undefined) cache.set(NODE_SUBJECT, key, { process, held, asked: inodes });
  return { ok: true, value: new Set(held.keys()) };
}

function isSubset(some: ReadonlySet<number>, all: { readonly has: (one: number) => boolean }): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}

async function identityOf(host: Host, pid: number): Promise<string | undefined> {
  const stat = await readText(host, `/proc/${String(pid)}/stat`);
  const start = stat.ok ? parseStartTicks(stat.value) : undefined;
  return start === undefined ? undefined : `${String(pid)} ${String(start)}`;
}

/** Descriptors that are read before it is looked whether all wanted sockets were found. */
const DESCRIPTORS_AT_ONCE = 64;

/**
 * The inode of each socket behind these descriptors, and its descriptor. With `wanted` it ends once all of these were
 * found: a daemon opens the sockets that it listens on first, so they have the lowest numbers.
 */
async function socketsBehind(
  host: Host,
  directory: string,
  descriptors: readonly string[],
  wanted?: ReadonlySet<number>,
): Promise<Read<ReadonlyMap<number, string>>> {
  const found = new Map<number, string>();
  const lowestFirst = descriptors.toSorted((one, other) => Number(one) - Number(other));
  for (let start = 0; start < lowestFirst.length; start += DESCRIPTORS_AT_ONCE) {
    const some = lowestFirst.slice(start, start + DESCRIPTORS_AT_ONCE);
    const links = await host.readMany(
      some.map((descriptor) => ({ op: 'readLink', path: `${directory}/fd/${descriptor}` })),
    );
    for (const [index, link] of links.entries()) {
      // A descriptor that was closed meanwhile is no loss; one that we may not see makes the answer worthless.
      if (!link.ok && link.code !== 'absent') return link;
      const match = link.ok ? /^socket:\[(\d{1,15})\]$/.exec(link.value.toString()) : null;
      if (match !== null) found.set(Number(match[1]), some[index] ?? '');
    }
    if (wanted !== undefined && isSubset(wanted, found)) break;
  }
  return { ok: true, value: found };
}
