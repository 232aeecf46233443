import { holdsEndpoint } from '../../inspector/docker/engine-process.ts';
import { findDaemons } from '../../inspector/proc/daemon-identity.ts';
import { parseNullTerminated } from '../../inspector/proc/null-terminated.ts';
import { parseUnixListeners } from '../../inspector/proc/proc-net-unix.ts';
import type { CachedHost } from '../../inspector/parse-cache.ts';
import { readSocketTable } from '../../inspector/proc/socket-table.ts';
import { readText } from '../../inspector/read-text.ts';
import { statTrusted } from '../../inspector/trusted-path.ts';
import type { Host } from '../../host/host.ts';

/** Where the service of root listens: podman-system-service(1). */
const SOCKET = '/run/podman/podman.sock';

/**
 * Sockets of root's Podman: of each service that runs, and the usual one where systemd listens for it (the service starts
 * with the first request and ends after some seconds). undefined: the processes of the node cannot be seen.
 */
export async function podmanEndpoints(access: CachedHost): Promise<readonly string[] | undefined> {
  const { host } = access;
  const podman = await findDaemons(access, 'podman');
  if (!podman.ok) return undefined;
  const endpoints = new Set((await isUsualSocketOpen(host)) ? [`unix://${SOCKET}`] : []);
  for (const { pid } of podman.value.genuine) {
    const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
    const endpoint = cmdline.ok ? serviceEndpoint(parseNullTerminated(cmdline.value)) : undefined;
    if (endpoint === undefined || endpoints.has(endpoint)) continue;
    const holds = await holdsEndpoint(access, pid, endpoint);
    if (holds.ok && holds.value) endpoints.add(endpoint);
  }
  return [...endpoints];
}

/**
 * The socket in `podman system service [OPTIONS] [unix:///PATH]`. undefined: another command, or a service on TCP, which
 * Podman does not protect with certificates, so that anybody may answer there.
 */
export function serviceEndpoint(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg, index) => arg === 'system' && args[index + 1] === 'service');
  if (at === -1) return undefined;
  const address = args.slice(at + 2).find((arg) => /^[a-z]+:\/\//.test(arg)) ?? `unix://${SOCKET}`;
  return /^unix:\/\/\/[^\0]{1,4000}$/.test(address) ? address : undefined;
}

/** Does somebody listen on the usual socket, where only root can put one? */
async function isUsualSocketOpen(host: Host): Promise<boolean> {
  const table = await readSocketTable(host, 1, 'unix');
  if (!table.ok || !parseUnixListeners(table.value, SOCKET).some(({ path }) => path.endsWith(SOCKET))) return false;
  const stat = await statTrusted(host, SOCKET);
  return stat.ok && stat.value.kind === 'socket';
}
