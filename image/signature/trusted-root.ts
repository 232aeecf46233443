import type { Bundle } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { PolicyError, toSignedEntity, toTrustMaterial, VerificationError, Verifier } from '@sigstore/verify';
import type { Signer } from '@sigstore/verify';
import { parseStrictJson } from '../../policy/strict-json.ts';

/** Verifies signatures with short-lived certificates against one pinned trust root. */
export interface KeylessVerifier {
  /** Who signed the bundle. `artifact`: what a message signature is over. Never throws. */
  readonly verify: (bundle: Bundle, artifact: Buffer | undefined) => KeylessResult;
}

/** Who signed, or why that is not proved. `otherRoot`: the certificate is not one of this trust root. */
export type KeylessResult =
  | { readonly state: 'signed'; readonly identity: string; readonly issuer: string }
  | { readonly state: 'otherRoot' }
  | { readonly state: 'invalid'; readonly reason: string };

/** Outcome of {@link parseTrustedRoot}; `reason` quotes nothing. */
export type ParsedTrustedRoot =
  { readonly ok: true; readonly value: KeylessVerifier } | { readonly ok: false; readonly reason: string };

const MAX_BYTES = 1024 * 1024;

/**
 * Reads a trusted root of Sigstore (`trusted_root.json`, protobuf-specs). It must have at least one certificate
 * authority (Fulcio), one transparency log (Rekor) and one certificate transparency log: a signature counts only with a
 * certificate of that authority whose issue was logged, an entry in the log, and a signed time in which the
 * certificate was valid.
 */
export function parseTrustedRoot(bytes: Uint8Array): ParsedTrustedRoot {
  if (bytes.length > MAX_BYTES) return { ok: false, reason: 'the trusted root is larger than 1 MiB' };
  const json = parseStrictJson(bytes);
  if (!json.ok) return { ok: false, reason: `the trusted root is not valid: ${json.problem}` };
  try {
    const root = TrustedRoot.fromJSON(json.value);
    if (!root.mediaType.startsWith('application/vnd.dev.sigstore.trustedroot'))
      return { ok: false, reason: 'this is no trusted root of Sigstore' };
    for (const [name, entries] of [
      ['certificate authority', root.certificateAuthorities],
      ['transparency log', root.tlogs],
      ['certificate transparency log', root.ctlogs],
    ] as const)
      if (entries.length === 0) return { ok: false, reason: `the trusted root has no ${name}` };
    const verifier = new Verifier(toTrustMaterial(root), {
      tlogThreshold: 1,
      ctlogThreshold: 1,
      timestampThreshold: 1,
    });
    return { ok: true, value: { verify: (bundle, artifact) => verifyBundle(verifier, bundle, artifact) } };
  } catch {
    return { ok: false, reason: 'the trusted root is not valid' };
  }
}

function verifyBundle(verifier: Verifier, bundle: Bundle, artifact: Buffer | undefined): KeylessResult {
  let signer: Signer;
  try {
    signer = verifier.verify(toSignedEntity(bundle, artifact));
  } catch (error) {
    return resultOf(error);
  }
  const identity = signer.identity?.subjectAlternativeName ?? '';
  const issuer = signer.identity?.extensions?.issuer ?? '';
  if (identity === '' || issuer === '')
    return { state: 'invalid', reason: 'the certificate names no identity or no issuer' };
  return { state: 'signed', identity, issuer };
}

const LOG_ENTRY = 'the entry of the transparency log does not verify';

/** What the codes of the library mean. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['SIGNATURE_ERROR', 'the signature does not verify with its certificate'],
  ['TIMESTAMP_ERROR', 'the time of the signature is not proved'],
  ['TLOG_BODY_ERROR', LOG_ENTRY],
  ['TLOG_ERROR', LOG_ENTRY],
  ['TLOG_INCLUSION_PROMISE_ERROR', LOG_ENTRY],
  ['TLOG_INCLUSION_PROOF_ERROR', LOG_ENTRY],
  ['TLOG_MISSING_INCLUSION_ERROR', LOG_ENTRY],
]);

function resultOf(error: unknown): KeylessResult {
  const code = error instanceof VerificationError || error instanceof PolicyError ? error.code : '';
  if (code === 'CERTIFICATE_ERROR' || code === 'PUBLIC_KEY_ERROR') return { state: 'otherRoot' };
  // The library throws other errors for hostile certificates and entries.
  return { state: 'invalid', reason: REASONS.get(code) ?? 'the signature cannot be verified' };
}
