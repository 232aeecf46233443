import { MAX_OPEN_PORTS } from '../../../posture/fact/host.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { isLoopback } from '../proc/held-tcp.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';

const SOURCE = '/proc/1/net/tcp';
/** One port can be bound to any number of addresses, also to such as the node does not have: IP_FREEBIND, ip(7). */
const MAX_ADDRESSES = 8;

/** The TCP ports of the node that are open to other hosts, whoever holds them. */
export async function readOpenPorts(host: Host): Promise<HostFact['openPorts']> {
  const listeners = await readTcpListeners(host, 1);
  if (!listeners.ok) return unreadable(SOURCE, listeners.reason);
  const open = new Map<number, Set<string>>();
  for (const { address, port } of listeners.value) {
    if (isLoopback(address)) continue;
    const addresses = open.get(port) ?? new Set();
    open.set(port, addresses.add(address));
  }
  const ports = [...open]
    .toSorted(([one], [other]) => one - other)
    .slice(0, MAX_OPEN_PORTS)
    .map(([port, addresses]) => ({ port, addresses: [...addresses].sort().slice(0, MAX_ADDRESSES) }));
  return seen({ ports, more: open.size - ports.length }, SOURCE);
}
