import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { errorCode, makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../files.ts';
import { issueCertificate } from './issue.ts';
import { nodeIdentity } from './node-identity.ts';
import type { CertificateSubject, Issued, Issuer } from './issue.ts';
import { readCertificate, readKey } from './pem-file.ts';
import type { CertificateFile, KeyFile } from './pem-file.ts';
import { TlsError } from './tls-error.ts';

/** The authority of one fleet: whoever holds it decides which node is which. */
export interface Authority extends Issuer {
  /** Where it is kept: `<data-dir>/tls`. */
  readonly directory: string;
}

/** Certificates are public. */
const PUBLIC_FILE = 0o644;
/** A leaf with less than this share of its time left is made anew at start. */
const RENEW_BELOW = 0.3;

/**
 * The authority in `directory` (`ca.pem`, `ca-key.pem`), created there if absent. Throws {@link TlsError} for one
 * that cannot be used; it is never replaced, since every node trusts it.
 */
export async function ensureAuthority(directory: string, nowMs: number): Promise<Authority> {
  await ensureDirectory(directory);
  const [certificatePath, keyPath] = [join(directory, 'ca.pem'), join(directory, 'ca-key.pem')];
  const [certificate, key] = [await readCertificate(certificatePath), await readKey(keyPath)];
  // A key without a certificate is what a crash in the middle of the first start leaves; nobody trusts it yet.
  if (certificate === undefined) {
    const issued = await issueCertificate({ kind: 'authority' }, undefined, nowMs);
    await writePair(certificatePath, keyPath, issued);
    return { directory, ...issued };
  }
  if (key === undefined)
    throw new TlsError(
      'absent',
      `${keyPath} is missing: restore it, or remove ${certificatePath} to make a new authority; ` +
        `then every node needs a new certificate`,
    );
  if (!certificate.certificate.ca)
    throw new TlsError('invalid', `${certificatePath} is no certificate of an authority`);
  if (!certificate.certificate.checkPrivateKey(key.key))
    throw new TlsError('mismatch', `${keyPath} is not the key of ${certificatePath}`);
  if (Date.parse(certificate.certificate.validTo) <= nowMs)
    throw new TlsError('expired', `${certificatePath} expired on ${certificate.certificate.validTo}`);
  return { directory, certificatePem: certificate.pem, keyPem: key.pem };
}

/**
 * Sees to it that `collector.pem` and `collector-key.pem` are there and good for every one of `names` (host names and
 * addresses), for long enough. Answers true if they were made anew.
 */
export async function ensureServerCertificate(
  authority: Authority,
  names: readonly string[],
  nowMs: number,
): Promise<boolean> {
  return ensureLeaf(authority, { name: 'collector', subject: { kind: 'server', names }, nowMs });
}

/**
 * Sees to it that `agent.pem` and `agent-key.pem` are there, name this node and last for long enough: for an agent on
 * the collector's own machine. Answers true if they were made anew.
 */
export async function ensureNodeCertificate(authority: Authority, nodeId: string, nowMs: number): Promise<boolean> {
  return ensureLeaf(authority, { name: 'agent', subject: { kind: 'node', nodeId }, nowMs });
}

/** Names under which a collector that listens on `listenHost` can be reached from its own machine, and `further`. */
export function serverNames(listenHost: string, hostName: string, further: readonly string[]): readonly string[] {
  const wildcard = listenHost === '0.0.0.0' || listenHost === '::';
  const names = ['localhost', '127.0.0.1', '::1', hostName, ...(wildcard ? [] : [listenHost]), ...further];
  return [...new Set(names.filter((name) => name !== ''))];
}

interface Leaf {
  readonly name: string;
  readonly subject: Exclude<CertificateSubject, { readonly kind: 'authority' }>;
  readonly nowMs: number;
}

async function ensureLeaf(authority: Authority, { name, subject, nowMs }: Leaf): Promise<boolean> {
  const certificatePath = join(authority.directory, `${name}.pem`);
  const keyPath = join(authority.directory, `${name}-key.pem`);
  const [certificate, key] = [await readCertificate(certificatePath), await readKey(keyPath)];
  if (certificate !== undefined && key !== undefined && isGood(authority, { certificate, key, subject, nowMs }))
    return false;
  await writePair(certificatePath, keyPath, await issueCertificate(subject, authority, nowMs));
  return true;
}

interface Kept {
  readonly certificate: CertificateFile;
  readonly key: KeyFile;
  readonly subject: Leaf['subject'];
  readonly nowMs: number;
}

function isGood(authority: Authority, { certificate: { certificate }, key, subject, nowMs }: Kept): boolean {
  const [fromMs, untilMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (nowMs < fromMs || untilMs - nowMs < RENEW_BELOW * (untilMs - fromMs)) return false;
  if (!certificate.checkPrivateKey(key.key)) return false;
  if (!certificate.verify(new X509Certificate(authority.certificatePem).publicKey)) return false;
  if (subject.kind === 'node') {
    const identity = nodeIdentity(certificate.raw);
    return identity.ok && identity.nodeId === subject.nodeId;
  }
  return subject.names.every(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
  );
}

/** Writes the key first: a certificate is never there without its key. */
async function writePair(certificatePath: string, keyPath: string, issued: Issued): Promise<void> {
  try {
    await writeFileAtomic(keyPath, issued.keyPem, PRIVATE_FILE);
    await writeFileAtomic(certificatePath, issued.certificatePem, PUBLIC_FILE);
  } catch (cause) {
    throw new TlsError('unreadable', `${certificatePath} could not be written: ${errorCode(cause)}`, { cause });
  }
}

async function ensureDirectory(directory: string): Promise<void> {
  try {
    await makePrivateDirectory(directory);
    const { mode } = await stat(directory);
    if ((mode & 0o022) === 0) return;
  } catch (cause) {
    throw new TlsError('unreadable', `${directory} could not be made: ${errorCode(cause)}`, { cause });
  }
  throw new TlsError(
    'exposed',
    `others can write in ${directory}, and so replace its keys; run: chmod 700 ${directory}`,
  );
}
