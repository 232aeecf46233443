import type { NodeAccess } from '../../node-access.ts';
import type { ProbedService } from '../../probe/ping.ts';
import type { ProbeOutcome, Prober } from '../../probe/prober.ts';
import { isLoopback } from '../proc/held-tcp.ts';
import { readNamespace } from '../proc/node-namespaces.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';

/**
 * How the prober reaches the ports of a daemon: in its own network namespace, through an address of the node (the agent is
 * in a pod, the daemon in the namespace of the node), or not at all.
 */
export type Reach =
  | { readonly kind: 'same' }
  | { readonly kind: 'node'; readonly address: string }
  | { readonly kind: 'none'; readonly reason: string };

/** A listening socket, and whose it is. */
export interface ProbeTarget extends Pick<TcpListener, 'address' | 'port'> {
  readonly service: ProbedService;
}

/** How the ports of the process `pid` are reached; `program` names it in reasons. */
export async function reachOf({ host, prober }: NodeAccess, pid: number, program: string): Promise<Reach> {
  const [{ namespace, nodeAddress }, its] = await Promise.all([prober.origin(), readNamespace(host, pid, 'net')]);
  if (namespace === null || its.state !== 'seen' || namespace === its.value) return { kind: 'same' };
  const node = await readNamespace(host, 1, 'net');
  if (nodeAddress !== '' && node.state === 'seen' && node.value === its.value)
    return { kind: 'node', address: nodeAddress };
  return { kind: 'none', reason: `the agent is not in the network namespace of ${program}` };
}

/** Connects to a listener. For a wildcard address, a loopback address or the address of the node is used. */
export function probeListener(prober: Prober, target: ProbeTarget, reach: Reach): Promise<ProbeOutcome> {
  switch (reach.kind) {
    case 'same':
      return probeHere(prober, target);
    case 'node':
      return probeNode(prober, target, reach.address);
    case 'none':
      return Promise.resolve({ ok: false, reason: reach.reason });
  }
}

async function probeHere(prober: Prober, { address, port, service }: ProbeTarget): Promise<ProbeOutcome> {
  if (address === '0.0.0.0') return prober.probe('127.0.0.1', port, service);
  if (address !== '::') return prober.probe(address, port, service);
  const outcome = await prober.probe('::1', port, service);
  // A node may have IPv6 sockets and no IPv6 address; such a socket takes IPv4 as well.
  return outcome.ok ? outcome : prober.probe('127.0.0.1', port, service);
}

function probeNode(
  prober: Prober,
  { address, port, service }: ProbeTarget,
  nodeAddress: string,
): Promise<ProbeOutcome> {
  if (address === '0.0.0.0' || address === '::' || address === nodeAddress)
    return prober.probe(nodeAddress, port, service);
  const reason = isLoopback(address)
    ? 'bound to a loopback address of the node, which the agent cannot reach from its own network'
    : `the agent can only reach ${nodeAddress} of this node`;
  return Promise.resolve({ ok: false, reason });
}
