import type { ContainerFact } from '../../../posture/fact/container.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Host, Read } from '../../host/host.ts';
import type { ParseCache } from '../parse-cache.ts';
import { heldAmong } from '../proc/process-table.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { unseen } from '../read-text.ts';
import type { ThreadReading } from './threads.ts';

/** Ports below this need a privilege by default: ip(7), net.ipv4.ip_unprivileged_port_start. */
const FIRST_UNPRIVILEGED = 1024;
const MAX_PORTS = 256;
/** Descriptors of a container that are looked at, lowest first: a server opens the sockets that it listens on first. */
const MAX_DESCRIPTORS = 16_384;

/** Reads the listening TCP sockets of the node below port 1024, once; the same list where they did not change. */
export function lowPortReader(host: Host, cache: ParseCache): () => Promise<Read<readonly TcpListener[]>> {
  let reading: Promise<Read<readonly TcpListener[]>> | undefined;
  const read = async (): Promise<Read<readonly TcpListener[]>> => {
    const listeners = await readTcpListeners(host, 1);
    if (!listeners.ok) return listeners;
    const low = listeners.value.filter(({ port }) => port < FIRST_UNPRIVILEGED);
    return { ok: true, value: cache.canonical('low ports', low) };
  };
  return () => (reading ??= read());
}

/** The ports below 1024 that processes of a container listen on in the network of the node; absent: none is in it. */
export async function readHostPorts(
  host: Host,
  lowPorts: () => Promise<Read<readonly TcpListener[]>>,
  threads: readonly ThreadReading[],
  networks: readonly ContainerFact['namespaces']['net'][],
): Promise<ContainerFact['hostPorts']> {
  const [first] = networks;
  if (!networks.some((network) => network.state === 'seen' && network.value.host))
    return networks.find((network) => network.state === 'unreadable') ?? absent(first?.source ?? 'ns/net');
  const source = '/proc/1/net/tcp';
  const low = await lowPorts();
  if (!low.ok) return unseen(low, source);
  const inodes = new Set(low.value.map(({ inode }) => inode));
  const holders = new Map<number, string>();
  let left = MAX_DESCRIPTORS;
  // The main thread may have ended and then shows no open files, so the first thread still running is read.
  const directories = new Map<number, string>();
  for (const { pid, directory } of threads) if (!directories.has(pid)) directories.set(pid, directory);
  for (const directory of inodes.size === 0 ? [] : directories.values()) {
    const held = await heldAmong(host, directory, inodes, left);
    if (!held.ok) return unreadable(`${directory}/fd`, held.reason);
    left -= held.value.looked;
    for (const inode of held.value.inodes) if (!holders.has(inode)) holders.set(inode, `${directory}/fd`);
    // What was found is a failure whatever the others hold.
    if (left <= 0 && holders.size === 0)
      return unreadable(source, `its processes have more than ${String(MAX_DESCRIPTORS)} open files`);
    if (left <= 0) break;
  }
  const ports = low.value.flatMap(({ port, address, inode }) => {
    const holder = holders.get(inode);
    return holder === undefined ? [] : [{ port, address, source: holder }];
  });
  return seen(ports.toSorted((one, other) => one.port - other.port).slice(0, MAX_PORTS), source);
}
