import { hostsOf } from './dockerd-hosts.ts';
import type { Host } from '../host/host.ts';

/** Where dockerd listens when nothing else is said. */
const DEFAULT_ENDPOINT = 'unix:///var/run/docker.sock';
/** /var/run is /run on every current distribution. */
const DEFAULT_ALIASES: ReadonlySet<string> = new Set([DEFAULT_ENDPOINT, 'unix:///run/docker.sock']);

/** Processes that are looked at; the kernel's own limit is 4 Mi. */
const MAX_PROCESSES = 200_000;

/** What may say where the engine is. An empty string is nothing said. */
export interface EndpointChoice {
  /** The setting of this program. */
  readonly configured: string | undefined;
  /** DOCKER_HOST; used when it names a unix socket. */
  readonly dockerHost: string | undefined;
  readonly host: Host;
}

/** The engine's endpoint: the setting, then DOCKER_HOST, then the socket of a running dockerd, then the default. */
export async function chooseEndpoint({ configured, dockerHost, host }: EndpointChoice): Promise<string> {
  if (configured !== undefined && configured !== '') return withScheme(configured);
  if (dockerHost?.startsWith('unix:///') === true) return dockerHost;
  const served: string[] = [];
  for (const pid of await daemonPids(host)) {
    const sockets = (await hostsOf(host, pid)).map(toSocket).filter((socket) => socket !== undefined);
    // With several daemons the one at the usual place is the node's engine, whoever was started first.
    if (sockets.some((socket) => DEFAULT_ALIASES.has(socket))) return DEFAULT_ENDPOINT;
    served.push(...sockets);
  }
  return served[0] ?? DEFAULT_ENDPOINT;
}

function withScheme(setting: string): string {
  return setting.startsWith('/') ? `unix://${setting}` : setting;
}

/** dockerd's own reading of a host: `unix://` alone and a socket handed over by systemd mean the usual place. */
function toSocket(host: string): string | undefined {
  if (host === 'unix://' || host.startsWith('fd://')) return DEFAULT_ENDPOINT;
  return host.startsWith('unix:///') ? host : undefined;
}

/** The dockerd processes whose paths are paths of the node: those in the mount namespace that the node is read in. */
async function daemonPids(host: Host): Promise<number[]> {
  const listed = await host.list('/proc', { maxEntries: MAX_PROCESSES });
  if (!listed.ok) return [];
  const pids: number[] = [];
  for (const name of listed.value) {
    if (!/^\d+$/.test(name)) continue;
    const comm = await host.readFile(`/proc/${name}/comm`, { maxBytes: 64 });
    // Any process may call itself dockerd. One of a container would lead us to a socket of its own.
    if (comm.ok && comm.value.toString('utf8').trimEnd() === 'dockerd' && (await isOfNode(host, name))) {
      pids.push(Number(name));
    }
  }
  return pids.sort((left, right) => left - right);
}

async function isOfNode(host: Host, pid: string): Promise<boolean> {
  const own = await host.readLink(`/proc/${pid}/ns/mnt`);
  const first = await host.readLink('/proc/1/ns/mnt');
  // Where process 1 does not show its namespaces, ours are those that the files are read in.
  const node = first.ok ? first : await host.readLink('/proc/self/ns/mnt');
  return own.ok && node.ok && own.value === node.value;
}
