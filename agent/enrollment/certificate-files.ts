import { constants, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode, makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import { nodeIdentity } from '../../service/tls/node-identity.ts';
import type { NodeName } from '../../service/tls/node-identity.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { IssuedCertificate } from './enrollment-client.ts';

/** Where the agent keeps its certificate, its key and the CAs that it trusts. */
export type CertificatePaths = Pick<Settings, 'tlsCa' | 'tlsCert' | 'tlsKey'>;

/** A certificate that this node has already. */
export interface KeptCertificate {
  readonly node: NodeName;
  readonly validToMs: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Certificates are public. */
export const PUBLIC_FILE = 0o644;

/** Reads the certificate of this node; undefined where the files are missing or do not belong together. */
export async function readKeptCertificate(paths: CertificatePaths): Promise<KeptCertificate | undefined> {
  const { tlsCa, tlsCert, tlsKey } = paths;
  const [ca, own, key] = [await readCertificate(tlsCa), await readCertificate(tlsCert), await readKey(tlsKey)];
  if (ca === undefined || own === undefined || key === undefined) return undefined;
  const { certificate } = own;
  if (!certificate.checkPrivateKey(key.key)) return undefined;
  if (!ca.all.some(({ publicKey }) => certificate.verify(publicKey))) return undefined;
  const identity = nodeIdentity(certificate.raw);
  if (!identity.ok) return undefined;
  const { nodeId, clusterId, nodeName, validToMs } = identity;
  return { node: { nodeId, clusterId, nodeName }, validToMs, ca: ca.pem, cert: own.pem, key: key.pem };
}

/**
 * Path of the certificate that this node presents: the last one, or the one before its renewal where the last is not valid
 * yet. A clock that is ahead for a while gets certificates that begin later than the one that they replace.
 */
export async function findValidCertificate(tlsCert: string, nowMs: number): Promise<string> {
  const own = await readCertificate(tlsCert);
  if (own === undefined || Date.parse(own.certificate.validFrom) <= nowMs) return tlsCert;
  const previous = await readCertificate(previousPath(tlsCert)).catch(() => undefined);
  if (previous === undefined || !own.certificate.publicKey.equals(previous.certificate.publicKey)) return tlsCert;
  const [fromMs, toMs] = [Date.parse(previous.certificate.validFrom), Date.parse(previous.certificate.validTo)];
  return fromMs <= nowMs && nowMs < toMs ? previousPath(tlsCert) : tlsCert;
}

/** Replaces the certificate in `tlsCert` and keeps the one that was presented, `presentedPem`. */
export async function replaceCertificate(tlsCert: string, presentedPem: string, certificatePem: string): Promise<void> {
  await writeFileAtomic(previousPath(tlsCert), presentedPem, PUBLIC_FILE);
  await writeFileAtomic(tlsCert, certificatePem, PUBLIC_FILE);
}

function previousPath(tlsCert: string): string {
  return `${tlsCert}.previous`;
}

/** Writes a new certificate. The certificate comes last: it is never there without its key and CA. */
export async function writeCertificate(
  { tlsCa, tlsCert, tlsKey }: CertificatePaths,
  { certificatePem, authorityPem }: IssuedCertificate,
  keyPem: string,
): Promise<void> {
  await makePrivateDirectory(dirname(tlsCa));
  await writeFileAtomic(tlsCa, authorityPem, PUBLIC_FILE);
  await writeFileAtomic(tlsKey, keyPem, PRIVATE_FILE);
  await writeFileAtomic(tlsCert, certificatePem, PUBLIC_FILE);
}

/**
 * Reads a file with a token, without white space around it. Throws {@link TlsError} for a file that cannot be read, is
 * not a regular file, or is longer than `maxBytes`. Links are followed: projected volumes consist of them.
 */
export async function readTokenFile(path: string, maxBytes: number): Promise<string> {
  const unusable = (reason: string): TlsError => new TlsError('unreadable', `${path} ${reason}`);
  try {
    // Non-blocking: a FIFO in its place must not stop the start.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw unusable('is not a regular file');
      const buffer = Buffer.alloc(maxBytes + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      if (bytesRead > maxBytes) throw unusable(`is longer than ${String(maxBytes)} bytes; it must hold the token only`);
      return buffer.toString('latin1', 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof TlsError) throw error;
    throw unusable(`could not be read: ${errorCode(error)}`);
  }
}
