import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { webcrypto } from 'node:crypto';
import { ALGORITHM, certificateFor, generateKeyPair, loadX509 } from './issue.ts';
import type { Issuer } from './issue.ts';
import { nodeUri } from './node-identity.ts';
import type { NodeName } from './node-identity.ts';
import { TlsError } from './tls-error.ts';

/** A certificate signing request (PKCS#10, RFC 2986) and the private key that it is signed with, as PEM text. */
export interface SigningRequest {
  readonly csrPem: string;
  readonly keyPem: string;
}

/** A request for an EC P-256 key is about 400 bytes. */
export const MAX_CSR_LENGTH = 4096;

/** Characters of a name that an error quotes. */
const MAX_QUOTE = 120;

/** An enrolled node renews its certificate every day: one that was stolen is worth little for long. */
export const NODE_VALIDITY_MS = 86_400_000;

/**
 * A signing request for the private key `existingKeyPem`, or for a new key (EC P-256). The request names nobody: the issuer decides
 * the subject. Throws {@link TlsError} `invalid` for another kind of key.
 */
export async function createSigningRequest(existingKeyPem?: string): Promise<SigningRequest> {
  const x509 = await loadX509();
  const { keys, keyPem } = existingKeyPem === undefined ? await generateKeyPair() : await importKeyPair(existingKeyPem);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ALGORITHM });
  return { csrPem: `${request.toString('pem')}\n`, keyPem };
}

async function importKeyPair(keyPem: string): ReturnType<typeof generateKeyPair> {
  const { subtle } = globalThis.crypto;
  const key = createPrivateKey(keyPem);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new TlsError('invalid', 'the private key is not an EC P-256 key');
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const privateKey = await subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']);
  return { keys: { privateKey, publicKey: await subtle.importKey('spki', spki, ALGORITHM, true, ['verify']) }, keyPem };
}

/**
 * Issues a node certificate, in PEM, for the key of a signing request. It names `node`, which the caller has verified;
 * subject and extensions of the request are ignored. Throws {@link TlsError} `invalid` for a request that is malformed, not
 * signed by its own key, for another kind of key than EC P-256, or that asks for the URI of another node: agents ask for
 * no name at all, so somebody tries something.
 */
export async function signNodeRequest(csrPem: string, node: NodeName, issuer: Issuer, nowMs: number): Promise<string> {
  if (csrPem.length > MAX_CSR_LENGTH) throw invalid('it is too long');
  const x509 = await loadX509();
  const { publicKey, uris } = await verifiedRequest(x509, csrPem);
  const own = nodeUri(node);
  const other = uris.find((uri) => uri !== own);
  if (other !== undefined)
    throw invalid(`it asks for the identity ${JSON.stringify(other.slice(0, MAX_QUOTE))}, and its sender is ${own}`);
  return certificateFor({ kind: 'node', ...node }, { publicKey, issuer, nowMs, validityMs: NODE_VALIDITY_MS });
}

/** SHA-256 of the public key (SubjectPublicKeyInfo, DER) of a certificate: `sha256:` and 64 hexadecimal digits. */
export function publicKeyPin(certificatePem: string): string {
  const der = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

/** The key of a request, and the URI names that it asks for. */
async function verifiedRequest(
  x509: Awaited<ReturnType<typeof loadX509>>,
  csrPem: string,
): Promise<{ readonly publicKey: webcrypto.CryptoKey; readonly uris: readonly string[] }> {
  try {
    const request = new x509.Pkcs10CertificateRequest(csrPem);
    // Fails for every key that is not on this curve.
    const key = await request.publicKey.export(ALGORITHM, ['verify']);
    const uris = request.extensions
      .filter((extension) => extension instanceof x509.SubjectAlternativeNameExtension)
      .flatMap(({ names }) => names.items)
      .filter(({ type }) => type === 'url')
      .map(({ value }) => value);
    if (await request.verify()) return { publicKey: key, uris };
  } catch (cause) {
    throw new TlsError(
      'invalid',
      'the signing request cannot be used: it is not a PKCS#10 request for an EC P-256 key',
      {
        cause,
      },
    );
  }
  throw invalid('its signature is wrong');
}

function invalid(reason: string): TlsError {
  return new TlsError('invalid', `the signing request cannot be used: ${reason}`);
}
