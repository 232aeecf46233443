import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { DockerProcess } from '../../../posture/fact/docker.ts';
import { redactText } from '../../../posture/redaction/redact.ts';
import type { Host, Read } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { findDaemons, isStillRunning } from '../proc/daemon-identity.ts';
import type { DaemonProcess } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, startedAtMs } from '../proc/proc-stat.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { findNamedProcesses } from '../proc/process-table.ts';
import { isFault, readText } from '../read-text.ts';
import { parseDaemonFlags } from './daemon-flags.ts';
import { findEngineProcess } from './engine-process.ts';
import type { CachedHost } from '../parse-cache.ts';

/** The port proxy that dockerd starts for each published port. */
const PROXY = 'docker-proxy';

/** The variables that decide about the TLS of dockerd; all others are not looked at. */
const ENVIRONMENT = ['DOCKER_CERT_PATH', 'DOCKER_CONFIG', 'DOCKER_TLS_VERIFY'] as const;

/** The processes of Docker on the node. */
export interface DockerProcesses {
  readonly daemon: Observed<DockerProcess>;
  readonly proxies: Observed<number>;
}

/** Finds the dockerd of the node that listens on `endpoint`, and the port proxies that it started. */
export async function readDockerProcesses(access: CachedHost, endpoint: string): Promise<DockerProcesses> {
  const { host } = access;
  const found = await findDaemons(access, 'dockerd');
  if (!found.ok) {
    const nothing = unreadable('/proc', found.reason);
    return { daemon: nothing, proxies: nothing };
  }
  const chosen = await findEngineProcess(access, found.value, endpoint);
  if (chosen.state !== 'seen') return { daemon: chosen, proxies: chosen };
  const [daemon, proxies] = await Promise.all([
    describe(host, chosen.value),
    countChildren(access, PROXY, chosen.value.pid),
  ]);
  return { daemon, proxies };
}

/** A process of dockerd is what dockerd started: the name alone is anybody's. */
async function countChildren(access: CachedHost, name: string, parent: number): Promise<Observed<number>> {
  const found = await findNamedProcesses(access, new Set([name]));
  if (!found.ok) return unreadable('/proc', found.reason);
  let count = 0;
  for (const { pid } of found.value) {
    const read = await readText(access.host, `/proc/${String(pid)}/status`);
    if (isFault(read)) return unreadable(`/proc/${String(pid)}/status`, read.reason);
    const status = read.ok ? parseProcStatus(read.value) : undefined;
    if (status !== undefined && !status.isDead && status.parent === parent) count += 1;
  }
  return seen(count, '/proc/*/comm docker-proxy');
}

async function describe(host: Host, daemon: DaemonProcess): Promise<Observed<DockerProcess>> {
  const { pid, status, startTicks, executable } = daemon;
  const directory = `/proc/${String(pid)}`;
  const [cmdline, boot, environ] = await Promise.all([
    readText(host, `${directory}/cmdline`),
    readText(host, '/proc/stat'),
    readText(host, `${directory}/environ`),
  ]);
  // Without its flags nothing could be said about its settings.
  if (!cmdline.ok) return unreadable(`${directory}/cmdline`, cmdline.reason);
  if (!(await isStillRunning(host, daemon))) return unreadable(directory, 'dockerd ended while it was read');
  return seen(
    {
      pid,
      uid: status.effectiveUid,
      startedAtMs: startedAtMs(boot.ok ? parseBootTime(boot.value) : undefined, startTicks),
      executable: clip(executable, 4096),
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
    if (name !== undefined) selected[name] = clip(redactText(entry.slice(name.length + 1)), 1024);
  }
  return selected;
}
