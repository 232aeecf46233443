import type { Host, Read } from '../../host/host.ts';
import { readSocketTable } from './socket-table.ts';

/** A listening TCP socket: bound address in its usual notation, port, and the inode that names it in `/proc/PID/fd`. */
export interface TcpListener {
  readonly address: string;
  readonly port: number;
  readonly inode: number;
}

/** TCP_LISTEN in the kernel's `tcp_states.h`. */
const LISTEN = '0A';

/** The listening sockets of the network that a process is in, which may not be that of the node. */
export async function readTcpListeners(host: Host, pid: number): Promise<Read<readonly TcpListener[]>> {
  const v4 = await readSocketTable(host, pid, 'tcp');
  if (!v4.ok) return v4;
  const v6 = await readSocketTable(host, pid, 'tcp6');
  // A kernel without IPv6 has no such file.
  if (!v6.ok && v6.code !== 'absent') return v6;
  return { ok: true, value: [...parseTcpListeners(v4.value), ...(v6.ok ? parseTcpListeners(v6.value) : [])] };
}

/**
 * Listening sockets of `/proc/PID/net/tcp` and `tcp6`, proc_pid_net(5):
 *
 *     sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *      0: 0100007F:2CA4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 6270 1 …
 *
 * Addresses are 32-bit words in the byte order of the machine: all platforms of containers but s390x are little-endian.
 */
export function parseTcpListeners(text: string): readonly TcpListener[] {
  const listeners: TcpListener[] = [];
  for (const line of text.split('\n')) {
    // A node has few of them among many connections.
    if (!line.includes(` ${LISTEN} `)) continue;
    const fields = line.trim().split(/\s+/, 10);
    const [, local, , state, , , , , , inode] = fields;
    if (state !== LISTEN || local === undefined || inode === undefined) continue;
    const match = /^([\dA-F]{8}|[\dA-F]{32}):([\dA-F]{4})$/.exec(local);
    if (match?.[1] === undefined || match[2] === undefined || !/^\d{1,15}$/.test(inode)) continue;
    listeners.push({ address: addressOf(match[1]), port: Number.parseInt(match[2], 16), inode: Number(inode) });
  }
  return listeners;
}

function addressOf(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8)
    for (let byte = 6; byte >= 0; byte -= 2) bytes.push(Number.parseInt(hex.slice(word + byte, word + byte + 2), 16));
  return bytes.length === 4 ? bytes.join('.') : ipv6Of(bytes);
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`, an IPv4 address within as dotted. */
function ipv6Of(bytes: readonly number[]): string {
  if (bytes.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255)))
    return `::ffff:${bytes.slice(12).join('.')}`;
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2)
    groups.push((((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0)).toString(16));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
