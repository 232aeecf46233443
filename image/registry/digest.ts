import { createHash } from 'node:crypto';
import { isDigest } from '../../policy/reference.ts';

/** Computes the digest of content that arrives in parts. */
export interface DigestVerifier {
  readonly update: (part: Uint8Array) => void;
  /** Whether what was given is exactly what the digest names. Call once. */
  readonly matches: () => boolean;
}

/** Verifies content against `sha256:…`, `sha384:…` or `sha512:…`; undefined where the text is no such digest. */
export function verifyDigest(digest: string): DigestVerifier | undefined {
  if (!isDigest(digest)) return undefined;
  const [algorithm = '', expected] = digest.split(':');
  const hash = createHash(algorithm);
  return {
    update: (part) => void hash.update(part),
    matches: () => hash.digest('hex') === expected,
  };
}

/** `sha256:…` of the bytes. */
export function sha256Digest(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
