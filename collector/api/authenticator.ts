import type { Clock } from '../../service/clock.ts';
import { safe } from '../../api/safe.ts';
import type { TokenVerifier } from '../oidc/verify-token.ts';
import type { OperatorToken, OperatorTokens } from '../operator-tokens.ts';
import type { FailureLimit } from './failure-limit.ts';
import { TOKEN_FILE } from './principal.ts';
import type { Principal } from './principal.ts';
import type { SessionOwner, SessionTokens } from './session-token.ts';

/** Why credentials are not accepted. */
export type CredentialRefusal =
  'noToken' | 'wrongToken' | 'tokenExpired' | 'sessionOver' | 'noRole' | 'issuerUnavailable';

/** The outcome of authentication. */
export type Authentication =
  | { readonly outcome: 'known'; readonly principal: Principal }
  | { readonly outcome: 'refused'; readonly reason: CredentialRefusal; readonly detail?: string }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** Finds out who makes a request. */
export interface Authenticator {
  /** `authorization` is the header as it came; `address` that of the peer, whose failures are counted. */
  readonly authenticate: (authorization: string | undefined, address: string) => Promise<Authentication>;
  /** The same for a token that a person typed; no session is accepted. */
  readonly identify: (token: string, address: string) => Promise<Authentication>;
  /** Counts a failure of another kind, such as a wrong sign-in code. */
  readonly fail: (address: string) => Authentication & { readonly outcome: 'refused' | 'limited' };
}

/** What an authenticator works with. */
export interface AuthenticatorOptions {
  readonly isFileToken: (presented: string) => boolean;
  readonly tokens: Pick<OperatorTokens, 'find' | 'match'>;
  /** Verifies tokens of the identity provider; undefined: none is configured. */
  readonly oidc: Pick<TokenVerifier, 'verify'> | undefined;
  readonly sessions: Pick<SessionTokens, 'read'>;
  readonly failures: FailureLimit;
  readonly clock: Clock;
}

/**
 * Authenticates operator tokens and sessions. Valid credentials are never refused for the failures of others, so that
 * nobody can lock an operator out with wrong ones; the limit protects the log and the processor, a token's 256 random
 * bits protect the token.
 */
export function createAuthenticator({
  isFileToken,
  tokens,
  oidc,
  sessions,
  failures,
  clock,
}: AuthenticatorOptions): Authenticator {
  const fail = (address: string, detail?: string): ReturnType<Authenticator['fail']> => {
    const limit = failures.note(address, clock.monotonic());
    if (limit.outcome === 'limited') return limit;
    return { outcome: 'refused', reason: 'wrongToken', ...(detail === undefined ? {} : { detail }) };
  };
  const verify = async (
    verifier: Pick<TokenVerifier, 'verify'>,
    presented: string,
    address: string,
  ): Promise<Authentication> => {
    const verdict = await verifier.verify(presented);
    switch (verdict.outcome) {
      case 'valid': {
        const { subject: id, name, role, expiresMs } = verdict;
        return {
          outcome: 'known',
          principal: { kind: 'oidc', id, name, role, scopes: 'all', isSession: false, expiresMs },
        };
      }
      case 'expired':
        return { outcome: 'refused', reason: 'tokenExpired' };
      case 'noRole':
        return { outcome: 'refused', reason: 'noRole', detail: safe(verdict.name) };
      case 'unavailable':
        return { outcome: 'refused', reason: 'issuerUnavailable' };
      case 'invalid':
        return fail(address, verdict.reason);
    }
  };
  const identify = async (presented: string, address: string): Promise<Authentication> => {
    if (isFileToken(presented)) return { outcome: 'known', principal: TOKEN_FILE };
    const token = tokens.match(presented);
    if (token === undefined && oidc !== undefined && JWT.test(presented)) return verify(oidc, presented, address);
    if (token === undefined) return fail(address);
    if (clock.now() >= token.expiresMs) return { outcome: 'refused', reason: 'tokenExpired' };
    return { outcome: 'known', principal: principalOf(token) };
  };
  const ownerOf = (owner: SessionOwner): Principal | undefined => {
    if (owner.kind === 'oidc') return { ...owner, scopes: 'all', isSession: true, expiresMs: undefined };
    if (owner.id === TOKEN_FILE.id) return TOKEN_FILE;
    const token = tokens.find(owner.id);
    return token === undefined || clock.now() >= token.expiresMs ? undefined : principalOf(token);
  };
  return {
    identify,
    fail,
    authenticate: async (authorization, address) => {
      const presented = bearerToken(authorization);
      // A request without a token guesses nothing: a browser's first visit is no attack.
      if (presented === undefined) return { outcome: 'refused', reason: 'noToken' };
      const session = sessions.read(presented, clock.now());
      switch (session.outcome) {
        case 'valid': {
          const owner = ownerOf(session.owner);
          if (owner === undefined) return { outcome: 'refused', reason: 'sessionOver' };
          return { outcome: 'known', principal: { ...owner, isSession: true, expiresMs: session.expiresMs } };
        }
        case 'expired':
          return { outcome: 'refused', reason: 'sessionOver' };
        case 'foreign':
          return identify(presented, address);
      }
    },
  };
}

function principalOf({ id, name, role, scopes, expiresMs }: OperatorToken): Principal {
  return { kind: 'token', id, name, role, scopes: scopes.length === 0 ? 'all' : scopes, isSession: false, expiresMs };
}

/** A signed JSON Web Token in compact form (RFC 7515, 7.1). */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Longest token: one of an identity provider with many groups fits, and the headers stay below their limit. */
export const MAX_TOKEN_LENGTH = 12_288;

/** RFC 6750: `Bearer` and one token of these characters. The scheme's case does not matter (RFC 9110, 11.1). */
function bearerToken(authorization: string | undefined): string | undefined {
  const token = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization ?? '')?.[1];
  return token !== undefined && token.length <= MAX_TOKEN_LENGTH ? token : undefined;
}
