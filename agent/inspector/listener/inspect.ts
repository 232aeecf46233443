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
import { findUnit, unknownSettings } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import { apiListeners, streamPorts } from './choose.ts';
import { nodeServicePorts } from './node-services.ts';
import type { ServicePort } from './node-services.ts';
import { probeListener, reachOf } from './reach.ts';
import type { Reach } from './reach.ts';

const MAX_LISTENERS = 256;

/** The TCP ports of the Docker API, etcd, containerd and streaming servers, each with what a client without a certificate gets there. */
export const listenerInspector: Inspector<'listeners'> = {
  fact: 'listeners',
  needs: ['docker', 'containers', 'containerds', 'crio'],
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
  if (found.state === 'unreadable') return found;
  const { docker, containerds, crio } = known;
  const services = await nodeServicePorts(access, { containerds, crio });
  // A part that is missing would close what was found there before.
  if (!services.ok) return unreadable('/proc', services.reason);
  const own = found.state === 'seen' ? found.value : [];
  if (found.state === 'absent' && services.value.length === 0) return found;
  const pid = docker?.process.state === 'seen' ? docker.process.value.pid : 1;
  const reach = await reachOf(access, pid, 'dockerd');
  const listeners = await Promise.all([
    ...own.slice(0, MAX_LISTENERS / 2).map((owned) => describe(access, { ...owned, service: 'docker' }, reach)),
    ...services.value.slice(0, MAX_LISTENERS / 2).map((port) => describeService(access, port)),
  ]);
  return seen(withoutTwins(listeners), found.source);
}

/** systemd, a supervisor or a second process may hold the same socket: each port is one subject of a service. */
function withoutTwins(listeners: readonly ListenerFact[]): readonly ListenerFact[] {
  const known = new Set<string>();
  return listeners.filter(({ service, id }) => {
    const key = `${service} ${id}`;
    return !known.has(key) && known.add(key);
  });
}

async function findListeners(access: NodeAccess, known: Partial<Facts>): Promise<Observed<readonly OwnedListener[]>> {
  const { host } = access;
  const { docker, containers } = known;
  if (docker === undefined) return unreadable('/proc/net/tcp', 'dockerd is not known');
  const unit = await findUnit(host, 'docker.socket');
  const unknown = unknownSettings(unit);
  if (unknown !== undefined) return unreadable('docker.socket', unknown);
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

async function describeService(access: NodeAccess, port: ServicePort): Promise<ListenerFact> {
  const { service, listener, pid, doubt } = port;
  const isLocal = isLoopback(listener.address);
  // What listens on loopback is as it should be, whatever it asks for: nothing is sent to it.
  if (doubt !== '' || (isLocal && (service === 'streaming' || service === 'etcdMetrics'))) {
    const source = sourceOf(listener);
    return toFact(port, doubt === '' ? absent(source) : unreadable(source, doubt));
  }
  return describe(access, { service, listener, pid }, await reachOf(access, pid, service));
}

async function describe(
  { prober }: NodeAccess,
  owned: OwnedListener & Pick<ListenerFact, 'service'>,
  reach: Reach,
): Promise<ListenerFact> {
  const { address, port } = owned.listener;
  const source = sourceOf(owned.listener);
  const probed = await probeListener(prober, { address, port, service: owned.service }, reach);
  return toFact(owned, probed.ok ? seen(probed.value, source) : unreadable(source, probed.reason));
}

function toFact(
  { service, listener: { address, port }, pid }: OwnedListener & Pick<ListenerFact, 'service'>,
  probe: ListenerFact['probe'],
): ListenerFact {
  return {
    service,
    id: clip(`tcp:${shownAddress(address)}:${String(port)}`, 128),
    address: clip(address, 64),
    port,
    loopback: isLoopback(address),
    pid,
    probe,
  };
}

function sourceOf({ address, port }: TcpListener): string {
  return `probe of tcp://${shownAddress(address)}:${String(port)}`;
}

function shownAddress(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
