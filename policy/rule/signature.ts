import { list, nullable, oneOf, string, withDefault } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import type { SignatureEvidence } from '../evidence.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, someOf, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Who may have signed: the holder of a key, or an identity that Fulcio has certified. Exactly one of the two. */
const authority = strictObject({
  name: string('for messages', 128),
  key: nullable(
    strictObject({
      file: nullable(string('file with the public key in PEM; relative to the policy file', 4096)),
      pem: nullable(string('the public key itself, in PEM', 16 * 1024)),
    }),
    'a public key of cosign',
  ),
  keyless: nullable(
    strictObject({
      issuer: string('URL of the OpenID Connect issuer, as a whole', 1024),
      identity: string('subject of the certificate as a whole: an e-mail address or URL; `*` is a wildcard', 2048),
      trustedRoot: string('file with the trusted root of Sigstore in JSON; relative to the policy file', 4096),
    }),
    'an identity that Fulcio has certified',
  ),
});
/** One signer that a policy trusts. */
export type Authority = Infer<typeof authority>;

/** Refuses images without a trusted signature. */
export const signatureRule = strictObject(
  {
    type: oneOf(['signature']),
    ...RULE_HEAD,
    match: withDefault(oneOf(['any', 'all'], 'how many of the authorities must have signed'), 'any'),
    authorities: list(authority, 'who may have signed the image', 32),
  },
  'The image has a cosign signature of one or of all of these authorities.',
);
/** See {@link signatureRule}. */
export type SignatureRule = Infer<typeof signatureRule>;

/** What is wrong with the rule beside its schema; undefined: nothing. */
export function signatureRuleProblem({ authorities }: SignatureRule, at: string): string | undefined {
  if (authorities.length === 0) return `${at}.authorities: expected at least one`;
  for (const [index, { key, keyless }] of authorities.entries()) {
    const place = `${at}.authorities[${String(index)}]`;
    if ((key === null) === (keyless === null)) return `${place}: expected either key or keyless`;
    if (key !== null && (key.file === null) === (key.pem === null)) return `${place}.key: expected either file or pem`;
    if (keyless !== null && /^\**$/.test(keyless.identity))
      return `${place}.keyless.identity: expected more than a wildcard: anyone can have a certificate`;
  }
  return undefined;
}

/**
 * The identity of an authority: equal for two authorities exactly if they trust the same signer. The name is not part
 * of it, so that a result of another policy's authority of the same name never counts.
 */
export function authorityId({ key, keyless }: Authority): string {
  return JSON.stringify(
    key === null
      ? ['keyless', keyless?.issuer, keyless?.identity, keyless?.trustedRoot]
      : ['key', key.file ?? '', key.pem ?? ''],
  );
}

/** What the rule has against the image. */
export function judgeSignature({ match, authorities }: SignatureRule, { evidence }: JudgeInput): readonly Objection[] {
  const names = authorities.map(({ name }) => name);
  const expected = `a signature of ${match === 'any' && names.length > 1 ? 'one of ' : ''}${someOf(names)}`;
  const { signatures } = evidence;
  if (signatures.state === 'absent')
    return [violation({ code: 'signature-missing', actual: 'the image has no signature', expected, action: SIGN })];
  if (signatures.state === 'unreadable')
    return [unknown({ code: 'signature-unknown', actual: signatures.reason, expected, action: RETRY })];
  const results = new Map<string, SignatureEvidence['result']>();
  for (const { authority: id, result } of signatures.value) {
    const before = results.get(id);
    // Two results for one signer: the one that proves less counts.
    if (before === undefined || before.state === 'verified') results.set(id, result);
  }
  const objections = authorities.flatMap((one) => judgeAuthority(one.name, results.get(authorityId(one)), expected));
  if (match === 'all') return objections;
  // One that verified makes up for the others, whatever is wrong with them. One that is not known might have.
  if (objections.length < authorities.length) return [];
  const unknowns = objections.filter(({ kind }) => kind === 'unknown');
  return unknowns.length > 0 ? unknowns : objections;
}

const SIGN = 'Sign the image with cosign after it is pushed: cosign sign --key KEY NAME@sha256:….';
const RETRY = 'Make the registry reachable, and try again.';

function judgeAuthority(
  name: string,
  result: SignatureEvidence['result'] | undefined,
  expected: string,
): readonly Objection[] {
  const shared = { about: name, expected };
  switch (result?.state) {
    case 'verified':
      return [];
    case undefined:
      return [unknown({ ...shared, code: 'signature-unknown', actual: `${name} was not asked about`, action: RETRY })];
    case 'unknown':
      return [unknown({ ...shared, code: 'signature-unknown', actual: `${name}: ${result.reason}`, action: RETRY })];
    case 'unsigned':
      return [violation({ ...shared, code: 'signature-missing', actual: 'the image has no signature', action: SIGN })];
    case 'other-signer':
      return [
        violation({
          ...shared,
          code: 'signature-not-trusted',
          actual: `signed, but not by ${name}: ${result.by}`,
          action: SIGN,
        }),
      ];
    case 'invalid':
      return [
        violation({
          ...shared,
          code: 'signature-invalid',
          severity: 'critical',
          actual: `${name}: ${result.reason}`,
          action: 'Find out who changed the image or the signature before you use it.',
        }),
      ];
  }
}
