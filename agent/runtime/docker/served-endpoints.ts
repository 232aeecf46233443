import { holdsEndpoint } from '../../inspector/docker/engine-process.ts';
import { findDaemons } from '../../inspector/proc/daemon-identity.ts';
import type { CachedHost } from '../../inspector/parse-cache.ts';
import { socketPath } from '../../inspector/runtime-reply.ts';
import { hostsOf } from './dockerd-hosts.ts';
import { DEFAULT_ENDPOINT, isDefaultEndpoint, parseEndpoint } from './engine-address.ts';
import type { Host } from '../../host/host.ts';

/**
 * One endpoint of each dockerd of the node that listens on none of the `asked` ones, the default first. A process that
 * only calls itself dockerd leads nowhere: neither to its socket nor to the file that it names. undefined: the processes
 * of the node cannot be seen.
 */
export async function servedEndpoints(
  access: CachedHost,
  asked: ReadonlySet<string> = new Set(),
): Promise<readonly string[] | undefined> {
  const daemons = await findDaemons(access, 'dockerd');
  if (!daemons.ok) return undefined;
  const askedPlaces = new Set(await Promise.all([...asked].map((endpoint) => placeOf(access.host, endpoint))));
  const served: string[] = [];
  for (const { pid } of daemons.value.genuine) {
    const endpoints = await endpointsOf(access, pid);
    const places = await Promise.all(endpoints.map((endpoint) => placeOf(access.host, endpoint)));
    const [best] = endpoints;
    if (best !== undefined && !places.some((place) => askedPlaces.has(place))) served.push(best);
  }
  // With several daemons the one at the usual place is the node's engine, whoever was started first.
  return served.sort((one, other) => Number(other === DEFAULT_ENDPOINT) - Number(one === DEFAULT_ENDPOINT));
}

/** Where a dockerd of the node can be asked: the unix sockets that it holds, or else TCP on this machine. */
async function endpointsOf(access: CachedHost, pid: number): Promise<readonly string[]> {
  const hosts = await hostsOf(access.host, pid);
  const sockets: string[] = [];
  for (const endpoint of hosts.flatMap(toSocket)) {
    const holds = await holdsEndpoint(access, pid, endpoint);
    if (holds.ok && holds.value) sockets.push(isDefaultEndpoint(endpoint) ? DEFAULT_ENDPOINT : endpoint);
  }
  return sockets.length > 0 ? sockets : hosts.flatMap(toLocalTcp);
}

/** dockerd's own reading of a host: `unix://` alone and a socket handed over by systemd mean the usual place. */
function toSocket(host: string): readonly string[] {
  if (host === 'unix://' || host.startsWith('fd://')) return [DEFAULT_ENDPOINT];
  return host.startsWith('unix:///') ? [host] : [];
}

/** A port that is bound to all addresses is reached through loopback. */
function toLocalTcp(host: string): readonly string[] {
  const address = parseEndpoint(host.replace(/^tcp:\/\/(?=:|$)/, 'tcp://127.0.0.1'));
  if (address?.kind !== 'tcp') return [];
  const name = address.host === '0.0.0.0' ? '127.0.0.1' : address.host === '::' ? '::1' : address.host;
  return [`tcp://${name.includes(':') ? `[${name}]` : name}:${String(address.port)}`];
}

/** The same for two endpoints that lead to the same socket. */
export async function placeOf(host: Host, endpoint: string): Promise<string> {
  const path = socketPath(endpoint);
  if (path === undefined) return endpoint.replace('localhost', '127.0.0.1');
  const stat = await host.stat(path);
  return stat.ok ? stat.value.realPath : path;
}
