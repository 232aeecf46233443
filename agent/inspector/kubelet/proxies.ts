import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { KubeletFact } from '../../../posture/fact/kubelet.ts';
import { parseYamlDocuments } from '../../../image/policy/yaml-documents.ts';
import type { Host, Read } from '../../host/host.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { findDaemons } from '../proc/daemon-identity.ts';
import { heldTcpListeners, isLoopback } from '../proc/held-tcp.ts';
import { isOnNetworkOfNode } from '../proc/node-namespaces.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { readText, unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';
import { parseKubeletFlags } from './command-line.ts';
import { ownField } from './config-file.ts';
import type { FoundKubelet } from './find-kubelet.ts';

const MAX_PROXIES = 16;
/** Processes whose sockets are read. */
const MAX_CANDIDATES = 256;
const METRICS_PORT = 10249;
const MAX_LISTENERS = 256;
const MAX_CONFIG_BYTES = 256 * 1024;

type Proxy = Extract<KubeletFact['proxies'], { readonly state: 'seen' }>['value'][number];

/**
 * Every process that is called kube-proxy on the network of the node, of containers too: whichever listens there is
 * reached there. Of a container nothing but its sockets is read; a process of another user is none. Where the kubelet is
 * a part of a larger program, so is kube-proxy. Of too many, those of the node and those with open metrics come first,
 * and one entry says that there are others.
 */
export async function readProxies(access: CachedHost, kubelet: FoundKubelet): Promise<KubeletFact['proxies']> {
  const source = '/proc/*/exe kube-proxy';
  const found = await findDaemons(access, 'kube-proxy');
  if (!found.ok) return unreadable('/proc', found.reason);
  const candidates = [
    ...(kubelet.program === 'kubelet' ? [] : [{ pid: kubelet.pid, container: false, isGenuine: false }]),
    ...found.value.genuine.map(({ pid }) => ({ pid, container: false, isGenuine: true })),
    ...found.value.refused
      .filter(({ kind, status }) => kind !== 'foreign' || status.effectiveUid === 0)
      .map(({ pid, kind }) => ({ pid, container: kind === 'container', isGenuine: false })),
  ];
  const proxies: { readonly proxy: Proxy; readonly weight: number }[] = [];
  for (const { pid, container, isGenuine } of candidates.slice(0, MAX_CANDIDATES)) {
    if (!(await isOnNetworkOfNode(access.host, pid))) continue;
    const held = await heldTcpListeners(access, 'kube-proxy', pid);
    const kubeconfig = isGenuine ? await readKubeconfigPath(access.host, pid) : absent(`/proc/${String(pid)}`);
    const isOpen = held.ok && held.value.some(({ port, address }) => port === METRICS_PORT && !isLoopback(address));
    const proxy: Proxy = { pid, container, kubeconfig, listeners: listenersOf(held, pid) };
    proxies.push({ proxy, weight: isGenuine ? 2 : isOpen ? 1 : 0 });
  }
  const sorted = proxies.sort((one, other) => other.weight - one.weight).map(({ proxy }) => proxy);
  if (candidates.length <= MAX_CANDIDATES && sorted.length <= MAX_PROXIES) return seen(sorted, source);
  const unread = unreadable(source, `more than ${String(MAX_PROXIES)} processes`);
  const rest: Proxy = { pid: 0, container: false, kubeconfig: unread, listeners: unread };
  return seen([...sorted.slice(0, MAX_PROXIES - 1), rest], source);
}

/** Sockets as the fact has them. */
export function listenersOf(held: Read<readonly TcpListener[]>, pid: number): KubeletFact['listeners'] {
  const source = `/proc/${String(pid)}/net/tcp`;
  if (!held.ok) return unseen(held, source);
  const listeners = held.value.slice(0, MAX_LISTENERS).map(({ address, port }) => ({
    address: clip(address, 64),
    port,
    loopback: isLoopback(address),
  }));
  return seen(listeners, source);
}

/** `--kubeconfig`, or `clientConnection.kubeconfig` in the file of `--config`. */
async function readKubeconfigPath(host: Host, pid: number): Promise<Observed<string>> {
  const source = `/proc/${String(pid)}/cmdline`;
  const cmdline = await readText(host, source);
  if (!cmdline.ok) return unseen(cmdline, source);
  const flags = parseKubeletFlags(parseNullTerminated(cmdline.value).slice(1));
  const config = flags.get('config')?.at(-1) ?? '';
  // With a file kube-proxy ignores the flag.
  if (config === '') return pathOf(flags.get('kubeconfig')?.at(-1), source);
  const read = await readTrusted(host, config, MAX_CONFIG_BYTES);
  if (!read.ok) return unreadable(clip(config, 4096), read.reason);
  const parsed = parseYamlDocuments(read.value.bytes.toString('utf8'), '1.1');
  if (!parsed.ok) return unreadable(clip(config, 4096), parsed.reason);
  return pathOf(ownField(ownField(parsed.documents[0], 'clientConnection'), 'kubeconfig'), config);
}

function pathOf(value: unknown, source: string): Observed<string> {
  return typeof value === 'string' && value.startsWith('/') ? seen(clip(value, 4096), source) : absent(source);
}
