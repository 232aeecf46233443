import type { DockerFact } from '../../../posture/fact/docker.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Read } from '../../host/host.ts';
import { holdsEndpoint } from '../docker/engine-process.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import type { DaemonName } from '../proc/daemon-identity.ts';
import type { CachedHost } from '../parse-cache.ts';

/** A container engine of the node that was not asked, or did not answer. */
export interface UnaskedEngine {
  readonly pid: number;
  readonly name: string;
  readonly reason: string;
}

/** Engines with which only their containers are judged where Docker is there: dockerd itself runs on containerd. */
const OTHERS = ['containerd', 'crio'] as const satisfies readonly DaemonName[];

/**
 * The engines of the node that no answer came from: a dockerd that listens nowhere that could be asked, a containerd
 * without Docker, and CRI-O. Containers that they run are found one by one, by their processes. Podman needs no process of
 * its own: a service of it that has a socket is asked.
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
  const answering = asked.filter(({ api }) => api.state === 'seen');
  const hasDocker = answering.some(({ runtime }) => runtime === 'docker');
  for (const name of OTHERS) {
    if (name === 'containerd' && hasDocker) continue;
    const daemons = await findDaemons(access, name);
    for (const { pid } of daemons.ok ? daemons.value.genuine : []) {
      if (!(await servesOneOf(access, pid, answering))) found.push({ pid, name, reason: UNASKED });
    }
  }
  return { ok: true, value: found };
}

const UNASKED = 'it runs, and no API of it was reached: name its socket with runtime-endpoint';

/** Is it an engine that answered? */
async function servesOneOf(access: CachedHost, pid: number, answering: readonly DockerFact[]): Promise<boolean> {
  for (const { endpoint } of answering) {
    const holds = await holdsEndpoint(access, pid, endpoint);
    if (holds.ok && holds.value) return true;
  }
  return false;
}

/** Why nothing is known of a dockerd; undefined: it answered, or that it did not is noted with its endpoint. */
function silenceOf(pid: number, asked: readonly DockerFact[]): string | undefined {
  const own = asked.find(({ process }) => process.state === 'seen' && process.value.pid === pid);
  if (own === undefined) return 'it runs, and was not reached on any endpoint: name one with docker-host';
  return own.api.state === 'absent' ? `it runs, but nothing is at ${own.endpoint}` : undefined;
}
