import { isBundleWithPublicKey } from '@sigstore/bundle';
import type { Bundle } from '@sigstore/bundle';
import type { SignatureEvidence } from '../../policy/evidence.ts';
import { matchesGlob } from '../../policy/glob.ts';
import { collectSignatures } from './collect-signatures.ts';
import type { SignatureCandidate, SignedImage } from './collect-signatures.ts';
import type { SigningKey } from './public-key.ts';
import { claimProblem, IN_TOTO_TYPE, parseSignStatement, parseSimpleSigning } from './signed-claims.ts';
import type { ParsedClaims } from './signed-claims.ts';
import { preAuthEncoding, toSigstoreBundle } from './sigstore-bundle.ts';
import type { KeylessVerifier } from './trusted-root.ts';

/** Whose signature counts. */
export type SignatureAuthority = AuthorityBase &
  (
    | { readonly kind: 'key'; readonly key: SigningKey }
    | {
        readonly kind: 'keyless';
        readonly verifier: KeylessVerifier;
        /** URL of the OpenID Connect issuer, as a whole. */
        readonly issuer: string;
        /** Subject of the certificate as a whole: an e-mail address or URL; `*` stands for any characters. */
        readonly identity: string;
      }
  );

interface AuthorityBase {
  /** Names the authority in the results. */
  readonly id: string;
  /** Annotations that the signer must have written. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Which image, and whose signatures are looked for. */
export interface SignatureRequest extends SignedImage {
  readonly authorities: readonly SignatureAuthority[];
  /**
   * Repository that the signer must have named, such as `registry.example.com/team/app`. Without it, a signature also
   * counts where the image was copied from another repository together with its signature.
   */
  readonly repository?: string;
}

/**
 * Verifies the cosign signatures of the image with exactly this digest, and answers for each authority: `verified`, or
 * `unsigned`, `other-signer`, `invalid` with the reason, or `unknown` where the registry did not give everything.
 * Nothing but a verified signature over this digest gives `verified`. Never rejects.
 */
export async function verifySignatures(request: SignatureRequest): Promise<readonly SignatureEvidence[]> {
  const collected = await collectSignatures(request);
  const gaps = [...collected.gaps];
  let manifest: Buffer | undefined;
  if (collected.candidates.some((one) => one.kind === 'bundle' && one.bundle.content.$case === 'messageSignature')) {
    const read = await request.client.manifestBytes(request.path, request.digest);
    if (read.ok) manifest = read.value;
    else gaps.push(`the manifest cannot be read: ${read.reason}`);
  }
  return request.authorities.map((authority) => {
    const results = collected.candidates.map((candidate) => judge(candidate, authority, { request, manifest }));
    return { authority: authority.id, result: combine(results, gaps) };
  });
}

type Judgement = Exclude<SignatureEvidence['result'], { state: 'unsigned' }>;

/** A verified one counts whatever the others are; otherwise what may be missing comes before what is wrong. */
function combine(results: readonly Judgement[], gaps: readonly string[]): SignatureEvidence['result'] {
  const verified = results.find(({ state }) => state === 'verified');
  if (verified !== undefined) return verified;
  const [gap] = gaps;
  if (gap !== undefined) return { state: 'unknown', reason: gap };
  const unknown = results.find(({ state }) => state === 'unknown');
  if (unknown !== undefined) return unknown;
  const invalid = results.find(({ state }) => state === 'invalid');
  if (invalid !== undefined) return invalid;
  const others = new Set(results.flatMap((result) => (result.state === 'other-signer' ? [result.by] : [])));
  return others.size === 0 ? { state: 'unsigned' } : { state: 'other-signer', by: [...others].slice(0, 3).join(', ') };
}

interface Context {
  readonly request: SignatureRequest;
  /** Bytes of the signed manifest, where a signature needs them. */
  readonly manifest: Buffer | undefined;
}

function judge(candidate: SignatureCandidate, authority: SignatureAuthority, context: Context): Judgement {
  if (candidate.kind === 'defect') return { state: 'invalid', reason: candidate.reason };
  const signer =
    authority.kind === 'key'
      ? signerByKey(candidate, authority.key, context)
      : signerByCertificate(candidate, authority, context);
  if (signer.state !== 'verified') return signer;
  const claims = claimsOf(candidate, context.request.digest);
  if (!claims.ok) return { state: 'invalid', reason: claims.problem };
  const { digest, repository } = context.request;
  const problem = claimProblem(claims.value, { digest, repository, annotations: authority.annotations ?? {} });
  return problem === undefined ? signer : { state: 'invalid', reason: problem };
}

type Signature = Exclude<SignatureCandidate, { kind: 'defect' }>;

/** Whether the key made the signature. A changed payload and a signature of another key look the same. */
function signerByKey(candidate: Signature, key: SigningKey, { manifest }: Context): Judgement {
  const by = `key ${key.fingerprint}`;
  if (candidate.kind === 'simpleSigning')
    return key.verify(candidate.payload, candidate.signature) ? { state: 'verified', by } : OTHER_KEY;
  const { bundle } = candidate;
  if (!isBundleWithPublicKey(bundle)) return { state: 'other-signer', by: 'a certificate' };
  const signed = signedData(bundle, manifest);
  return signed !== undefined && key.verify(signed.data, signed.signature) ? { state: 'verified', by } : OTHER_KEY;
}

const OTHER_KEY: Judgement = { state: 'other-signer', by: 'another key' };

function signedData(
  { content }: Bundle,
  manifest: Buffer | undefined,
): { readonly data: Buffer; readonly signature: Buffer } | undefined {
  if (content.$case === 'messageSignature')
    return manifest === undefined ? undefined : { data: manifest, signature: content.messageSignature.signature };
  const [first, ...more] = content.dsseEnvelope.signatures;
  if (first === undefined || more.length > 0) return undefined;
  return { data: preAuthEncoding(content.dsseEnvelope), signature: first.sig };
}

function signerByCertificate(
  candidate: Signature,
  { verifier, issuer, identity }: Extract<SignatureAuthority, { kind: 'keyless' }>,
  { manifest }: Context,
): Judgement {
  const bundle = certifiedBundle(candidate);
  if (bundle.state !== 'certified') return bundle;
  const artifact = candidate.kind === 'simpleSigning' ? candidate.payload : manifest;
  const signed = verifier.verify(bundle.value, artifact);
  if (signed.state === 'invalid') return signed;
  if (signed.state === 'unsupported') return { state: 'unknown', reason: signed.reason };
  if (signed.state === 'otherRoot')
    return { state: 'other-signer', by: 'a certificate that the trusted root does not prove' };
  const by = `${printable(signed.identity)} (${printable(signed.issuer)})`;
  return signed.issuer === issuer && matchesGlob(identity, signed.identity)
    ? { state: 'verified', by }
    : { state: 'other-signer', by };
}

function certifiedBundle(
  candidate: Signature,
): Extract<Judgement, { state: 'invalid' | 'other-signer' }> | { readonly state: 'certified'; readonly value: Bundle } {
  if (candidate.kind === 'bundle')
    return isBundleWithPublicKey(candidate.bundle)
      ? { state: 'other-signer', by: 'a key' }
      : { state: 'certified', value: candidate.bundle };
  if (candidate.certificate === '') return { state: 'other-signer', by: 'a key' };
  const bundle = toSigstoreBundle(candidate);
  return bundle.ok ? { state: 'certified', value: bundle.value } : { state: 'invalid', reason: bundle.problem };
}

function claimsOf(candidate: Signature, digest: string): ParsedClaims {
  if (candidate.kind === 'simpleSigning') return parseSimpleSigning(candidate.payload);
  const { content } = candidate.bundle;
  // A signature over the manifest itself, which has this digest, says nothing else.
  if (content.$case === 'messageSignature')
    return { ok: true, value: { digests: [digest], repositories: [], annotations: new Map() } };
  return content.dsseEnvelope.payloadType === IN_TOTO_TYPE
    ? parseSignStatement(content.dsseEnvelope.payload)
    : { ok: false, problem: 'the signed envelope is no in-toto statement' };
}

/** Identities are chosen by whoever signs: one line of printable ASCII, shortened. */
function printable(text: string): string {
  return text.slice(0, 200).replaceAll(/[^ -~]/g, '?');
}
