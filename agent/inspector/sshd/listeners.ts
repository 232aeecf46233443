import type { Host, Read } from '../../host/host.ts';
import { findDaemons, isStillRunning } from '../proc/daemon-identity.ts';
import type { DaemonProcess, RefusedProcess } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, startedAtMs } from '../proc/proc-stat.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import { socketInodes } from '../proc/process-table.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import type { CachedHost } from '../parse-cache.ts';
import { readText } from '../read-text.ts';
import { isListener, parseSshdCommandLine } from './command-line.ts';
import type { SshdOptions } from './command-line.ts';

/** An sshd of the node that waits for connections. */
export interface SshdListener {
  readonly pid: number;
  /** Milliseconds since 1970; 0 where it could not be worked out. */
  readonly startedAtMs: number;
  /** Its program. */
  readonly executable: string;
  /** The file of the program was replaced or removed after it started. */
  readonly isReplaced: boolean;
  readonly options: SshdOptions;
  /** Its listening TCP sockets. */
  readonly sockets: readonly TcpListener[];
}

/** The processes that are called sshd. */
export interface SshdProcesses {
  /** By pid. Each holds a listening TCP socket that none before it holds. */
  readonly listeners: readonly SshdListener[];
  /** Those that were not established to be the node's: nothing that they name may be read. */
  readonly refused: readonly RefusedProcess[];
}

/** Finds every sshd of the node that listens, whatever port and configuration it has. In a round it is done once. */
export function findSshdListeners(access: CachedHost): Promise<Read<SshdProcesses>> {
  return access.cache.shared(access.host, 'sshd listeners', () => findListeners(access));
}

async function findListeners(access: CachedHost): Promise<Read<SshdProcesses>> {
  const { host } = access;
  const found = await findDaemons(access, 'sshd');
  if (!found.ok) return found;
  const { genuine, refused } = found.value;
  const boot = genuine.length === 0 ? undefined : await readText(host, '/proc/stat');
  const bootTime = boot?.ok === true ? parseBootTime(boot.value) : undefined;
  const listeners: SshdListener[] = [];
  const doubtful: RefusedProcess[] = [];
  const known = new Set<number>();
  // The oldest first: a child that is about to serve a connection still has the sockets of its parent.
  for (const daemon of genuine.toSorted((one, other) => one.startTicks - other.startTicks)) {
    const { pid, status, startTicks, executable, isReplaced } = daemon;
    const read = await readListener(host, daemon);
    if (!read.ok) {
      if (read.code !== 'absent') doubtful.push({ pid, status, kind: 'doubtful', reason: read.reason });
      continue;
    }
    const { strings, sockets } = read.value;
    if (sockets.every(({ inode }) => known.has(inode)) || !(await isStillRunning(host, daemon))) continue;
    for (const { inode } of sockets) known.add(inode);
    listeners.push({
      pid,
      executable,
      isReplaced,
      startedAtMs: startedAtMs(bootTime, startTicks),
      options: parseSshdCommandLine(strings),
      sockets,
    });
  }
  return { ok: true, value: { listeners, refused: [...refused, ...doubtful] } };
}

/** The arguments of an sshd and the listening TCP sockets that it holds; none for one that serves a connection. */
async function readListener(
  host: Host,
  { pid }: DaemonProcess,
): Promise<Read<{ readonly strings: readonly string[]; readonly sockets: readonly TcpListener[] }>> {
  const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
  if (!cmdline.ok) return cmdline;
  const strings = parseNullTerminated(cmdline.value);
  if (!isListener(strings)) return { ok: true, value: { strings, sockets: [] } };
  const held = await socketInodes(host, pid);
  if (!held.ok) return held;
  const table = await readTcpListeners(host, pid);
  if (!table.ok) return table;
  return { ok: true, value: { strings, sockets: table.value.filter(({ inode }) => held.value.has(inode)) } };
}
