import { X509Certificate } from 'node:crypto';
import { constants, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../service/clock.ts';
import { sleep } from '../../service/clock.ts';
import { fullJitter } from '../../service/backoff.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode, makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { nodeUri } from '../../service/tls/issue.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import { createSigningRequest, publicKeyPin } from '../../service/tls/signing-request.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { fetchAuthority, problemOfIssued, requestEnrollment, requestRenewal } from './enrollment-client.ts';

/** Settings of an agent that joins a fleet. */
export type JoinSettings = Pick<
  Settings,
  'join' | 'joinToken' | 'joinTokenFile' | 'joinCaHash' | 'tlsCa' | 'tlsCert' | 'tlsKey'
>;

/** A certificate is renewed after this share of its validity. */
const RENEW_AT = 0.6;
const BACKOFF = Object.freeze({ baseMs: 5_000, capMs: 15 * 60_000 });
/** Longest wait until the time of the next renewal is checked again: clocks are set, and timers hold 24 days at most. */
const CHECK_MS = 60 * 60_000;
const MAX_TOKEN_BYTES = 1_024;
/** Certificates are public. */
const PUBLIC_FILE = 0o644;

/**
 * Enrols this node with the join token, unless the token has been used here before: a restart with the same settings uses
 * the certificate of the first start. Rejects with {@link TlsError} if a node without a certificate cannot be enrolled.
 */
export async function joinFleet(settings: JoinSettings, nodeId: string, log: Logger): Promise<void> {
  if (settings.join === 'off') return;
  const isEnrolled = await hasCertificate(settings, nodeId);
  const joinToken = await readToken(settings).catch((error: unknown) => {
    if (!isEnrolled) throw error;
    // The token is needed once: many remove the file after the first start.
    log.info({ error }, 'the join token file was not read; this node keeps its certificate');
    return '';
  });
  const [tokenId = ''] = joinToken.split('.');
  if (isEnrolled && (joinToken === '' || tokenId === (await readUsedTokenId(settings)))) return;
  try {
    await enroll({ settings, nodeId, joinToken });
  } catch (error) {
    if (!isEnrolled) throw error;
    // A token that is used up or expired must not stop a node that has a certificate.
    return log.warn({ error }, 'the new join token was not accepted; this node keeps its certificate');
  }
  await writeFileAtomic(usedTokenPath(settings), `${tokenId}\n`, PRIVATE_FILE);
  log.info({ nodeId }, 'this node has joined the fleet');
}

async function enroll({
  settings,
  nodeId,
  joinToken,
}: {
  readonly settings: JoinSettings;
  readonly nodeId: string;
  readonly joinToken: string;
}): Promise<void> {
  const { join: address, joinCaHash, tlsCa, tlsCert, tlsKey } = settings;
  if (address === 'off') return;
  if (joinToken === '' || joinCaHash === '')
    throw refused(
      'this node has no certificate yet; set --join-token and --join-ca-hash (plimsoll join-token create prints both)',
    );
  const authority = await fetchAuthority(address, joinCaHash);
  if (!authority.ok) throw refused(authority.reason);
  const known = await readCertificate(tlsCa);
  if (known !== undefined && publicKeyPin(known.pem) !== joinCaHash)
    throw refused(`${tlsCa} holds the certificate of another CA; remove it to join this fleet`);
  const { csrPem: csr, keyPem } = await createSigningRequest();
  const issued = await requestEnrollment(address, authority.value, { joinToken, nodeId, csr });
  if (!issued.ok) throw refused(issued.reason);
  const problem = problemOfIssued(issued.value, { keyPem, nodeId, ca: authority.value });
  if (problem !== undefined) throw refused(problem);
  await makePrivateDirectory(dirname(tlsCa));
  await writeFileAtomic(tlsCa, authority.value, PUBLIC_FILE);
  // The key first: a certificate is never there without its key.
  await writeFileAtomic(tlsKey, keyPem, PRIVATE_FILE);
  await writeFileAtomic(tlsCert, issued.value.certificatePem, PUBLIC_FILE);
}

/** What the renewal of certificates works with. */
export interface RenewalOptions {
  readonly settings: JoinSettings;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Renews the certificate of this node, for the same key, at 60 % of its validity, until `signal` aborts. A failed attempt is repeated with
 * backoff, also after the certificate has expired: the collector accepts a renewal for some days longer. Sessions read
 * the files again each time they connect.
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
    const reason = await renew(address, options);
    if (reason === undefined) {
      failures = 0;
      log.info({ nodeId: options.nodeId }, 'the certificate of this node was renewed');
      // To a clock that is far ahead each new certificate is due at once.
      await sleep(clock, CHECK_MS, signal);
    } else {
      log.warn({ reason }, 'the certificate of this node could not be renewed; the agent tries again');
      await sleep(clock, BACKOFF.baseMs + fullJitter(failures, BACKOFF, random), signal);
      failures += 1;
    }
  }
}

