import type { Host, Read } from '../../host/host.ts';
import { readText } from '../read-text.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CacheKey, ParseCache } from '../parse-cache.ts';
import { parseStartTicks } from './proc-stat.ts';
import type { ProcStatus } from './proc-status.ts';

/** Upper bound of entries in /proc: the largest pid_max of a 64-bit kernel would be 4 Mi; no node runs that many. */
const MAX_ENTRIES = 200_000;

/** A process by its number and what the kernel says of it. */
export interface NodeProcess {
  readonly pid: number;
  readonly status: ProcStatus;
}

/** A process whose `comm` or whose executable has a wanted name; not yet known to be what it calls itself. */
export interface NamedProcess {
  readonly pid: number;
  readonly comm: string;
  /** The link `/proc/PID/exe`, as it stands. */
  readonly executable: Read<string>;
}

/**
 * The processes of the machine whose `comm`, proc_pid_comm(5), or whose executable is called one of `names`. Everybody
 * may choose their `comm`; a program that was started by another name still shows its file.
 */
export async function findNamedProcesses(
  host: Host,
  names: ReadonlySet<string>,
): Promise<Read<readonly NamedProcess[]>> {
  const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
  if (!listed.ok) return listed;
  if (!listed.value.includes('1'))
    return { ok: false, code: 'denied', reason: 'processes of others are hidden (hidepid on /proc)' };
  const pids = listed.value.filter((entry) => isDigit(entry.charCodeAt(0)));
  const answers = await host.readMany(
    pids.flatMap((pid) => [
      { op: 'readFile', path: `/proc/${pid}/comm` },
      { op: 'readLink', path: `/proc/${pid}/exe` },
    ]),
  );
  const found: NamedProcess[] = [];
  // Without an iterator, and the end cut off by its length: this runs over every process of the machine.
  for (let index = 0; index < pids.length; index += 1) {
    const read = answers[2 * index];
    if (read?.ok !== true || !Buffer.isBuffer(read.value)) continue;
    const comm = read.value.toString('latin1', 0, read.value.length - 1);
    const executable = answers[2 * index + 1] as Read<string>;
    if (names.has(comm) || (executable.ok && names.has(programName(executable.value))))
      found.push({ pid: Number(pids[index]), comm, executable });
  }
  return { ok: true, value: found };
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
 * its own, or is started with it. `cache` keeps that for each `purpose`.
 */
export async function heldSockets(
  { host, cache }: { readonly host: Host; readonly cache: ParseCache },
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
      pid,
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
  const all = await socketsBehind(host, pid, listed.value);
  if (!all.ok) return all;
  const held = new Map([...all.value].filter(([inode]) => inodes.has(inode)));
  if (process !== undefined) cache.set(NODE_SUBJECT, key, { process, held, asked: inodes });
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
  const links = await host.readMany(paths.map((path) => ({ op: 'readLink', path })));
  const found = new Map<number, string>();
  for (const [index, link] of links.entries()) {
    // A descriptor that was closed meanwhile is no loss; one that we may not see makes the answer worthless.
    if (!link.ok && link.code !== 'absent') return link;
    const match = link.ok ? /^socket:\[(\d{1,15})\]$/.exec(link.value.toString()) : null;
    if (match !== null) found.set(Number(match[1]), descriptors[index] ?? '');
  }
  return { ok: true, value: found };
}
