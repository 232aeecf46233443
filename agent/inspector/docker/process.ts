import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { DockerProcess } from '../../../posture/fact/docker.ts';
import type { Host, Read } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, parseStartTicks, startedAtMs } from '../proc/proc-stat.ts';
import { parseUnixListeners } from '../proc/proc-net-unix.ts';
import { findNodeProcesses, heldSockets } from '../proc/process-table.ts';
import type { NodeProcess } from '../proc/process-table.ts';
import { readText } from '../read-text.ts';
import { redactSecrets } from '../redact.ts';
import { socketPath } from '../runtime-reply.ts';
import { parseDaemonFlags } from './daemon-flags.ts';

/** Names of processes that the docker fact is about; `comm` holds 15 characters. */
const DAEMON = 'dockerd';
const PROXY = 'docker-proxy';

/** The variables that decide about the TLS of dockerd; all others are not looked at. */
const ENVIRONMENT = ['DOCKER_CERT_PATH', 'DOCKER_CONFIG', 'DOCKER_TLS_VERIFY'] as const;

/** The sockets of a node with very many connections. */
const MAX_SOCKET_TABLE_BYTES = 16 * 1024 * 1024;

type Access = Pick<NodeAccess, 'host' | 'recall'>;

/** The processes of Docker on the node. */
export interface DockerProcesses {
  readonly daemon: Observed<DockerProcess>;
  readonly proxies: Observed<number>;
}

/** Finds the dockerd that listens on `endpoint`, and the port proxies that it started. */
export async function readDockerProcesses(access: Access, endpoint: string): Promise<DockerProcesses> {
  const { host } = access;
  const found = await findNodeProcesses(host, new Set([DAEMON, PROXY]));
  if (!found.ok) {
    const nothing = unreadable('/proc', found.reason);
    return { daemon: nothing, proxies: nothing };
  }
  const chosen = await choose(access, found.value.get(DAEMON) ?? [], endpoint);
  const daemon = chosen.state === 'seen' ? await describe(host, chosen.value) : chosen;
  const proxies = found.value.get(PROXY) ?? [];
  const own = chosen.state === 'seen' ? proxies.filter(({ status }) => status.parent === chosen.value.pid) : proxies;
  return { daemon, proxies: seen(own.length, '/proc/*/comm docker-proxy') };
}

/** The one that holds the listening socket; where descriptors cannot be read, the only one there is. */
async function choose(
  access: Access,
  candidates: readonly NodeProcess[],
  endpoint: string,
): Promise<Observed<NodeProcess>> {
  const source = '/proc/*/comm dockerd';
  if (candidates.length === 0) return absent(source);
  let isDoubtful = false;
  for (const candidate of candidates) {
    const holds = await holdsSocket(access, candidate.pid, endpoint);
    if (holds === true) return seen(candidate, `/proc/${String(candidate.pid)}`);
    if (holds === undefined) isDoubtful = true;
  }
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1 && isDoubtful) return seen(only, `/proc/${String(only.pid)}`);
  const pids = candidates.map(({ pid }) => String(pid)).join(', ');
  return unreadable(source, `which dockerd process (${pids}) listens on ${endpoint} could not be told`);
}

/** Does the process hold a socket that is bound to the endpoint? undefined where that cannot be seen. */
async function holdsSocket(access: Access, pid: number, endpoint: string): Promise<boolean | undefined> {
  const { host } = access;
  const path = socketPath(endpoint);
  if (path === undefined) return undefined;
  // Its own view: sockets are listed by network namespace, and a rootless dockerd has one of its own.
  const table = await readText(host, `/proc/${String(pid)}/net/unix`, MAX_SOCKET_TABLE_BYTES);
  if (!table.ok) return undefined;
  const inodes = await boundInodes(host, table.value, path);
  if (inodes.size === 0) return undefined;
  const held = await heldSockets(access, 'API', pid, inodes);
  return held.ok ? held.value.size > 0 : undefined;
}

/** /var/run is a link to /run: the path that was bound and the one that is asked may be written differently. */
async function boundInodes(host: Host, table: string, path: string): Promise<ReadonlySet<number>> {
  const name = path.slice(path.lastIndexOf('/'));
  const real = await host.stat(path);
  const inodes = new Set<number>();
  for (const listener of parseUnixListeners(table, name)) {
    const other = listener.path === path || !real.ok ? undefined : await host.stat(listener.path);
    if (listener.path === path || (real.ok && other?.ok === true && other.value.realPath === real.value.realPath))
      inodes.add(listener.inode);
  }
  return inodes;
}

async function describe(host: Host, { pid, status }: NodeProcess): Promise<Observed<DockerProcess>> {
  const directory = `/proc/${String(pid)}`;
  const [cmdline, stat, boot, executable, environ] = await Promise.all([
    readText(host, `${directory}/cmdline`),
    readText(host, `${directory}/stat`),
    readText(host, '/proc/stat'),
    host.readLink(`${directory}/exe`),
    readText(host, `${directory}/environ`),
  ]);
  // Without its flags nothing could be said about its settings.
  if (!cmdline.ok) return unreadable(`${directory}/cmdline`, cmdline.reason);
  return seen(
    {
      pid,
      uid: status.effectiveUid,
      startedAtMs: startedAtMs(
        boot.ok ? parseBootTime(boot.value) : undefined,
        stat.ok ? parseStartTicks(stat.value) : undefined,
      ),
      executable: executable.ok ? clip(executable.value, 4096) : '',
      flags: parseDaemonFlags(parseNullTerminated(cmdline.value).slice(1)),
      environment: selectEnvironment(environ),
    },
    directory,
  );
}

function selectEnvironment(environ: Read<string>): DockerProcess['environment'] {
  const selected: Record<string, string> = {};
  if (!environ.ok) return selected;
  for (const entry of parseNullTerminated(environ.value)) {
    const name = ENVIRONMENT.find((known) => entry.startsWith(`${known}=`));
    if (name !== undefined) selected[name] = clip(redactSecrets(entry.slice(name.length + 1)), 1024);
  }
  return selected;
}
