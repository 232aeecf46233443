import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { ListenerFact, ListenersFact } from '../../../posture/fact/listener.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { isLoopback } from '../proc/held-tcp.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { heldSockets } from '../proc/process-table.ts';
import { unseen } from '../read-text.ts';
import { findUnit } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import { apiListeners, streamPorts } from './choose.ts';
import { probeListener, reachOf } from './reach.ts';
import type { Reach } from './reach.ts';

const MAX_LISTENERS = 256;

/** The TCP ports of the Docker API, each with what a client without a certificate gets there. */
export const listenerInspector: Inspector<'listeners'> = {
  fact: 'listeners',
  needs: ['docker', 'containers'],
  inspect: inspectListeners,
  watches: ({ docker }) => (docker.file.state === 'seen' ? [docker.file.value.path] : [docker.file.source]),
};

/** A socket of the API and the process that holds it. */
interface OwnedListener {
  readonly listener: TcpListener;
  readonly pid: number;
}

async function inspectListeners(access: NodeAccess, known: Partial<Facts>): Promise<ListenersFact> {
  const found = await findListeners(access, known);
  if (found.state !== 'seen') return found;
  const { docker } = known;
  const pid = docker?.process.state === 'seen' ? docker.process.value.pid : 1;
  const reach = await reachOf(access, pid, 'dockerd');
  const listeners = await Promise.all(
    found.value.slice(0, MAX_LISTENERS).map((owned) => describe(access, owned, reach)),
  );
  return seen(listeners, found.source);
}

async function findListeners(access: NodeAccess, known: Partial<Facts>): Promise<Observed<readonly OwnedListener[]>> {
  const { host } = access;
  const { docker, containers } = known;
  if (docker === undefined) return unreadable('/proc/net/tcp', 'dockerd is not known');
  const unit = await findUnit(host, 'docker.socket');
  const streams = unit !== undefined && 'settings' in unit ? unitValues(unit.settings, 'Socket', 'ListenStream') : [];
  const activatedPorts = streamPorts(streams);
  if (docker.process.state === 'unreadable') return unreadable(docker.process.source, docker.process.reason);
  const pid = docker.process.state === 'seen' ? docker.process.value.pid : 1;
  const source = `/proc/${String(pid)}/net/tcp`;
  const table = await readTcpListeners(host, pid);
  if (!table.ok) return unseen(table, source);
  const activated = table.value
    .filter(({ port }) => activatedPorts.includes(port))
    .map((listener) => ({ listener, pid: 1 }));
  if (docker.process.state === 'absent')
    return activated.length > 0 || docker.present.state !== 'absent'
      ? seen(activated, source)
      : absent(docker.endpoint);
  // Without a listening socket in its network nobody's descriptors need to be read.
  if (table.value.length === 0) return seen([], source);
  const inodes = await heldSockets(access, 'listeners', pid, new Set(table.value.map(({ inode }) => inode)));
  if (!inodes.ok) return unreadable(`/proc/${String(pid)}/fd`, inodes.reason);
  const held = apiListeners(
    table.value.filter(({ inode }) => inodes.value.has(inode)),
    { docker, containers: containers?.state === 'seen' ? containers.value : [], activatedPorts },
  );
  const isHeld = (inode: number): boolean => held.some((listener) => listener.inode === inode);
  // systemd passes its socket on when it starts dockerd: both hold it then.
  return seen(
    [...held.map((listener) => ({ listener, pid })), ...activated.filter(({ listener }) => !isHeld(listener.inode))],
    source,
  );
}

async function describe({ prober }: NodeAccess, { listener, pid }: OwnedListener, reach: Reach): Promise<ListenerFact> {
  const { address, port } = listener;
  const shown = address.includes(':') ? `[${address}]` : address;
  const source = `probe of tcp://${shown}:${String(port)}`;
  const probed = await probeListener(prober, { address, port, service: 'docker' }, reach);
  return {
    service: 'docker',
    id: clip(`tcp:${shown}:${String(port)}`, 128),
    address: clip(address, 64),
    port,
    loopback: isLoopback(address),
    pid,
    probe: probed.ok ? seen(probed.value, source) : unreadable(source, probed.reason),
  };
}
