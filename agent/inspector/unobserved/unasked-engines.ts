import type { DockerFact } from '../../../posture/fact/docker.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Host, Read } from '../../host/host.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import type { DaemonName } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import type { CachedHost } from '../parse-cache.ts';
import { readText } from '../read-text.ts';

/** A container engine of the node that was not asked, or did not answer. */
export interface UnaskedEngine {
  readonly pid: number;
  readonly name: string;
  readonly reason: string;
}

/** Engines with which only their containers are judged where Docker is there: dockerd itself runs on containerd. */
const OTHERS = ['containerd', 'crio', 'podman'] as const satisfies readonly DaemonName[];

/**
 * The engines of the node that no answer came from: a dockerd that listens nowhere that could be asked, a containerd
 * without Docker, CRI-O, and the API service of Podman. Containers that they run are found one by one, by their processes.
 */
export async function findUnaskedEngines(
  access: CachedHost,
  known: Partial<Facts>,
): Promise<Read<readonly UnaskedEngine[]>> {
  const asked = [...(known.docker === undefined ? [] : [known.docker]), ...(known.engines ?? [])];
  const dockerd = await findDaemons(access, 'dockerd');
  if (!dockerd.ok) return dockerd;
  const found: UnaskedEngine[] = [];
  for (const { pid } of dockerd.value.genuine) {
    const reason = silenceOf(pid, asked);
    if (reason !== undefined) found.push({ pid, name: 'dockerd', reason });
  }
  const hasDocker = asked.some(({ api }) => api.state === 'seen');
  for (const name of OTHERS) {
    if (name === 'containerd' && hasDocker) continue;
    const daemons = await findDaemons(access, name);
    for (const { pid } of daemons.ok ? daemons.value.genuine : [])
      if (name !== 'podman' || (await isPodmanService(access.host, pid)))
        found.push({ pid, name, reason: 'it runs, and this program does not speak to it' });
  }
  return { ok: true, value: found };
}

/** Why nothing is known of a dockerd; undefined: it answered, or that it did not is noted with its endpoint. */
function silenceOf(pid: number, asked: readonly DockerFact[]): string | undefined {
  const own = asked.find(({ process }) => process.state === 'seen' && process.value.pid === pid);
  if (own === undefined) return 'it runs, and was not reached on any endpoint: name one with docker-host';
  return own.api.state === 'absent' ? `it runs, but nothing is at ${own.endpoint}` : undefined;
}

/** `podman run` and its like are called podman too, and end with what they do. */
async function isPodmanService(host: Host, pid: number): Promise<boolean> {
  const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
  const args = cmdline.ok ? parseNullTerminated(cmdline.value) : [];
  return args.includes('system') && args.includes('service');
}
