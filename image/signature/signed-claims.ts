import * as s from '../../posture/schema.ts';
import { canonicalRegistry, parseReference } from '../../policy/reference.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';

/** What a signature says about an image, once it is known who signed. */
export interface SignedClaims {
  /** Digests of the manifests that are signed. */
  readonly digests: readonly string[];
  /** Repositories that the signer named; empty where none is named. */
  readonly repositories: readonly string[];
  /** Annotations (`cosign sign -a key=value`). */
  readonly annotations: ReadonlyMap<string, string>;
}

/** Outcome of reading claims; `problem` quotes nothing. */
export type ParsedClaims =
  { readonly ok: true; readonly value: SignedClaims } | { readonly ok: false; readonly problem: string };

/** Type of the statement that cosign 3 signs images with. */
export const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
/** Payload type of in-toto statements in DSSE envelopes. */
export const IN_TOTO_TYPE = 'application/vnd.in-toto+json';

const simpleSchema = s.object({
  critical: s.object({
    type: s.string('', 256),
    image: s.object({ 'docker-manifest-digest': s.string('', 256) }),
    identity: s.object({ 'docker-reference': s.withDefault(s.string('', 1024), '') }),
  }),
  optional: s.withDefault(s.record(s.unknown(), '', 256), {}),
});

/**
 * The simple signing payload of cosign:
 * https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export function parseSimpleSigning(payload: Uint8Array): ParsedClaims {
  const json = parseStrictJson(payload);
  if (!json.ok) return { ok: false, problem: `the payload is not valid: ${json.problem}` };
  const parsed = simpleSchema.parse(json.value);
  if (!parsed.ok) return { ok: false, problem: `the payload is not valid: ${parsed.problem}` };
  const { critical, optional } = parsed.value;
  // The second form is that of containers/image and of older versions of cosign.
  if (!['cosign container image signature', 'atomic container signature'].includes(critical.type))
    return { ok: false, problem: 'the payload is no signature of a container image' };
  const reference = critical.identity['docker-reference'];
  return {
    ok: true,
    value: {
      digests: [critical.image['docker-manifest-digest']],
      repositories: reference === '' ? [] : [reference],
      annotations: texts(optional),
    },
  };
}

const statementSchema = s.object({
  _type: s.oneOf(['https://in-toto.io/Statement/v0.1', 'https://in-toto.io/Statement/v1']),
  predicateType: s.string('', 1024),
  subject: s.list(
    s.object({
      name: s.withDefault(s.string('', 1024), ''),
      digest: s.record(s.string('', 256), '', 16),
      annotations: s.withDefault(s.record(s.unknown(), '', 256), {}),
    }),
    '',
    256,
  ),
});

/** The in-toto statement that cosign 3 signs: `https://sigstore.dev/cosign/sign/v1`, one subject for each image. */
export function parseSignStatement(payload: Uint8Array): ParsedClaims {
  const json = parseStrictJson(payload);
  if (!json.ok) return { ok: false, problem: `the statement is not valid: ${json.problem}` };
  const parsed = statementSchema.parse(json.value);
  if (!parsed.ok) return { ok: false, problem: `the statement is not valid: ${parsed.problem}` };
  if (parsed.value.predicateType !== SIGN_PREDICATE)
    return { ok: false, problem: 'the statement is an attestation, not a signature of the image' };
  const { subject } = parsed.value;
  return {
    ok: true,
    value: {
      digests: subject.flatMap(({ digest }) => (digest['sha256'] === undefined ? [] : [`sha256:${digest['sha256']}`])),
      repositories: subject.flatMap(({ name }) => (name === '' ? [] : [name])),
      annotations: new Map(subject.flatMap(({ annotations }) => Array.from(texts(annotations)))),
    },
  };
}

/** Whether the payload is a statement about something else than who signed the image, such as an SBOM. */
export function isAttestation(payload: Uint8Array): boolean {
  const json = parseStrictJson(payload);
  const parsed = json.ok ? predicateSchema.parse(json.value) : undefined;
  return parsed?.ok === true && parsed.value.predicateType !== SIGN_PREDICATE;
}

const predicateSchema = s.object({ predicateType: s.string('', 1024) });

/** What a signature must say to count. */
export interface ExpectedClaims {
  /** Digest of the manifest, or index, that is used. */
  readonly digest: string;
  /** Annotations that the signer must have written, with exactly these values. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Repository that the signer must have named, such as `registry.example.com/team/app`; undefined: any. */
  readonly repository: string | undefined;
}

/** Why the claims are not those expected; undefined where they are. Quotes no value that was signed. */
export function claimProblem(claims: SignedClaims, expected: ExpectedClaims): string | undefined {
  if (!claims.digests.includes(expected.digest)) return 'the signature is for another image';
  for (const [name, value] of Object.entries(expected.annotations))
    if (claims.annotations.get(name) !== value) return `the signature has not the annotation ${name} that is required`;
  if (expected.repository === undefined) return undefined;
  const wanted = repositoryName(expected.repository);
  return wanted !== undefined && claims.repositories.some((one) => repositoryName(one) === wanted)
    ? undefined
    : 'the signature is for an image of another repository';
}

function repositoryName(text: string): string | undefined {
  const parsed = parseReference(text);
  return parsed.ok ? `${canonicalRegistry(parsed.value.registry)}/${parsed.value.path}` : undefined;
}

function texts(values: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(values).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}
