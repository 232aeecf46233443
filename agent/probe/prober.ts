import type { Probe } from '../../posture/fact/listener.ts';

/** The `Prober` port: speaks to a TCP port of this node as a client without a certificate would. */
export interface Prober {
  /** Probes one port; never sends more than a handshake and one harmless `GET /_ping`. Deadline 2 s a connection. */
  readonly probe: (address: string, port: number) => Promise<ProbeOutcome>;
}

/** What a probe found, or why it found nothing. */
export type ProbeOutcome =
  { readonly ok: true; readonly value: Probe } | { readonly ok: false; readonly reason: string };
