import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** Public keys of signers. */
export type PublicKeys =
  { readonly ok: true; readonly keys: readonly KeyObject[] } | { readonly ok: false; readonly reason: string };

const MAX_KEYS = 8;
const MAX_SIGNATURE = 4096;
const PEM = /-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]{1,4096}-----END PUBLIC KEY-----/g;

const signAsync = promisify(sign);
const verifyAsync = promisify(verify);

/**
 * The public keys of a PEM text, Ed25519 or ECDSA P-256: several while a key is replaced by the next. `reason` quotes
 * nothing of the text.
 */
export function parsePublicKeys(pem: string): PublicKeys {
  const blocks = pem.match(PEM) ?? [];
  if (blocks.length === 0 || blocks.length > MAX_KEYS)
    return { ok: false, reason: `expected 1 to ${String(MAX_KEYS)} public keys in PEM` };
  const keys: KeyObject[] = [];
  for (const block of blocks) {
    try {
      keys.push(createPublicKey(block));
    } catch {
      return { ok: false, reason: 'a public key is malformed' };
    }
  }
  return keys.every(isSupported)
    ? { ok: true, keys }
    : { ok: false, reason: 'a key is neither Ed25519 nor ECDSA P-256' };
}

function isSupported({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  return asymmetricKeyType === 'ed25519' || asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** The signature of `content` in base64, as `openssl pkeyutl -sign -rawin` makes it. Runs beside the main thread. */
export async function signDetached(content: Uint8Array, key: KeyObject): Promise<string> {
  return (await signAsync(hashOf(key), content, key)).toString('base64');
}

/** Whether `signature`, in base64, is one of `content` by one of the keys. Runs beside the main thread; never rejects. */
export async function verifyDetached(
  content: Uint8Array,
  signature: string,
  keys: readonly KeyObject[],
): Promise<boolean> {
  const text = signature.trim();
  if (text.length > MAX_SIGNATURE || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  for (const key of keys)
    if (await verifyAsync(hashOf(key), content, key, Buffer.from(text, 'base64')).catch(() => false)) return true;
  return false;
}

/** Ed25519 has a hash of its own. */
function hashOf({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType === 'ed25519' ? null : 'sha256';
}
