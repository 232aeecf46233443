import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Probe } from '../../posture/fact/listener.ts';

const MAX_NAME_LENGTH = 1024;

/** Sizes of the curves whose names do not say it (SEC 2, X9.62). */
const CURVE_BITS: ReadonlyMap<string, number> = new Map([['prime256v1', 256]]);

/** The facts of a server's certificate; null where the bytes are not a certificate. */
export function certificateFacts(der: Buffer | undefined): Probe['certificate'] {
  if (der === undefined) return null;
  try {
    const certificate = new X509Certificate(der);
    const { publicKey } = certificate;
    return {
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
      keyType: publicKey.asymmetricKeyType ?? 'unknown',
      keyBits: bitsOf(publicKey),
      selfSigned: certificate.issuer === certificate.subject && certificate.verify(publicKey),
    };
  } catch {
    return null;
  }
}

// X509Certificate prints one attribute a line: `O=Example\nCN=node-1`.
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ').slice(0, MAX_NAME_LENGTH);
}

function bitsOf(key: KeyObject): number {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return modulusLength;
  if (namedCurve === undefined) return 0;
  return CURVE_BITS.get(namedCurve) ?? Number(/\d{3}/.exec(namedCurve)?.[0] ?? 0);
}
