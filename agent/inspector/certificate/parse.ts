import { X509Certificate } from 'node:crypto';
import type { CertificateFact } from '../../../posture/fact/certificates.ts';
import { certificateFacts } from '../../probe/certificate-facts.ts';
import { clip } from '../clip.ts';

/** What one file contributes; the path is left out. */
export type FileCertificate = Omit<CertificateFact, 'path'>;

/** The certificates of one file, and how many in it are not among them: not understood, or too many. */
export interface FileCertificates {
  readonly found: readonly FileCertificate[];
  readonly notUnderstood: number;
}

/** Certificates of one file that are looked at. A bundle of public authorities has some 140. */
const MAX_IN_FILE = 256;
const BEGIN = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const PEM =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[A-Za-z\d+/=\s]{1,65536}-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
/** In YAML, or in JSON, which is YAML as well. */
const IN_KUBECONFIG = /^[^#\n]*?client-certificate-data["']?[ \t]*:[ \t]*["']?([A-Za-z\d+/=]{16,65536})/gm;

/** The certificates of a PEM file (RFC 7468), and those that a kubeconfig gives to its users. */
export function parseCertificates(text: string): FileCertificates {
  const found: FileCertificate[] = [];
  let named = 0;
  const addAll = (part: string, kubeconfig: boolean): void => {
    named += Array.from(part.matchAll(BEGIN)).length;
    for (const [pem] of part.matchAll(PEM)) {
      const certificate = found.length < MAX_IN_FILE ? parseCertificate(pem, kubeconfig) : undefined;
      if (certificate !== undefined) found.push(certificate);
    }
  };
  addAll(text, false);
  for (const match of text.matchAll(IN_KUBECONFIG))
    addAll(Buffer.from(match[1] ?? '', 'base64').toString('latin1'), true);
  return { found, notUnderstood: named - found.length };
}

/** Does a kubeconfig hold a bootstrap token (`abcdef.0123456789abcdef`, kubeadm)? The token itself is not kept. */
export function hasBootstrapToken(text: string): boolean {
  return /^[ \t]*token:[ \t]*["']?[a-z\d]{6}\.[a-z\d]{16}["']?[ \t]*$/m.test(text);
}

function parseCertificate(pem: string, kubeconfig: boolean): FileCertificate | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return undefined;
  }
  const facts = certificateFacts(certificate.raw);
  if (facts === null) return undefined;
  const { subject, notBeforeMs, notAfterMs, keyType, keyBits, selfSigned } = facts;
  if (!Number.isSafeInteger(notBeforeMs) || !Number.isSafeInteger(notAfterMs)) return undefined;
  const organizations = (certificate.subject ?? '')
    .split('\n')
    .filter((line) => line.startsWith('O='))
    .slice(0, 16)
    .map((line) => clip(line.slice(2), 256));
  // Since Node.js 24.9.
  const signature = (certificate as { readonly signatureAlgorithm?: string }).signatureAlgorithm ?? '';
  return {
    subject,
    organizations,
    notBeforeMs,
    notAfterMs,
    keyType,
    keyBits,
    signature: clip(signature, 64),
    selfSigned,
    kubeconfig,
  };
}
