import { createHash, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** A public key that signatures are verified with. */
export interface SigningKey {
  /** SHA-256 of the key (SubjectPublicKeyInfo in DER), base64: the hint that cosign writes into bundles. */
  readonly fingerprint: string;
  /** Whether the signature over the data is one of this key. Never throws. */
  readonly verify: (data: Uint8Array, signature: Uint8Array) => boolean;
}

/** Outcome of {@link parsePublicKey}; `reason` quotes nothing of the text. */
export type ParsedKey =
  { readonly ok: true; readonly value: SigningKey } | { readonly ok: false; readonly reason: string };

const MAX_PEM = 16 * 1024;
const MIN_RSA_BITS = 2048;
/** A larger modulus makes each verification slow. */
const MAX_RSA_BITS = 8192;
/** Hashes that cosign uses with each curve: SHA-256 with all of them in versions 1 and 2, that of the curve in others. */
const CURVE_HASHES: ReadonlyMap<string, readonly string[]> = new Map([
  ['prime256v1', ['sha256']],
  ['secp384r1', ['sha256', 'sha384']],
  ['secp521r1', ['sha256', 'sha512']],
]);

/**
 * Parses a public key in PEM (`PUBLIC KEY`, as `cosign generate-key-pair` writes it): ECDSA on P-256, P-384 or P-521,
 * Ed25519, or RSA (PKCS #1 v1.5 with SHA-256) of 2,048 to 8,192 bits. Refuses private keys and anything else.
 */
export function parsePublicKey(pem: string): ParsedKey {
  if (pem.length > MAX_PEM) return refuse('the key is too large');
  if (/PRIVATE KEY-----/.test(pem)) return refuse('this is a private key: give the public one, such as cosign.pub');
  if (!/^\s*-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----\s*$/.test(pem))
    return refuse('it is not one public key in PEM');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    return refuse('the public key is damaged');
  }
  const hashes = hashesOf(key);
  if (typeof hashes === 'string') return refuse(hashes);
  const der = key.export({ type: 'spki', format: 'der' });
  return {
    ok: true,
    value: {
      fingerprint: createHash('sha256').update(der).digest('base64'),
      verify: (data, signature) => hashes.some((hash) => isSignature(hash, { key, data, signature })),
    },
  };
}

/** Hashes to try, null for a scheme with its own hash; otherwise why the key is refused. */
function hashesOf(key: KeyObject): readonly (string | null)[] | string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  if (type === 'ec') return CURVE_HASHES.get(namedCurve ?? '') ?? 'the curve of the key is not supported';
  if (type === 'ed25519') return [null];
  if (type !== 'rsa') return 'the type of the key is not supported';
  return modulusLength !== undefined && modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS
    ? ['sha256']
    : `an RSA key must have ${String(MIN_RSA_BITS)} to ${String(MAX_RSA_BITS)} bits`;
}

interface SignedData {
  readonly key: KeyObject;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

function isSignature(hash: string | null, { key, data, signature }: SignedData): boolean {
  try {
    return verify(hash, data, key, signature);
  } catch {
    return false;
  }
}

function refuse(reason: string): ParsedKey {
  return { ok: false, reason };
}
