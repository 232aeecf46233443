import type { Bundle } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { PolicyError, toSignedEntity, toTrustMaterial, VerificationError, Verifier } from '@sigstore/verify';
import type { SignedEntity, Signer } from '@sigstore/verify';
import { createHash, timingSafeEqual } from 'node:crypto';
import * as s from '../../posture/schema.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';
import { preAuthEncoding } from './sigstore-bundle.ts';

/** Verifies signatures with short-lived certificates against one pinned trust root. */
export interface KeylessVerifier {
  /** Who signed the bundle. `artifact`: what a message signature is over. Never throws. */
  readonly verify: (bundle: Bundle, artifact: Buffer | undefined) => KeylessResult;
}

/**
 * Who signed, or why that is not proved. `otherRoot`: the certificate is not one of this trust root. `unsupported`: the
 * entry is in the log, and of a kind that cannot be verified here.
 */
export type KeylessResult =
  | { readonly state: 'signed'; readonly identity: string; readonly issuer: string }
  | { readonly state: 'otherRoot' }
  | { readonly state: 'unsupported'; readonly reason: string }
  | { readonly state: 'invalid'; readonly reason: string };

/** Outcome of {@link parseTrustedRoot}; `reason` quotes nothing. */
export type ParsedTrustedRoot =
  { readonly ok: true; readonly value: KeylessVerifier } | { readonly ok: false; readonly reason: string };

const MAX_BYTES = 1024 * 1024;

/**
 * Reads a trusted root of Sigstore (`trusted_root.json`, protobuf-specs). It must have at least one certificate
 * authority (Fulcio), one transparency log (Rekor) and one certificate transparency log: a signature counts only with a
 * certificate of that authority whose issue was logged, an entry in the log, and a signed time in which the
 * certificate was valid. Every authority and log must say since when it is valid, and may say until when.
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
    const problem = validityProblem(root);
    if (problem !== undefined) return { ok: false, reason: problem };
    return { ok: true, value: { verify: (bundle, artifact) => verifyBundle(verifier, bundle, artifact) } };
  } catch {
    return { ok: false, reason: 'the trusted root is not valid' };
  }
}

/** The library takes a start that is missing for the beginning of time, and never compares the two. */
function validityProblem(root: TrustedRoot): string | undefined {
  const periods = [
    ...root.tlogs.map(({ publicKey }) => ['transparency log', publicKey?.validFor] as const),
    ...root.ctlogs.map(({ publicKey }) => ['certificate transparency log', publicKey?.validFor] as const),
    ...root.certificateAuthorities.map(({ validFor }) => ['certificate authority', validFor] as const),
    ...root.timestampAuthorities.map(({ validFor }) => ['timestamp authority', validFor] as const),
  ];
  for (const [name, validFor] of periods) {
    const { start, end } = validFor ?? {};
    if (start === undefined) return `a ${name} of the trusted root does not say since when it is valid`;
    if (Number.isNaN(start.getTime()) || (end !== undefined && !(end.getTime() >= start.getTime())))
      return `a ${name} of the trusted root has no valid period of validity`;
  }
  return undefined;
}

function verifyBundle(verifier: Verifier, bundle: Bundle, artifact: Buffer | undefined): KeylessResult {
  let signer: Signer;
  try {
    signer = verifier.verify(entityOf(bundle, artifact));
  } catch (error) {
    return resultOf(error, bundle);
  }
  const identity = signer.identity?.subjectAlternativeName ?? '';
  const issuer = signer.identity?.extensions?.issuer ?? '';
  if (identity === '' || issuer === '')
    return { state: 'invalid', reason: 'the certificate names no identity or no issuer' };
  return { state: 'signed', identity, issuer };
}

/**
 * What the library verifies. Rekor 2 logs an envelope (DSSE) as `hashedrekord` with the SHA-256 of the bytes that are
 * signed, its pre-authentication encoding; the library would compare that with the SHA-256 of the payload.
 */
function entityOf(bundle: Bundle, artifact: Buffer | undefined): SignedEntity {
  const entity = toSignedEntity(bundle, artifact);
  const { signature } = entity;
  if (bundle.content.$case !== 'dsseEnvelope' || bundle.content.dsseEnvelope.signatures.length !== 1) return entity;
  if (!entity.tlogEntries.every(({ kindVersion }) => kindVersion.kind === 'hashedrekord')) return entity;
  const signedDigest = createHash('sha256').update(preAuthEncoding(bundle.content.dsseEnvelope)).digest();
  return {
    ...entity,
    signature: {
      signature: signature.signature,
      compareSignature: (bytes) => signature.compareSignature(bytes),
      compareDigest: (digest) => digest.length === signedDigest.length && timingSafeEqual(digest, signedDigest),
      verifySignature: (key) => signature.verifySignature(key),
    },
  };
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

function resultOf(error: unknown, bundle: Bundle): KeylessResult {
  const code = error instanceof VerificationError || error instanceof PolicyError ? error.code : '';
  if (code === 'CERTIFICATE_ERROR' || code === 'PUBLIC_KEY_ERROR') return { state: 'otherRoot' };
  // By then the certificate is proved, and that the entry is in the log.
  if (code === 'TLOG_BODY_ERROR' && bundle.verificationMaterial.tlogEntries.some(isUnsupported))
    return {
      state: 'unsupported',
      reason:
        'a signature is not supported: its entry in the transparency log is of another kind than those that can be verified',
    };
  // The library throws other errors for hostile certificates and entries.
  return { state: 'invalid', reason: REASONS.get(code) ?? 'the signature cannot be verified' };
}

/** Kinds and versions of entries that the library verifies. */
const ENTRY_KINDS: ReadonlySet<string> = new Set([
  'hashedrekord 0.0.1',
  'hashedrekord 0.0.2',
  'dsse 0.0.1',
  'dsse 0.0.2',
  'intoto 0.0.2',
]);

const kindSchema = s.object({ kind: s.string('', 64), apiVersion: s.string('', 64) });

/** Reads the kind from the body that the log signed; the kind beside it in the bundle is not signed. */
function isUnsupported({ canonicalizedBody }: Bundle['verificationMaterial']['tlogEntries'][number]): boolean {
  const json = parseStrictJson(canonicalizedBody);
  const body = json.ok ? kindSchema.parse(json.value) : undefined;
  return body?.ok === true && !ENTRY_KINDS.has(`${body.value.kind} ${body.value.apiVersion}`);
}
