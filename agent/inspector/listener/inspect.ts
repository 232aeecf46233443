import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { ListenerFact, ListenersFact } from '../../../posture/fact/listener.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { ProbeOutcome, Prober } from '../../probe/prober.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { readNamespace } from '../proc/node-namespaces.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { heldSockets } from '../proc/process-table.ts';
import { unseen } from '../read-text.ts';
import { findUnit } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import { apiListeners, streamPorts } from './choose.ts';

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
  const { host } = access;
  const found = await findListeners(access, known);
  if (found.state !== 'seen') return found;
  const foreign = await isForeignNetwork(host, known);
  const listeners = await Promise.all(
    found.value.slice(0, MAX_LISTENERS).map((owned) => describe(access, owned, foreign)),
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

/** Why the ports of dockerd cannot be reached from here; undefined where they can. */
async function isForeignNetwork(host: Host, { docker }: Partial<Facts>): Promise<string | undefined> {
  const pid = docker?.process.state === 'seen' ? docker.process.value.pid : 1;
  const [own, its] = await Promise.all([readNamespace(host, 'self', 'net'), readNamespace(host, pid, 'net')]);
  if (own.state !== 'seen' || its.state !== 'seen' || own.value === its.value) return undefined;
  return 'the agent is not in the network namespace of dockerd';
}

async function describe(
  { prober }: NodeAccess,
  { listener, pid }: OwnedListener,
  foreign: string | undefined,
): Promise<ListenerFact> {
  const { address, port } = listener;
  const shown = address.includes(':') ? `[${address}]` : address;
  const source = `probe of tcp://${shown}:${String(port)}`;
  const probed = foreign === undefined ? await probe(prober, listener) : { ok: false as const, reason: foreign };
  return {
    service: 'docker',
    id: clip(`tcp:${shown}:${String(port)}`, 128),
    address: clip(address, 64),
    port,
    loopback: address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.'),
    pid,
    probe: probed.ok ? seen(probed.value, source) : unreadable(source, probed.reason),
  };
}

/** A wildcard address is no address to speak to: the loopback addresses stand for it. */
async function probe(prober: Prober, { address, port }: TcpListener): Promise<ProbeOutcome> {
  if (address === '0.0.0.0') return prober.probe('127.0.0.1', port);
  if (address !== '::') return prober.probe(address, port);
  const outcome = await prober.probe('::1', port);
  // A node may have IPv6 sockets and no IPv6 address; such a socket takes IPv4 as well.
  return outcome.ok ? outcome : prober.probe('127.0.0.1', port);
}
