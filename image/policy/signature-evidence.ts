import { seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { SignatureEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { authorityId } from '../../policy/rule/signature.ts';
import type { Authority } from '../../policy/rule/signature.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { parsePublicKey } from '../signature/public-key.ts';
import { parseTrustedRoot } from '../signature/trusted-root.ts';
import { verifySignatures } from '../signature/verify-signatures.ts';
import type { SignatureAuthority } from '../signature/verify-signatures.ts';
import { readBoundedFile } from './bounded-text.ts';

/** Whose signatures are looked for on which image. */
export interface SignatureLookup {
  readonly client: RegistryClient;
  /** Path of the repository. */
  readonly path: string;
  readonly digest: string;
  readonly authorities: readonly Authority[];
}

const DEADLINE_MS = 60_000;
const MAX_ROOT_BYTES = 1024 * 1024;

/** The authorities of all rules about signatures, each once. */
export function authoritiesOf(policies: readonly ImagePolicy[]): readonly Authority[] {
  const found = new Map<string, Authority>();
  for (const { rules } of policies)
    for (const rule of rules)
      if (rule.type === 'signature') for (const one of rule.authorities) found.set(authorityId(one), one);
  return [...found.values()];
}

/**
 * Looks for the signatures of an image. An authority whose key or trusted root cannot be used is answered `unknown` with
 * the reason. Never rejects.
 */
export async function lookUpSignatures(lookup: SignatureLookup): Promise<Observed<readonly SignatureEvidence[]>> {
  const { client, path, digest } = lookup;
  if (lookup.authorities.length === 0) return unreadable('registry', 'no policy asks for a signature');
  const results: SignatureEvidence[] = [];
  const usable: SignatureAuthority[] = [];
  for (const authority of lookup.authorities) {
    const prepared = await prepare(authority);
    if (typeof prepared === 'string')
      results.push({ authority: authorityId(authority), result: { state: 'unknown', reason: prepared } });
    else usable.push(prepared);
  }
  if (usable.length > 0)
    results.push(...(await verifySignatures({ client, path, digest, deadlineMs: DEADLINE_MS, authorities: usable })));
  return seen(results, 'registry');
}

/** The authority with its key or trusted root, or why it cannot be used. */
async function prepare(authority: Authority): Promise<SignatureAuthority | string> {
  const id = authorityId(authority);
  const { key, keyless } = authority;
  if (keyless === null) {
    const parsed = parsePublicKey(key?.pem ?? '');
    return parsed.ok ? { id, kind: 'key', key: parsed.value } : parsed.reason;
  }
  const root = await readBoundedFile(keyless.trustedRoot, MAX_ROOT_BYTES);
  if (!root.ok) return `the trusted root ${root.reason}`;
  const parsed = parseTrustedRoot(root.bytes);
  if (!parsed.ok) return parsed.reason;
  return { id, kind: 'keyless', verifier: parsed.value, issuer: keyless.issuer, identity: keyless.identity };
}
