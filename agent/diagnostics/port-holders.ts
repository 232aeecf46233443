import type { PortHolder, PortHolders } from '../../service/port-holder.ts';
import type { Host } from '../host/host.ts';
import { parseTcpListeners } from '../inspector/proc/proc-net-tcp.ts';
import { socketInodes } from '../inspector/proc/process-table.ts';
import { readText } from '../inspector/read-text.ts';
import { clip } from '../inspector/clip.ts';

/** Each socket of the machine has some 150 bytes there. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;
const MAX_ENTRIES = 200_000;

/** Who listens on TCP `port` in the network namespace of this process. */
export async function findPortHolders(port: number, host: Host): Promise<PortHolders> {
  const tables = await Promise.all(
    ['/proc/self/net/tcp', '/proc/self/net/tcp6'].map((path) => readText(host, path, MAX_TABLE_BYTES)),
  );
  const [ipv4] = tables;
  if (ipv4?.ok === false) return { ok: false, reason: ipv4.reason };
  const listeners = tables
    .flatMap((table) => (table.ok ? parseTcpListeners(table.value) : []))
    .filter((listener) => listener.port === port);
  const owners = await findOwners(new Set(listeners.map(({ inode }) => inode)), host);
  const holders = listeners.map(({ address, inode }) => {
    const owner = owners.get(inode);
    return { address, pid: owner?.pid, name: owner?.name };
  });
  return { ok: true, holders };
}

type Owner = Required<Pick<PortHolder, 'pid' | 'name'>>;

/** The first process that holds each of `inodes`. Processes that we may not look into are passed over. */
async function findOwners(inodes: ReadonlySet<number>, host: Host): Promise<ReadonlyMap<number, Owner>> {
  const owners = new Map<number, Owner>();
  const listed = inodes.size === 0 ? undefined : await host.list('/proc', { maxEntries: MAX_ENTRIES });
  for (const entry of listed?.ok === true ? listed.value : []) {
    if (!/^\d+$/.test(entry)) continue;
    const held = await socketInodes(host, Number(entry));
    const found = held.ok ? [...inodes].filter((inode) => held.value.has(inode) && !owners.has(inode)) : [];
    if (found.length === 0) continue;
    const name = await programOf(entry, host);
    for (const inode of found) owners.set(inode, { pid: Number(entry), name });
    if (owners.size === inodes.size) break;
  }
  return owners;
}

/** Its program: the name that a process gives itself (`MainThread` of Node.js) says less. */
async function programOf(pid: string, host: Host): Promise<string | undefined> {
  const link = await host.readLink(`/proc/${pid}/exe`);
  if (link.ok) return clip(link.value.slice(link.value.lastIndexOf('/') + 1), 64);
  const comm = await readText(host, `/proc/${pid}/comm`, 64);
  return comm.ok ? comm.value.trimEnd() : undefined;
}
