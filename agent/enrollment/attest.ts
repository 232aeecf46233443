import type { Clock } from '../../service/clock.ts';
import { sleep } from '../../service/clock.ts';
import { fullJitter } from '../../service/backoff.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import type { NodeName } from '../../service/tls/node-identity.ts';
import { readCertificate } from '../../service/tls/pem-file.ts';
import { createSigningRequest } from '../../service/tls/signing-request.ts';
import { readKeptCertificate, readTokenFile, writeCertificate } from './certificate-files.ts';
import type { CertificatePaths } from './certificate-files.ts';
import { checkIssued, fetchAuthority, requestAttestation } from './enrollment-client.ts';
import type { EnrollmentOutcome } from './enrollment-client.ts';

/** Settings of an agent in a pod. */
export type AttestSettings = CertificatePaths &
  Pick<Settings, 'join' | 'joinCaHash' | 'joinCaFile' | 'kubernetesTokenFile'>;

/** What attests with. */
export interface AttestOptions {
  readonly settings: AttestSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const BACKOFF = Object.freeze({ baseMs: 1_000, capMs: 30_000 });
/** Service-account tokens are about 1 KiB. */
const MAX_TOKEN_BYTES = 8_192;

/**
 * Gets a certificate at the start of the agent. If that fails, the certificate of an earlier start is used while it is
 * valid; without one the agent tries again until `signal` aborts: the collector may be starting as well. Rejects then.
 */
export async function attestAtStart({ settings, clock, random, log, signal }: AttestOptions): Promise<NodeName> {
  for (let failures = 0; ; failures += 1) {
    const attested = await attest(settings);
    if (attested.ok) {
      log.info({ ...attested.value }, 'the collector has confirmed on which Kubernetes node this agent runs');
      return attested.value;
    }
    const { reason } = attested;
    const kept = await readKeptCertificate(settings).catch(() => undefined);
    if (kept !== undefined && kept.node.clusterId !== '' && kept.validToMs > clock.now()) {
      log.warn({ reason }, 'this node was not attested; it keeps its certificate and tries again later');
      return kept.node;
    }
    log.warn({ reason }, 'this node was not attested and has no certificate yet; the agent tries again');
    await sleep(clock, BACKOFF.baseMs + fullJitter(failures, BACKOFF, random), signal);
    signal.throwIfAborted();
  }
}

/**
 * Exchanges the service-account token of the pod for a certificate, and stores it if `accepts` the node that it names. The
 * token and the CA are read anew each time: the kubelet replaces tokens, and a ConfigMap can change.
 */
export async function attest(
  settings: AttestSettings,
  accepts: (node: NodeName) => boolean = () => true,
): Promise<EnrollmentOutcome<NodeName>> {
  const { join: address, kubernetesTokenFile } = settings;
  const no = (reason: string): EnrollmentOutcome<NodeName> => ({ ok: false, reason });
  if (address === 'off') return no('the setting join has no address');
  try {
    const token = await readTokenFile(kubernetesTokenFile, MAX_TOKEN_BYTES);
    const trusted = await findAuthority(settings);
    if (!trusted.ok) return trusted;
    const ca = trusted.value;
    const { csrPem: csr, keyPem } = await createSigningRequest();
    const issued = await requestAttestation(address, ca, { token, csr });
    if (!issued.ok) return issued;
    const checked = checkIssued(issued.value, { keyPem, ca });
    if (!checked.ok) return no(checked.problem);
    const { nodeId, clusterId, nodeName } = checked.node;
    if (clusterId === '') return no('the certificate names a host, not a Kubernetes node');
    const node = { nodeId, clusterId, nodeName };
    if (accepts(node)) await writeCertificate(settings, issued.value, keyPem);
    return { ok: true, value: node };
  } catch (error) {
    return no(error instanceof Error ? error.message : String(error));
  }
}

/** The CAs to trust, in PEM: those of the file, otherwise the one with the pinned key, otherwise those of last time. */
async function findAuthority({
  join: address,
  joinCaHash,
  joinCaFile,
  tlsCa,
}: AttestSettings): Promise<EnrollmentOutcome<string>> {
  if (address === 'off') return { ok: false, reason: 'the setting join has no address' };
  if (joinCaFile !== 'off') {
    const file = await readCertificate(joinCaFile);
    return file === undefined ? { ok: false, reason: `${joinCaFile} does not exist` } : { ok: true, value: file.pem };
  }
  const none = { ok: false, reason: 'set --join-ca-hash or --join-ca-file: which CA has the collector?' } as const;
  const fetched = joinCaHash.length === 0 ? none : await fetchAuthority(address, joinCaHash);
  if (fetched.ok || joinCaHash.length === 0) return fetched;
  // After a rotation of the CA the pin is that of the old one; the collector has sent the new one before.
  const kept = await readCertificate(tlsCa).catch(() => undefined);
  return kept === undefined ? fetched : { ok: true, value: kept.pem };
}
