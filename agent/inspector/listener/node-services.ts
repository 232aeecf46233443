import type { ContainerdsFact } from '../../../posture/fact/containerd.ts';
import type { CrioFact } from '../../../posture/fact/crio.ts';
import type { ListenerFact } from '../../../posture/fact/listener.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Read } from '../../host/host.ts';
import type { CachedHost } from '../parse-cache.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import { heldTcpListeners } from '../proc/held-tcp.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { isOnNetworkOfNode } from '../proc/node-namespaces.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { findNamedProcesses } from '../proc/process-table.ts';
import { readText } from '../read-text.ts';

/** A port of a service beside Docker, with the process that holds it. */
export interface ServicePort {
  readonly service: Exclude<ListenerFact['service'], 'docker'>;
  readonly listener: TcpListener;
  readonly pid: number;
  /** Why it is not known what the process holds, and so whether this is its port; empty: it is. */
  readonly doubt: string;
}

/** The ports of etcd for clients and for its peers, and of its metrics: etcd.io/docs, Configuration options. */
const ETCD_PORTS: ReadonlySet<number> = new Set([2379, 2380]);
const ETCD_METRICS_PORT = 2381;
/** Ports of CRI-O that carry no streams where nothing else is configured, crio(8). */
const CRIO_METRICS_PORT = '9090';
const CRIO_PROFILE_PORT = '6060';
/** Bounds: processes that are called etcd, and ports of one of them. */
const MAX_PROCESSES = 64;
const MAX_PORTS = 16;

/** The ports of etcd, of containerd on TCP, and of the streaming servers of containerd and CRI-O, by pid and port. */
export async function nodeServicePorts(
  access: CachedHost,
  { containerds, crio }: { readonly containerds: ContainerdsFact | undefined; readonly crio: CrioFact | undefined },
): Promise<Read<readonly ServicePort[]>> {
  const parts = [
    await portsOfContainerds(access, containerds?.daemons),
    await portsOfCrio(access, crio),
    await portsOfEtcd(access),
  ];
  const failed = parts.find((part) => !part.ok);
  if (failed?.ok === false) return failed;
  return { ok: true, value: parts.flatMap((part) => (part.ok ? part.value : [])) };
}

/**
 * Every process that is called etcd on the network of the node: that of a control plane runs in a pod. A k3s has it
 * within. What a process in a container does makes its own ports unknown and no others.
 */
async function portsOfEtcd(access: CachedHost): Promise<Read<readonly ServicePort[]>> {
  const found = await findNamedProcesses(access, new Set(['etcd']));
  if (!found.ok) return found;
  const embedded = await findDaemons(access, 'k3s');
  if (!embedded.ok) return embedded;
  const pids = [...found.value.map(({ pid }) => pid), ...embedded.value.genuine.map(({ pid }) => pid)];
  if (pids.length > MAX_PROCESSES)
    return { ok: false, code: 'tooLarge', reason: `more than ${String(MAX_PROCESSES)} processes are called etcd` };
  const ports: ServicePort[] = [];
  for (const pid of pids) {
    if (!(await isOnNetworkOfNode(access.host, pid))) continue;
    const isEmbedded = embedded.value.genuine.some((daemon) => daemon.pid === pid);
    const held = await heldTcpListeners(access, 'etcd', pid);
    if (!held.ok && held.code === 'absent') continue;
    const table = held.ok ? held : await readTcpListeners(access.host, 1);
    if (!table.ok) return table;
    const metrics = await metricsPorts(access, pid);
    const doubt = held.ok ? '' : `/proc/${String(pid)}/fd: ${held.reason}`;
    const own = table.value.filter(
      ({ port }) => (held.ok && !isEmbedded) || ETCD_PORTS.has(port) || port === ETCD_METRICS_PORT,
    );
    // The usual ports first, so that a process that holds many hides none of them.
    const sorted = own.toSorted((one, other) => rank(one.port) - rank(other.port));
    for (const listener of sorted.slice(0, MAX_PORTS))
      ports.push({ service: metrics.has(listener.port) ? 'etcdMetrics' : 'etcd', listener, pid, doubt });
  }
  return { ok: true, value: ports };
}

function rank(port: number): number {
  return ETCD_PORTS.has(port) ? 0 : 1;
}

/** Ports of `--listen-metrics-urls http://127.0.0.1:2381`; a port for clients or peers is never one of them. */
async function metricsPorts({ host }: CachedHost, pid: number): Promise<ReadonlySet<number>> {
  const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
  const words = cmdline.ok ? parseNullTerminated(cmdline.value) : [];
  const urls = words.flatMap((word, index) => {
    const match = /^--?listen-metrics-urls(?:=(.*))?$/s.exec(word);
    return match === null ? [] : (match[1] ?? words[index + 1] ?? '').split(',');
  });
  const named = urls.flatMap((url) => /:(\d{1,5})\/?$/.exec(url)?.[1] ?? []).map(Number);
  return new Set([ETCD_METRICS_PORT, ...named].filter((port) => !ETCD_PORTS.has(port)));
}

async function portsOfContainerds(
  access: CachedHost,
  daemons: ContainerdsFact['daemons'] | undefined,
): Promise<Read<readonly ServicePort[]>> {
  // Their ports would be closed otherwise.
  if (daemons?.state === 'unreadable')
    return { ok: false, code: 'failed', reason: `${daemons.source}: ${daemons.reason}` };
  const ports: ServicePort[] = [];
  for (const { pid, hasCri, settings } of daemons?.state === 'seen' ? daemons.value : []) {
    const held = await heldTcpListeners(access, 'containerd', pid);
    if (!held.ok && held.code === 'absent') continue;
    if (!held.ok) return held;
    const api = portOf(settings['grpc.tcp_address']);
    const others = new Set([portOf(settings['metrics.address']), portOf(settings['debug.address'])]);
    for (const listener of held.value.slice(0, MAX_PORTS))
      if (listener.port === api) ports.push({ service: 'containerd', listener, pid, doubt: '' });
      else if (hasCri && !others.has(listener.port)) ports.push({ service: 'streaming', listener, pid, doubt: '' });
  }
  return { ok: true, value: ports };
}

async function portsOfCrio(access: CachedHost, crio: CrioFact | undefined): Promise<Read<readonly ServicePort[]>> {
  if (crio?.state === 'unreadable') return { ok: false, code: 'failed', reason: `${crio.source}: ${crio.reason}` };
  if (crio?.state !== 'seen') return { ok: true, value: [] };
  const { pid, settings } = crio.value;
  const held = await heldTcpListeners(access, 'crio', pid);
  if (!held.ok) return held.code === 'absent' ? { ok: true, value: [] } : held;
  const text = (name: string, preset: string): string => {
    const setting = settings[name];
    return setting?.state === 'seen' ? setting.value : preset;
  };
  const stream = text('api.stream_port', '0');
  const others = new Set([text('metrics.metrics_port', CRIO_METRICS_PORT), text('profile_port', CRIO_PROFILE_PORT)]);
  return {
    ok: true,
    value: held.value
      .filter(({ port }) => (stream === '0' ? !others.has(String(port)) : String(port) === stream))
      .slice(0, MAX_PORTS)
      .map((listener) => ({ service: 'streaming', listener, pid, doubt: '' })),
  };
}

/** The port of `127.0.0.1:1338`, `:1338` or `tcp://…:1338`. */
function portOf(setting: Observed<string> | undefined): number | undefined {
  const port = setting?.state === 'seen' ? /:(\d{1,5})$/.exec(setting.value)?.[1] : undefined;
  return port === undefined ? undefined : Number(port);
}
