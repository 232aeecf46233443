import type { DockerApi, DockerFact, DockerProcess } from '../../../posture/fact/docker.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { NodeAccess } from '../../node-access.ts';
import { heldTcpListeners } from '../proc/held-tcp.ts';
import { unseen } from '../read-text.ts';

/** Management and gossip of a swarm, docs.docker.com/engine/swarm. */
const SWARM_PORTS: ReadonlySet<number> = new Set([2377, 7946]);
const MAX_PORTS = 64;

/** On which addresses dockerd listens for the swarm that it is part of. */
export async function readSwarmPorts(
  access: NodeAccess,
  { swarm }: DockerApi,
  daemon: Observed<DockerProcess>,
): Promise<DockerFact['swarmPorts']> {
  if (swarm === 'inactive') return absent('GET /info Swarm');
  if (daemon.state !== 'seen') return unreadable('/proc/net/tcp', 'the process of dockerd is not known');
  const { pid } = daemon.value;
  const source = `/proc/${String(pid)}/net/tcp`;
  const held = await heldTcpListeners(access, 'swarm', pid);
  if (!held.ok) return unseen(held, source);
  const ports = held.value.filter(({ port }) => SWARM_PORTS.has(port)).slice(0, MAX_PORTS);
  return seen(
    ports.map(({ address, port }) => ({ address, port })),
    source,
  );
}
