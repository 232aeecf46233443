import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A certificate with its key, as PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Days from now of the validity of every certificate made here. */
export const VALID_DAYS = 40;

type Algorithm = 'ec' | 'rsa';
const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
} as const;

async function keyPair(algorithm: Algorithm): Promise<{ keys: webcrypto.CryptoKeyPair; pem: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHMS[algorithm], true, ['sign', 'verify']);
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { keys, pem: PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

/** A CA `CN=test ca` and a server certificate `CN=node-1, O=Example` of it for loopback. */
export async function makeCredentials(algorithm: Algorithm): Promise<{ ca: string; server: Credentials }> {
  const notAfter = new Date(Date.now() + VALID_DAYS * 86_400_000);
  const authority = await keyPair(algorithm);
  const ca = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=test ca',
    notBefore: new Date(0),
    notAfter,
    signingAlgorithm: ALGORITHMS[algorithm],
    keys: authority.keys,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  const server = await keyPair(algorithm);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: '02',
    subject: 'O=Example, CN=node-1',
    issuer: ca.subject,
    notBefore: new Date(0),
    notAfter,
    signingAlgorithm: ALGORITHMS[algorithm],
    publicKey: server.keys.publicKey,
    signingKey: authority.keys.privateKey,
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'ip', value: '127.0.0.1' },
        { type: 'dns', value: 'localhost' },
      ]),
    ],
  });
  return { ca: ca.toString('pem'), server: { cert: certificate.toString('pem'), key: server.pem } };
}
