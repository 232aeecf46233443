import { readlink } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { parseNamespaceLink } from '../inspector/proc/node-namespaces.ts';
import { certificateFacts } from './certificate-facts.ts';
import { clientHello, TLS_VERSIONS, VERSION_NUMBERS } from './client-hello.ts';
import { HTTP2_ANSWER, judgeAttempts } from './client-certificate.ts';
import { exchange } from './exchange.ts';
import { ownAddresses } from './own-address.ts';
import { hasStatusLine, httpStatus, isHttp2, PROBED_PATHS, probeRequest } from './ping.ts';
import { parseServerFlight } from './server-flight.ts';
import { attemptTls } from './tls-attempt.ts';
import type { Probe } from '../../posture/fact/listener.ts';
import type { TlsVersion } from './client-hello.ts';
import type { Exchange, Target } from './exchange.ts';
import type { ProbeOutcome, Prober } from './prober.ts';
import type { ServerFlight } from './server-flight.ts';

/** Deadline and network of a prober. */
export interface ProberOptions {
  /** For one connection; a probe makes at most eight. Default 2,000. */
  readonly timeoutMs?: number | undefined;
  /** An address of the node, for a prober in another network namespace. Default: empty, none. */
  readonly nodeAddress?: string | undefined;
}

const DEFAULT_TIMEOUT_MS = 2000;

/** Probes ports of this node over TCP. Another machine's address is refused without a packet. */
export function createProber(options: ProberOptions = {}): Prober {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, nodeAddress = '' } = options;
  return {
    origin: async () => ({ namespace: await ownNetwork(), nodeAddress }),
    probe: async (address, port, service = 'docker') => {
      const isOfNode = nodeAddress !== '' && address === nodeAddress;
      const hosts = isOfNode ? [address] : ownAddresses(address, networkInterfaces());
      if (hosts.length === 0) return { ok: false, reason: `not an address of this node: ${address.slice(0, 64)}` };
      let outcome: ProbeOutcome = { ok: false, reason: 'not probed' };
      for (const host of hosts) {
        outcome = await probeTarget({ host, port, service }, timeoutMs);
        if (outcome.ok) return outcome;
      }
      return outcome;
    },
  };
}

async function ownNetwork(): Promise<number | null> {
  try {
    return parseNamespaceLink(await readlink('/proc/self/ns/net')) ?? null;
  } catch {
    return null;
  }
}

async function probeTarget(target: Target, timeoutMs: number): Promise<ProbeOutcome> {
  const first = await sayHello(target, 'TLSv1.2', timeoutMs);
  if (first.exchange.end === 'refused') return { ok: false, reason: `no connection: ${first.exchange.error}` };
  const isTls = first.flight.version !== 0 || first.flight.alert !== undefined;
  return isTls
    ? { ok: true, value: await probeTls(target, first.flight, timeoutMs) }
    : probeClearText(target, timeoutMs);
}

async function probeClearText(target: Target, timeoutMs: number): Promise<ProbeOutcome> {
  const { received, end, error } = await exchange(target, probeRequest(target.service), hasStatusLine, timeoutMs);
  const status = httpStatus(received);
  const nothing = { clientCertificate: 'unknown', versions: [], weakCipherSuites: null, certificate: null } as const;
  if (status !== undefined)
    return {
      ok: true,
      value: { ...nothing, protocol: 'http', answer: `HTTP ${String(status)} from ${PROBED_PATHS[target.service]}` },
    };
  if (isHttp2(received)) return { ok: true, value: { ...nothing, protocol: 'http', answer: HTTP2_ANSWER } };
  if (received.length > 0)
    return { ok: true, value: { ...nothing, protocol: 'other', answer: 'neither HTTP nor TLS' } };
  if (end === 'timeout') return { ok: false, reason: `no answer within ${String(timeoutMs)} ms` };
  return { ok: false, reason: `closed without an answer${error === '' ? '' : ` (${error})`}` };
}

async function probeTls(target: Target, tls12: ServerFlight, timeoutMs: number): Promise<Probe> {
  const flights = new Map<TlsVersion, ServerFlight>();
  for (const version of TLS_VERSIONS) {
    const flight = version === 'TLSv1.2' ? tls12 : (await sayHello(target, version, timeoutMs)).flight;
    // A server may choose an older version than the one that it was offered: that one it accepts, not this.
    if (flight.version === VERSION_NUMBERS[version]) flights.set(version, flight);
  }
  const versions = [...flights.keys()];
  // What the newest older version does may differ from TLS 1.3: both are tried, and the weaker answer counts.
  const old = versions.findLast((version) => version !== 'TLSv1.3');
  const attempts = [];
  for (const version of new Set([old, versions.at(-1)])) {
    if (version !== undefined) attempts.push(await attemptTls(target, version, timeoutMs));
  }
  const seen = [...flights.values(), ...attempts];
  return {
    protocol: 'tls',
    ...judgeAttempts(
      attempts,
      seen.some(({ requestsCertificate }) => requestsCertificate),
      PROBED_PATHS[target.service],
    ),
    versions,
    weakCipherSuites: tls12.version === VERSION_NUMBERS['TLSv1.2'] ? await acceptsWeakSuites(target, timeoutMs) : null,
    certificate: certificateFacts(seen.find(({ certificate }) => certificate !== undefined)?.certificate),
  };
}

/** Does the server take a client that offers weak suites of TLS 1.2 only? null: it answers neither yes nor no. */
async function acceptsWeakSuites(target: Target, timeoutMs: number): Promise<boolean | null> {
  const { flight } = await sayHello(target, 'TLSv1.2', timeoutMs, 'weak');
  if (flight.version !== 0) return true;
  return flight.alert === undefined ? null : false;
}

async function sayHello(
  target: Target,
  version: TlsVersion,
  timeoutMs: number,
  suites: 'all' | 'weak' = 'all',
): Promise<{ readonly exchange: Exchange; readonly flight: ServerFlight }> {
  const isEnough = (received: Buffer): boolean => parseServerFlight(received).state !== 'more';
  const done = await exchange(target, clientHello(version, suites), isEnough, timeoutMs);
  return { exchange: done, flight: parseServerFlight(done.received) };
}
