import type { ProbedService } from './ping.ts';
import type { Probe } from '../../posture/fact/listener.ts';

/** The `Prober` port: connects to a TCP port of this node as a client without a certificate would. */
export interface Prober {
  /** Where connections come from: the ports of another network cannot be probed. */
  readonly origin: () => Promise<ProbeOrigin>;
  /**
   * Probes one port of `service` (default: docker); never sends more than handshakes and a harmless GET of the path in
   * `PROBED_PATHS`. Deadline 2 s a connection.
   */
  readonly probe: (address: string, port: number, service?: ProbedService) => Promise<ProbeOutcome>;
}

/** The network that a prober is in. */
export interface ProbeOrigin {
  /** Inode of its network namespace; null where that cannot be read. */
  readonly namespace: number | null;
  /** Address of the node that it can reach from another network namespace; empty: none. */
  readonly nodeAddress: string;
}

/** What a probe found, or why it found nothing. */
export type ProbeOutcome =
  { readonly ok: true; readonly value: Probe } | { readonly ok: false; readonly reason: string };
