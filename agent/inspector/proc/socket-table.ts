import type { Host, Read } from '../../host/host.ts';
import { readText } from '../read-text.ts';

/** The sockets of a node with very many connections: each has 100 to 200 bytes there. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * A table of the sockets in the network namespace of a process, proc_pid_net(5). Most daemons are in the namespace of the
 * first process: its table is read for all of them, once in a round. The kernel walks all its connections for each read.
 */
export async function readSocketTable(host: Host, pid: number, name: 'tcp' | 'tcp6' | 'unix'): Promise<Read<string>> {
  if (pid !== 1 && (await sharesNetwork(host, pid))) {
    const shared = await readText(host, `/proc/1/net/${name}`, MAX_BYTES);
    if (shared.ok) return shared;
  }
  return readText(host, `/proc/${String(pid)}/net/${name}`, MAX_BYTES);
}

async function sharesNetwork(host: Host, pid: number): Promise<boolean> {
  const own = await host.readLink(`/proc/${String(pid)}/ns/net`);
  const first = await host.readLink('/proc/1/ns/net');
  return own.ok && first.ok && own.value === first.value;
}
