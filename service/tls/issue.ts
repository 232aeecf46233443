import { randomBytes } from 'node:crypto';
import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type * as X509 from '@peculiar/x509';
import { nodeUri } from './node-identity.ts';
import type { NodeName } from './node-identity.ts';

/** A certificate and its private key, as PEM text. */
export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Who signs. */
export interface Issuer {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Who a certificate is for. */
export type CertificateSubject =
  | { readonly kind: 'authority' }
  /** `isClient`: for its own requests too. */
  | { readonly kind: 'server'; readonly names: readonly string[]; readonly isClient?: boolean }
  | ({ readonly kind: 'node' } & Pick<NodeName, 'nodeId'> & Partial<NodeName>);

const YEAR_MS = 365 * 86_400_000;
/** Default validity by kind. */
const VALIDITY_MS = Object.freeze({ authority: 10 * YEAR_MS, server: YEAR_MS, node: YEAR_MS });
/** Certificates are valid from a little earlier, for machines whose clock is behind. */
export const CLOCK_SKEW_MS = 5 * 60_000;

/** EC P-256 with SHA-256, for every key and signature. */
export const ALGORITHM = Object.freeze({ name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' });

/**
 * Makes a key (EC P-256) and a certificate for it, signed by `issuer`, or self-signed for an authority. Validity starts
 * at `nowMs`.
 */
export async function issueCertificate(
  subject: CertificateSubject,
  issuer: Issuer | undefined,
  nowMs: number,
): Promise<Issued> {
  const { keys, keyPem } = await generateKeyPair();
  const certificatePem = await certificateFor(subject, {
    publicKey: keys.publicKey,
    issuer: issuer ?? keys.privateKey,
    nowMs,
  });
  return { certificatePem, keyPem };
}

/** Generates a key (EC P-256), also as PEM text. */
export async function generateKeyPair(): Promise<{
  readonly keys: webcrypto.CryptoKeyPair;
  readonly keyPem: string;
}> {
  const { subtle } = globalThis.crypto;
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return { keys, keyPem: pem('PRIVATE KEY', Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey))) };
}

/** The library for certificates, loaded on demand: most starts of the program issue nothing. */
export async function loadX509(): Promise<typeof X509> {
  // It needs this import before it.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** What a certificate is made from; a private key as `issuer` makes it sign itself. */
interface CertificateSource {
  readonly publicKey: webcrypto.CryptoKey;
  readonly issuer: Issuer | webcrypto.CryptoKey;
  readonly nowMs: number;
  /** Default: {@link VALIDITY_MS}. */
  readonly validityMs?: number;
}

/** Makes a certificate for a public key, as PEM. */
export async function certificateFor(
  subject: CertificateSubject,
  { publicKey, issuer, nowMs, validityMs = VALIDITY_MS[subject.kind] }: CertificateSource,
): Promise<string> {
  const x509 = await loadX509();
  const signer = 'certificatePem' in issuer ? await readIssuer(x509, issuer) : undefined;
  const name = [{ CN: [commonName(subject)] }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name,
    // An authority is its own issuer.
    issuer: signer === undefined ? name : signer.certificate.subject,
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs + validityMs),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: signer === undefined ? (issuer as webcrypto.CryptoKey) : signer.key,
    extensions: [
      ...extensionsOf(x509, subject),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(signer?.certificate.publicKey ?? publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

async function readIssuer(x509: typeof X509, { certificatePem, keyPem }: Issuer) {
  const der = Buffer.from(keyPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const key = await globalThis.crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  return { key, certificate: new x509.X509Certificate(certificatePem) };
}

function extensionsOf(x509: typeof X509, subject: CertificateSubject) {
  const { KeyUsageFlags, ExtendedKeyUsage } = x509;
  const leaf = (...usages: readonly string[]) => [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([...usages]),
  ];
  switch (subject.kind) {
    case 'authority':
      return [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ];
    case 'server': {
      const names = subject.names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
      const usages = [ExtendedKeyUsage.serverAuth, ...(subject.isClient === true ? [ExtendedKeyUsage.clientAuth] : [])];
      return [...leaf(...usages), new x509.SubjectAlternativeNameExtension(names)];
    }
    case 'node': {
      const { nodeId, clusterId = '', nodeName = '' } = subject;
      const uri = { type: 'url', value: nodeUri({ nodeId, clusterId }) } as const;
      const names = nodeName === '' ? [uri] : [uri, { type: 'dns', value: nodeName } as const];
      return [...leaf(ExtendedKeyUsage.clientAuth), new x509.SubjectAlternativeNameExtension(names)];
    }
  }
}

/** For people only; at most 64 characters (RFC 5280, ub-common-name). */
function commonName(subject: CertificateSubject): string {
  switch (subject.kind) {
    case 'authority':
      return `Plimsoll authority ${randomBytes(4).toString('hex')}`;
    case 'server':
      return 'Plimsoll collector';
    case 'node':
      return `Plimsoll node ${subject.nodeName || subject.nodeId}`.slice(0, 64);
  }
}

/** 16 random bytes, positive (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

/** PEM text of DER bytes (RFC 7468). */
function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