/** Why the certificate was not renewed; undefined: it was. */
async function renew(address: Address, { settings, nodeId }: RenewalOptions): Promise<string | undefined> {
  try {
    const { tlsCa, tlsCert, tlsKey } = settings;
    const [ca, own, ownKey] = [await readCertificate(tlsCa), await readCertificate(tlsCert), await readKey(tlsKey)];
    if (ca === undefined || own === undefined || ownKey === undefined)
      return `${tlsCa}, ${tlsCert} or ${tlsKey} is missing; join again with a new token`;
    // The same key: a crash must not leave a certificate and a key that do not match.
    const { csrPem } = await createSigningRequest(ownKey.pem);
    const issued = await requestRenewal(address, { ca: ca.pem, cert: own.pem, key: ownKey.pem }, csrPem);
    if (!issued.ok) return issued.reason;
    const problem = problemOfIssued(issued.value, { keyPem: ownKey.pem, nodeId, ca: ca.pem });
    if (problem !== undefined) return problem;
    await writeFileAtomic(tlsCert, issued.value.certificatePem, PUBLIC_FILE);
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
  return fromMs + RENEW_AT * (toMs - fromMs) - nowMs;
}

async function hasCertificate({ tlsCa, tlsCert, tlsKey }: JoinSettings, nodeId: string): Promise<boolean> {
  const [ca, own, key] = [await readCertificate(tlsCa), await readCertificate(tlsCert), await readKey(tlsKey)];
  if (ca === undefined || own === undefined || key === undefined) return false;
  const { certificate } = own;
  return (
    certificate.checkPrivateKey(key.key) &&
    certificate.verify(new X509Certificate(ca.pem).publicKey) &&
    certificate.subjectAltName === `URI:${nodeUri(nodeId)}`
  );
}

async function readToken({ joinToken, joinTokenFile }: JoinSettings): Promise<string> {
  if (joinTokenFile === 'off') return joinToken;
  try {
    // Non-blocking: a FIFO in its place must not stop the start.
    const file = await open(joinTokenFile, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw refused(`${joinTokenFile} is not a regular file`);
      const buffer = Buffer.alloc(MAX_TOKEN_BYTES + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      if (bytesRead > MAX_TOKEN_BYTES)
        throw refused(`${joinTokenFile} is longer than ${String(MAX_TOKEN_BYTES)} bytes; it must hold the token only`);
      return buffer.toString('latin1', 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof TlsError) throw error;
    throw refused(`${joinTokenFile} could not be read: ${errorCode(error)}`);
  }
}

/** Remembers the id of the token, its public part: the same setting after a restart is not a new token. */
function usedTokenPath({ tlsCert }: JoinSettings): string {
  return `${tlsCert}.joined`;
}

async function readUsedTokenId(settings: JoinSettings): Promise<string> {
  const text = await readFile(usedTokenPath(settings), 'latin1').catch(() => '');
  return text.slice(0, MAX_TOKEN_BYTES).trim();
}

function refused(reason: string): TlsError {
  return new TlsError('absent', `this node cannot join the fleet: ${reason}`);
}
