import type { Clock } from '../../service/clock.ts';
import { sleep } from '../../service/clock.ts';
import { fullJitter } from '../../service/backoff.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Settings } from '../../service/config/settings.ts';
import { writeFileAtomic } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import { createSigningRequest } from '../../service/tls/signing-request.ts';
import { attest } from './attest.ts';
import type { AttestSettings } from './attest.ts';
import { findValidCertificate, PUBLIC_FILE, replaceCertificate } from './certificate-files.ts';
import type { CertificatePaths } from './certificate-files.ts';
import { checkIssued, requestRenewal } from './enrollment-client.ts';

/** Settings that renewal goes by. */
export type RenewalSettings = CertificatePaths & Pick<Settings, 'join' | 'joinMethod'> & AttestSettings;

/** What the renewal of certificates works with. */
export interface RenewalOptions {
  readonly settings: RenewalSettings;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The cluster has another Node object for this machine, so the agent must start again. */
  readonly onOtherNode: (nodeId: string) => void;
}

/** A certificate is renewed after this share of its validity. */
const RENEW_AT = 0.6;
const BACKOFF = Object.freeze({ baseMs: 5_000, capMs: 15 * 60_000 });
/** Longest wait until the time of the next renewal is checked again: clocks are set. */
const CHECK_MS = 60_000;
/** Shortest time between two renewals. With a clock far ahead, every new certificate already needs renewal. */
const PAUSE_MS = 60 * 60_000;

/**
 * Renews the certificate of this node at 60 % of its validity, and where it is not valid yet: the clock of the collector or
 * of this machine was ahead when it was issued. Ends when `signal` aborts. A host renews with its certificate
 * and keeps its key; a Kubernetes node is attested again. A failed attempt is repeated with backoff, also after the
 * certificate has expired: the collector accepts a renewal for some days longer. Sessions read the files again each time
 * they connect.
 */
export async function keepCertificateRenewed(options: RenewalOptions): Promise<void> {
  const { settings, clock, random, log, signal } = options;
  const { join: address } = settings;
  if (address === 'off') return;
  let failures = 0;
  while (!signal.aborted) {
    const waitMs = await renewalDueMs(settings.tlsCert, clock.now());
    if (waitMs > 0) {
      await sleep(clock, Math.min(waitMs, CHECK_MS), signal);
      continue;
    }
    const reason =
      settings.joinMethod === 'kubernetes' ? await attestAgain(options) : await renewHost(address, options);
    if (reason === undefined) {
      failures = 0;
      log.info({ nodeId: options.nodeId }, 'the certificate of this node was renewed');
      await pause(clock, signal);
    } else {
      log.warn({ reason }, 'the certificate of this node could not be renewed; the agent tries again');
      await sleep(clock, BACKOFF.baseMs + fullJitter(failures, BACKOFF, random), signal);
      failures += 1;
    }
  }
}

/** Waits, unless the clock is set back: the certificate that it got meanwhile may not be valid yet. */
async function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  const renewedAtMs = clock.now();
  for (let waitedMs = 0; waitedMs < PAUSE_MS && clock.now() >= renewedAtMs && !signal.aborted; waitedMs += CHECK_MS)
    await sleep(clock, CHECK_MS, signal);
}

/** Why the node was not attested; undefined: it was. */
async function attestAgain({ settings, nodeId, onOtherNode }: RenewalOptions): Promise<string | undefined> {
  const attested = await attest(settings, (node) => node.nodeId === nodeId);
  if (!attested.ok) return attested.reason;
  const { nodeId: other } = attested.value;
  if (other === nodeId) return undefined;
  onOtherNode(other);
  return `this machine is now the node ${other} of the cluster`;
}

/** Why the certificate was not renewed; undefined: it was. */
async function renewHost(address: Address, { settings, nodeId, clock }: RenewalOptions): Promise<string | undefined> {
  try {
    const { tlsCa, tlsCert, tlsKey } = settings;
    const presented = await findValidCertificate(tlsCert, clock.now());
    const [ca, own, ownKey] = [await readCertificate(tlsCa), await readCertificate(presented), await readKey(tlsKey)];
    if (ca === undefined || own === undefined || ownKey === undefined)
      return `${tlsCa}, ${tlsCert} or ${tlsKey} is missing; join again with a new token`;
    // The same key: a crash must not leave a certificate and a key that do not match.
    const { csrPem } = await createSigningRequest(ownKey.pem);
    const issued = await requestRenewal(address, { ca: ca.pem, cert: own.pem, key: ownKey.pem }, csrPem);
    if (!issued.ok) return issued.reason;
    const checked = checkIssued(issued.value, { keyPem: ownKey.pem, ca: ca.pem });
    if (!checked.ok) return checked.problem;
    if (checked.node.nodeId !== nodeId) return 'the certificate is for another node';
    if (issued.value.authorityPem !== ca.pem) await writeFileAtomic(tlsCa, issued.value.authorityPem, PUBLIC_FILE);
    await replaceCertificate(tlsCert, own.pem, issued.value.certificatePem);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Milliseconds until the certificate is due for renewal; 0 or less: it is due. */
async function renewalDueMs(path: string, nowMs: number): Promise<number> {
  const own = await readCertificate(path).catch(() => undefined);
  if (own === undefined) return 0;
  const [fromMs, toMs] = [Date.parse(own.certificate.validFrom), Date.parse(own.certificate.validTo)];
  return nowMs < fromMs ? 0 : fromMs + RENEW_AT * (toMs - fromMs) - nowMs;
}
