import type { Read } from '../../host/host.ts';
import type { CachedHost } from '../parse-cache.ts';
import { heldSockets } from './process-table.ts';
import { readTcpListeners } from './proc-net-tcp.ts';
import type { TcpListener } from './proc-net-tcp.ts';

/** The TCP sockets that a process listens on. `purpose` names what is remembered of them between rounds. */
export async function heldTcpListeners(
  access: CachedHost,
  purpose: string,
  pid: number,
): Promise<Read<readonly TcpListener[]>> {
  const table = await readTcpListeners(access.host, pid);
  if (!table.ok || table.value.length === 0) return table;
  const inodes = new Set(table.value.map(({ inode }) => inode));
  const held = await heldSockets(access, `${purpose} ${String(pid)}`, pid, inodes);
  return held.ok ? { ok: true, value: table.value.filter(({ inode }) => held.value.has(inode)) } : held;
}

/** Is a bound address reached from this machine only? */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}
