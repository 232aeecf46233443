import { holdsEndpoint } from '../../inspector/docker/engine-process.ts';
import { findDaemons } from '../../inspector/proc/daemon-identity.ts';
import { parseNullTerminated } from '../../inspector/proc/null-terminated.ts';
import { parseUnixListeners } from '../../inspector/proc/proc-net-unix.ts';
import { heldSockets } from '../../inspector/proc/process-table.ts';
import { readSocketTable } from '../../inspector/proc/socket-table.ts';
import { readText } from '../../inspector/read-text.ts';
import { statTrusted } from '../../inspector/trusted-path.ts';
import type { CachedHost } from '../../inspector/parse-cache.ts';

/** Daemons that serve the CRI on one of their sockets. */
const DAEMONS = ['containerd', 'crio'] as const;
/** A daemon has one for its API, and some for debugging and metrics. */
const MAX_SOCKETS = 8;
/** Sockets of containerd for its shims: each container has one, and none serves the CRI. */
const OF_SHIMS = /\/containerd\/s\//;
/** Suffix of the second socket of containerd (ttrpc), in the directory of the socket that serves the CRI. */
const TTRPC = '.ttrpc';

/**
 * Endpoints at which a containerd or CRI-O of the node listens, and the one that its kubelet was started with. Whether the
 * CRI is served there, an adapter finds out: the containerd of a dockerd serves something else. A process that only calls
 * itself so leads nowhere. undefined: the processes of the node cannot be seen.
 */
export async function criEndpoints(access: CachedHost): Promise<readonly string[] | undefined> {
  const endpoints = new Set<string>();
  for (const name of DAEMONS) {
    const daemons = await findDaemons(access, name);
    if (!daemons.ok) return undefined;
    for (const { pid } of daemons.value.genuine)
      for (const endpoint of await socketsOf(access, pid)) endpoints.add(endpoint);
  }
  for (const endpoint of await endpointsOfKubelet(access)) endpoints.add(endpoint);
  return [...endpoints].sort();
}

/** The sockets that a daemon holds at paths that only root can change. */
async function socketsOf(access: CachedHost, pid: number): Promise<readonly string[]> {
  const table = await readSocketTable(access.host, pid, 'unix');
  const listeners = (table.ok ? parseUnixListeners(table.value, '') : []).filter(
    ({ path }) => path.startsWith('/') && !OF_SHIMS.test(path),
  );
  const inodes = new Set(listeners.map(({ inode }) => inode));
  const held = await heldSockets(access, `CRI ${String(pid)}`, pid, inodes);
  if (!held.ok) return [];
  const own = listeners.filter(({ inode }) => held.value.has(inode)).map(({ path }) => path);
  // The others of such a containerd are for debugging and metrics.
  const main = own.filter((path) => own.includes(path + TTRPC));
  const found: string[] = [];
  for (const path of (main.length > 0 ? main : own).slice(0, MAX_SOCKETS)) {
    const endpoint = `unix://${path}`;
    const holds = await holdsEndpoint(access, pid, endpoint);
    if (holds.ok && holds.value) found.push(endpoint);
  }
  return found;
}

/** Its flag `--container-runtime-endpoint`, of a kubelet of the node. */
async function endpointsOfKubelet(access: CachedHost): Promise<readonly string[]> {
  const kubelets = await findDaemons(access, 'kubelet');
  const found: string[] = [];
  for (const { pid } of kubelets.ok ? kubelets.value.genuine : []) {
    const cmdline = await readText(access.host, `/proc/${String(pid)}/cmdline`);
    const path = cmdline.ok ? endpointFlag(parseNullTerminated(cmdline.value)) : undefined;
    const stat = path === undefined ? undefined : await statTrusted(access.host, path);
    if (stat?.ok === true && stat.value.kind === 'socket') found.push(`unix://${stat.value.realPath}`);
  }
  return found;
}

/** The path of a unix socket in `--container-runtime-endpoint unix:///PATH`, `…=/PATH`; the last one counts. */
export function endpointFlag(args: readonly string[]): string | undefined {
  let value: string | undefined;
  for (const [index, arg] of args.entries()) {
    const match = /^--?container-runtime-endpoint(?:=(.*))?$/.exec(arg);
    if (match !== null) value = match[1] ?? args[index + 1];
  }
  const path = value?.replace(/^unix:\/\//, '');
  return path !== undefined && /^\/[^\0]{1,4000}$/.test(path) ? path : undefined;
}
