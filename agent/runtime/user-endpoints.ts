import { userOfEngine } from '../../posture/fact/docker.ts';
import type { Host } from '../host/host.ts';

/** Where the engines of users listen, below the runtime directory of each: docs.docker.com/engine/security/rootless, podman-system-service(1). */
const SOCKETS = ['docker.sock', 'podman/podman.sock'] as const;
/** More are not asked; the first by user id count. */
const MAX_USERS = 64;
const MAX_ENTRIES = 10_000;

/** The sockets of rootless engines: each belongs to the user whose runtime directory it is in. */
export async function userEndpoints(host: Host): Promise<readonly string[]> {
  const users = await host.list('/run/user', { maxEntries: MAX_ENTRIES });
  const paths = (users.ok ? users.value : [])
    .filter((name) => /^[1-9]\d{0,9}$/.test(name))
    .slice(0, MAX_USERS)
    .flatMap((name) => SOCKETS.map((socket) => `/run/user/${name}/${socket}`));
  const found: string[] = [];
  for (const path of paths) {
    const stat = await host.stat(path);
    const endpoint = `unix://${path}`;
    if (!stat.ok || stat.value.kind !== 'socket' || stat.value.realPath !== path) continue;
    if (stat.value.uid === userOfEngine(endpoint)) found.push(endpoint);
  }
  return found;
}
