import { holdsSocket } from '../inspector/docker/engine-process.ts';
import { findDaemons } from '../inspector/proc/daemon-identity.ts';
import { createRecall } from '../inspector/recall.ts';
import { socketPath } from '../inspector/runtime-reply.ts';
import { hostsOf } from './dockerd-hosts.ts';
import type { Host } from '../host/host.ts';

/** Where dockerd listens when nothing else is said. */
const DEFAULT_ENDPOINT = 'unix:///var/run/docker.sock';
/** /var/run is /run on every current distribution. */
const DEFAULT_ALIASES: ReadonlySet<string> = new Set([DEFAULT_ENDPOINT, 'unix:///run/docker.sock']);

/** What may say where the engine is. An empty string is nothing said. */
export interface EndpointChoice {
  /** The setting of this program. */
  readonly configured: string | undefined;
  /** DOCKER_HOST; used when it names a unix socket. */
  readonly dockerHost: string | undefined;
  readonly host: Host;
}

/**
 * The engine's endpoint: the setting, then DOCKER_HOST, then a socket that a dockerd of the node holds, then the default.
 * A process that only calls itself dockerd leads nowhere: neither to its socket nor to the file that it names.
 */
export async function chooseEndpoint({ configured, dockerHost, host }: EndpointChoice): Promise<string> {
  if (configured !== undefined && configured !== '') return withScheme(configured);
  if (dockerHost?.startsWith('unix:///') === true) return dockerHost;
  const daemons = await findDaemons(host, 'dockerd');
  const access = { host, recall: createRecall() };
  const served: string[] = [];
  for (const { pid } of daemons.ok ? daemons.value.genuine : [])
    for (const endpoint of (await hostsOf(host, pid)).flatMap(toSocket)) {
      const holds = await holdsSocket(access, pid, socketPath(endpoint) ?? '');
      if (!holds.ok || !holds.value) continue;
      // With several daemons the one at the usual place is the node's engine, whoever was started first.
      if (DEFAULT_ALIASES.has(endpoint)) return DEFAULT_ENDPOINT;
      served.push(endpoint);
    }
  return served[0] ?? DEFAULT_ENDPOINT;
}

function withScheme(setting: string): string {
  return setting.startsWith('/') ? `unix://${setting}` : setting;
}

/** dockerd's own reading of a host: `unix://` alone and a socket handed over by systemd mean the usual place. */
function toSocket(host: string): readonly string[] {
  if (host === 'unix://' || host.startsWith('fd://')) return [DEFAULT_ENDPOINT];
  return host.startsWith('unix:///') ? [host] : [];
}
