import type { Clock } from '../../service/clock.ts';
import type { FailureLimit } from './failure-limit.ts';
import type { SessionTokens } from './session-token.ts';

/** What the guard says of one request. `untilMs`: when the session of the caller ends; undefined: it has none. */
export type GuardAnswer =
  | { readonly outcome: 'welcome'; readonly untilMs: number | undefined }
  | { readonly outcome: 'refused'; readonly reason: 'noToken' | 'wrongToken' | 'sessionOver' | 'operatorOnly' }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** Who may use a route: whoever is signed in, or only who has the operator token itself. */
export type Scope = 'signedIn' | 'operator';

/** Decides who may speak to the API. */
export interface TokenGuard {
  /** `authorization` is the header as it came; `address` that of the peer. */
  readonly admit: (authorization: string | undefined, address: string, scope: Scope) => GuardAnswer;
}

/** What a guard works with. */
export interface TokenGuardOptions {
  readonly isOperatorToken: (presented: string) => boolean;
  readonly sessions: Pick<SessionTokens, 'read'>;
  readonly failures: FailureLimit;
  readonly clock: Clock;
}

/**
 * A guard for the operator token and the sessions that were opened with it. The right token is always welcome, so that
 * nobody can lock the operator out with wrong ones; the limit spares the log and the processor, the token's 256 bits are
 * what protects it.
 */
export function createTokenGuard({ isOperatorToken, sessions, failures, clock }: TokenGuardOptions): TokenGuard {
  return {
    admit: (authorization, address, scope) => {
      const presented = bearerToken(authorization);
      // A request without a token guesses nothing: a browser's first visit is no attack.
      if (presented === undefined) return { outcome: 'refused', reason: 'noToken' };
      if (isOperatorToken(presented)) return { outcome: 'welcome', untilMs: undefined };
      const session = sessions.read(presented, clock.now());
      switch (session.outcome) {
        case 'valid':
          if (scope === 'operator') return { outcome: 'refused', reason: 'operatorOnly' };
          return { outcome: 'welcome', untilMs: session.expiresMs };
        case 'expired':
          return { outcome: 'refused', reason: 'sessionOver' };
        case 'foreign': {
          const answer = failures.note(address, clock.monotonic());
          return answer.outcome === 'limited' ? answer : { outcome: 'refused', reason: 'wrongToken' };
        }
      }
    },
  };
}

/** RFC 6750: `Bearer` and one token of these characters. The scheme's case does not matter (RFC 9110, 11.1). */
function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*)$/i.exec(authorization ?? '')?.[1];
}
