import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { DockerFact } from '../../../posture/fact/docker.ts';
import { configuredTexts } from '../docker/configured-texts.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';

/** Ports of a swarm manager, docs.docker.com/engine/swarm: cluster management and gossip, with TLS of their own. */
const SWARM_PORTS: readonly number[] = [2377, 7946];

/** What is known of the ports that dockerd holds. */
export interface PortQuestion {
  readonly docker: DockerFact;
  readonly containers: readonly ContainerFact[];
  /** Ports that docker.socket opens. */
  readonly activatedPorts: readonly number[];
}

/**
 * Of the listening sockets that dockerd holds, those that are its API. It holds others too: metrics, swarm, and, where
 * it runs without the userland proxy, each published port, behind which a container answers.
 */
export function apiListeners(held: readonly TcpListener[], question: PortQuestion): readonly TcpListener[] {
  const { docker, containers, activatedPorts } = question;
  const told = new Set([...configuredTexts(docker, 'host', 'hosts').flatMap(tcpPort), ...activatedPorts]);
  const other = new Set([
    ...configuredTexts(docker, 'metrics-addr').flatMap(portOf),
    ...configuredTexts(docker, 'network-diagnostic-port').flatMap(portOf),
    ...(docker.api.state === 'seen' && docker.api.value.swarm !== 'inactive' ? SWARM_PORTS : []),
    ...containers.flatMap(({ declared }) => declared.ports.map(({ hostPort }) => hostPort)),
  ]);
  return held.filter(({ port }) => told.has(port) || !other.has(port));
}

/** Ports among the `ListenStream=` of a unit, systemd.socket(5): `2375`, `127.0.0.1:2375`, `[::1]:2375`. */
export function streamPorts(streams: readonly string[]): readonly number[] {
  return streams.filter((stream) => /^(?:[\d.]{1,15}:|\[[^\]]{0,64}\]:)?\d{1,5}$/.test(stream)).flatMap(portOf);
}

/** `tcp://0.0.0.0:2376`. */
function tcpPort(host: string): readonly number[] {
  return host.startsWith('tcp://') ? portOf(host.replace(/\/$/, '')) : [];
}

function portOf(text: string): readonly number[] {
  const match = /(?:^|:)(\d{1,5})$/.exec(text);
  return match === null ? [] : [Number(match[1])];
}
