import { errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import { ROLES } from '../../api/access.ts';
import type { Role } from '../../api/access.ts';
import type { Clock } from '../../service/clock.ts';
import type { RoleMapping } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import type { Issue } from '../status/collector-status.ts';
import { createKeyCache, KeysUnavailable } from './key-cache.ts';

/** Signatures that are accepted: asymmetric ones only, so that a public key is never a shared secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Clocks of issuer and collector may differ by so much. */
const CLOCK_TOLERANCE_S = 60;
const MAX_SUBJECT = 256;
/** ID tokens (RFC 7519) and access tokens (RFC 9068), not a token of another kind of the same issuer. */
const TYPES: ReadonlySet<string> = new Set(['', 'jwt', 'at+jwt', 'application/at+jwt']);

/** The outcome of verification. `reason` is for the caller: it says which rule, and quotes nothing. */
export type TokenVerdict =
  | {
      readonly outcome: 'valid';
      readonly subject: string;
      readonly name: string;
      readonly role: Role;
      readonly expiresMs: number;
    }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'noRole'; readonly subject: string; readonly name: string }
  | { readonly outcome: 'invalid'; readonly reason: string }
  | { readonly outcome: 'unavailable' };

/** Verifies tokens of one identity provider. */
export interface TokenVerifier {
  /** Never rejects. */
  readonly verify: (token: string) => Promise<TokenVerdict>;
  readonly issues: () => readonly Issue[];
}

/** Whose tokens, and what they allow. */
export interface TokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Path of the claim with the groups; dots separate names. */
  readonly groupsClaim: string;
  readonly roles: readonly RoleMapping<Role>[];
  readonly getJson: (url: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A verifier of JSON Web Tokens (RFC 7519) as bearer tokens. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { issuer, audience, clock } = options;
  const keys = createKeyCache(options);
  return {
    issues: () => {
      const reason = keys.problem();
      if (reason === undefined) return [];
      return [
        {
          code: 'identityProvider',
          subject: issuer,
          text: `the keys of the identity provider cannot be read: ${reason}`,
          advice:
            'check its address, its certificate (oidc-ca) and the network; known keys are used for 24 h, operator tokens go on',
        },
      ];
    },
    verify: async (token) => {
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keys.find, {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_S,
          requiredClaims: ['exp', 'sub'],
          currentDate: new Date(clock.now()),
        });
        if (!TYPES.has((protectedHeader.typ ?? '').toLowerCase())) return invalid('it is a token of another type');
        return judge(payload, options);
      } catch (error) {
        return verdictOf(error);
      }
    },
  };
}

function judge(payload: JWTPayload, { groupsClaim, roles }: TokenVerifierOptions): TokenVerdict {
  const { sub: subject = '', exp = 0 } = payload;
  if (subject === '' || subject.length > MAX_SUBJECT) return invalid('its subject is empty or too long');
  const name = nameOf(payload) ?? subject;
  const groups = groupsOf(payload, groupsClaim);
  const granted = new Set(roles.filter(({ group }) => group === '*' || groups.has(group)).map(({ role }) => role));
  const role = ROLES.findLast((each) => granted.has(each));
  if (role === undefined) return { outcome: 'noRole', subject, name };
  return { outcome: 'valid', subject, name, role, expiresMs: exp * 1000 };
}

/** For people only: an issuer may let its users choose it. */
function nameOf({ preferred_username: username, email }: JWTPayload): string | undefined {
  const name = [username, email].find((each) => typeof each === 'string' && each !== '');
  return typeof name === 'string' ? name.slice(0, MAX_SUBJECT) : undefined;
}

/** The groups in a claim: a list of texts, or one text. */
function groupsOf(payload: JWTPayload, path: string): ReadonlySet<string> {
  let value: unknown = payload;
  for (const name of Object.hasOwn(payload, path) ? [path] : path.split('.'))
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as JWTPayload)[name]
        : undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return new Set(list.filter((group) => typeof group === 'string'));
}

function invalid(reason: string): TokenVerdict {
  return { outcome: 'invalid', reason };
}

function verdictOf(error: unknown): TokenVerdict {
  if (error instanceof KeysUnavailable) return { outcome: 'unavailable' };
  if (error instanceof errors.JWTExpired) return { outcome: 'expired' };
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalid(`its claim ${error.claim} is missing or not accepted`);
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid('its algorithm is not accepted');
  if (error instanceof errors.JWKSNoMatchingKey)
    return invalid('it was signed with a key that the identity provider does not publish');
  return invalid('its signature or form is not valid');
}
