import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

/** The interfaces of this machine, as `os.networkInterfaces()` gives them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * Addresses to connect to for a port that is bound to `address`, best first; empty for one that is not our own: only
 * this node is probed. A port bound to all addresses is reached through loopback.
 */
export function ownAddresses(address: string, interfaces: Interfaces): readonly string[] {
  const plain = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
  if (plain === '0.0.0.0') return ['127.0.0.1'];
  // `::` takes both families unless the socket was configured otherwise.
  if (plain === '::') return ['::1', '127.0.0.1'];
  if (isIPv4(plain) && plain.startsWith('127.')) return [plain];
  if (plain === '::1') return [plain];
  if (!isIPv4(plain) && !isIPv6(plain)) return [];
  for (const [name, addresses] of Object.entries(interfaces)) {
    const own = addresses?.find((candidate) => candidate.address === plain);
    // A link-local address means something on its own link only.
    if (own !== undefined) return [own.family === 'IPv6' && own.scopeid !== 0 ? `${plain}%${name}` : plain];
  }
  return [];
}
