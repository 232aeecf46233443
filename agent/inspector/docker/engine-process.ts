import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Host, Read } from '../../host/host.ts';
import type { CachedHost } from '../parse-cache.ts';
import { refusalText } from '../proc/daemon-identity.ts';
import type { DaemonProcess, Daemons } from '../proc/daemon-identity.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import { parseUnixListeners } from '../proc/proc-net-unix.ts';
import { heldSockets } from '../proc/process-table.ts';
import { readSocketTable } from '../proc/socket-table.ts';
import { parseEndpoint } from '../../runtime/docker/engine-address.ts';
import { statTrusted } from '../trusted-path.ts';

/**
 * The dockerd of the node that listens on `endpoint`: the one among `daemons` that holds the socket at this path, which
 * nobody but root can replace, or the socket that is bound to this port. absent: no process of the node is called
 * dockerd. unreadable: there is one or more, and it is not established that one of them listens there.
 */
export async function findEngineProcess(
  access: CachedHost,
  daemons: Daemons,
  endpoint: string,
): Promise<Observed<DaemonProcess>> {
  const source = '/proc/*/exe dockerd';
  const { genuine } = daemons;
  if (genuine.length === 0) {
    const refused = refusalText(daemons, 'dockerd', ['doubtful', 'foreign']);
    return refused === undefined ? absent(source) : unreadable(source, refused);
  }
  const holders: DaemonProcess[] = [];
  for (const daemon of genuine) {
    const holds = await holdsEndpoint(access, daemon.pid, endpoint);
    if (!holds.ok) return unreadable(`/proc/${String(daemon.pid)}`, holds.reason);
    if (holds.value) holders.push(daemon);
  }
  const [holder] = holders;
  if (holder !== undefined && holders.length === 1) return seen(holder, `/proc/${String(holder.pid)}`);
  const pids = (holder === undefined ? genuine : holders).map(({ pid }) => String(pid)).join(', ');
  return unreadable(
    source,
    holder === undefined
      ? `no dockerd of the node (pid ${pids}) listens on ${endpoint}`
      : `several dockerd (pid ${pids}) listen on ${endpoint}`,
  );
}

/** Does a process of the node hold the listening socket of an endpoint? A failure where that cannot be seen. */
export async function holdsEndpoint(access: CachedHost, pid: number, endpoint: string): Promise<Read<boolean>> {
  const address = parseEndpoint(endpoint);
  if (address?.kind === 'unix') return holdsSocket(access, pid, address.path);
  if (address === undefined) return { ok: false, code: 'failed', reason: `${endpoint} is not an endpoint` };
  const listeners = await readTcpListeners(access.host, pid);
  if (!listeners.ok) return listeners;
  const inodes = new Set(listeners.value.filter(({ port }) => port === address.port).map(({ inode }) => inode));
  if (inodes.size === 0) return { ok: true, value: false };
  const held = await heldSockets(access, `API ${String(pid)} ${endpoint}`, pid, inodes);
  return held.ok ? { ok: true, value: held.value.size > 0 } : held;
}

/**
 * Does a process in the mount namespace of the node hold the listening socket at `path`? A failure where that cannot be
 * seen, or where others than root could have put another socket there since.
 */
async function holdsSocket(access: CachedHost, pid: number, path: string): Promise<Read<boolean>> {
  const { host } = access;
  const socket = await statTrusted(host, path);
  if (!socket.ok) return socket.code === 'absent' ? { ok: true, value: false } : socket;
  // Its own view: sockets are listed by network namespace.
  const table = await readSocketTable(host, pid, 'unix');
  if (!table.ok) return table;
  const inodes = await boundInodes(host, table.value, path, socket.value.realPath);
  if (inodes.size === 0) return { ok: true, value: false };
  // Of several, all but the last were bound before the path was removed and made anew.
  if (inodes.size > 1) return { ok: false, code: 'failed', reason: `several sockets are bound to ${path}` };
  const held = await heldSockets(access, `API ${String(pid)} ${path}`, pid, inodes);
  return held.ok ? { ok: true, value: held.value.size > 0 } : held;
}

/** /var/run is a link to /run: the path that was bound and the one that is asked may be written differently. */
async function boundInodes(host: Host, table: string, path: string, realPath: string): Promise<ReadonlySet<number>> {
  const name = path.slice(path.lastIndexOf('/'));
  const inodes = new Set<number>();
  for (const listener of parseUnixListeners(table, name)) {
    const other = listener.path === path ? undefined : await host.stat(listener.path);
    if (listener.path === path || (other?.ok === true && other.value.realPath === realPath)) inodes.add(listener.inode);
  }
  return inodes;
}
