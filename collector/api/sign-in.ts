import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { authenticationRefusal } from './admission.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import { describePrincipal } from './principal.ts';
import type { Principal } from './principal.ts';
import { refuse } from './route.ts';
import type { ApiResult } from './route.ts';
import { SESSION_MS } from './session-token.ts';
import type { SessionTokens } from './session-token.ts';
import { CODE_MS, createSignInCodes } from './sign-in-code.ts';

/** What a person signs in to the console with: the code of a link, or an operator token. */
export type SignInSecret = { readonly code: string } | { readonly token: string };

/** How people sign in to the console without a token in an address or in the browser's storage. */
export interface SignIn {
  /** A code for one sign-in as `principal`, and until when (wall clock). */
  readonly issueCode: (principal: Principal) => { readonly code: string; readonly expiresMs: number };
  /** A session for a valid secret; it ends when the credentials behind it end. A wrong one counts as a failure of `address`. */
  readonly openSession: (
    secret: SignInSecret,
    address: string,
  ) => Promise<ApiResult<{ readonly token: string; readonly expiresMs: number }>>;
}

/** What sign-in works with. */
export interface SignInOptions {
  readonly authenticator: Pick<Authenticator, 'identify' | 'fail'>;
  readonly sessions: Pick<SessionTokens, 'issue'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sign-in to the console of one collector. */
export function createSignIn({ authenticator, sessions, clock, log }: SignInOptions): SignIn {
  const codes = createSignInCodes();
  return {
    // Measured with the clock that nobody can set; reported as wall clock time, which people read.
    issueCode: (principal) => ({
      code: codes.issue(principal, clock.monotonic()),
      expiresMs: Math.min(clock.now() + CODE_MS, principal.expiresMs ?? Infinity),
    }),
    openSession: async (secret, address) => {
      const by = 'code' in secret ? 'code' : 'token';
      const signer = 'code' in secret ? codes.redeem(secret.code, clock.monotonic()) : undefined;
      const outcome: Authentication =
        'token' in secret
          ? await authenticator.identify(secret.token, address)
          : signer === undefined
            ? authenticator.fail(address)
            : { outcome: 'known', principal: signer };
      if (outcome.outcome === 'known') {
        log.info({ address, by, as: describePrincipal(outcome.principal) }, 'console session opened');
        const { principal } = outcome;
        return {
          ok: true,
          body: openFor(principal, sessions, clock.now()),
          principal: { ...principal, isSession: true },
        };
      }
      if (outcome.outcome === 'limited') return authenticationRefusal(outcome);
      log.warn({ address, by }, 'sign-in with a wrong code or token');
      if (by === 'token') return authenticationRefusal(outcome);
      return refuse(
        'unauthorized',
        'this link was used already, is too old or was never given',
        'run: plimsoll console',
      );
    },
  };
}

function openFor(
  { kind, id, name, role, expiresMs }: Principal,
  sessions: Pick<SessionTokens, 'issue'>,
  nowMs: number,
): ReturnType<SessionTokens['issue']> {
  const owner = kind === 'oidc' ? { kind, id, name, role } : { kind: 'token' as const, id };
  return sessions.issue(owner, Math.min(nowMs + SESSION_MS, expiresMs ?? Infinity));
}
