import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { errorCode } from '../files.ts';
import { TlsError } from './tls-error.ts';

/** A chain of certificates is a few KiB; what is longer is no PEM file of ours. */
const MAX_PEM_BYTES = 256 * 1024;

/** Certificates as read from a file: the PEM text, whole, the first certificate and all of them. */
export interface CertificateFile {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly all: readonly X509Certificate[];
}

/** A private key as read from a file. */
export interface KeyFile {
  readonly pem: string;
  readonly key: KeyObject;
}

/** Certificates in one file: two CAs during a rotation, and the chains of others. */
const MAX_CERTIFICATES = 16;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]{1,65536}-----END CERTIFICATE-----/g;

/** The certificates in a PEM text, in order. Throws if one of them is not valid, or if the text has none. */
export function parseCertificates(pem: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [first = '', ...more] = (pem.match(CERTIFICATE) ?? []).slice(0, MAX_CERTIFICATES);
  return [new X509Certificate(first), ...more.map((block) => new X509Certificate(block))];
}

/** Reads certificates; undefined where there is no file; throws {@link TlsError}. */
export async function readCertificate(path: string): Promise<CertificateFile | undefined> {
  const pem = await readPem(path, false);
  if (pem === undefined) return undefined;
  try {
    const all = parseCertificates(pem);
    return { pem, certificate: all[0], all };
  } catch (cause) {
    throw new TlsError('invalid', `${path} holds no certificate in PEM`, { cause });
  }
}

/**
 * Reads a private key; undefined where there is no file; throws {@link TlsError}, also for a key that anyone but its
 * owner can read: it must be taken for stolen.
 */
export async function readKey(path: string): Promise<KeyFile | undefined> {
  const pem = await readPem(path, true);
  if (pem === undefined) return undefined;
  try {
    return { pem, key: createPrivateKey(pem) };
  } catch (cause) {
    throw new TlsError('invalid', `${path} holds no private key in PEM, or one with a passphrase`, { cause });
  }
}

async function readPem(path: string, secret: boolean): Promise<string | undefined> {
  try {
    // Non-blocking, so that a FIFO in its place cannot hold us up.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new TlsError('invalid', `${path} is no regular file`);
      if (secret && (stat.mode & 0o077) !== 0) throw exposed(path, stat.mode);
      const buffer = Buffer.alloc(MAX_PEM_BYTES + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      if (bytesRead > MAX_PEM_BYTES) throw new TlsError('invalid', `${path} is longer than a PEM file should be`);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof TlsError) throw cause;
    const code = errorCode(cause);
    if (code === 'ENOENT') return undefined;
    throw new TlsError('unreadable', `${path} could not be read: ${code}`, { cause });
  }
}

function exposed(path: string, mode: number): TlsError {
  const text = (mode & 0o7777).toString(8).padStart(4, '0');
  return new TlsError(
    'exposed',
    `${path} has mode ${text}: others than its owner can read this private key. ` +
      `If nobody did, run: chmod 600 ${path} — otherwise remove it, and a new one is made.`,
  );
}
