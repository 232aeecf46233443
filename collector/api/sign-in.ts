import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { FailureLimit } from './failure-limit.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult } from './route.ts';
import type { SessionTokens } from './session-token.ts';
import { CODE_MS, createSignInCodes } from './sign-in-code.ts';

/** What a person signs in to the console with: the code of a link, or the operator token. */
export type SignInSecret = { readonly code: string } | { readonly token: string };

/** How people come into the console without the operator token in an address or in the browser's storage. */
export interface SignIn {
  /** A code for one sign-in, and until when (wall clock). */
  readonly issueCode: () => { readonly code: string; readonly expiresMs: number };
  /** A session for the right secret. A wrong one counts as a failure of `address`. */
  readonly openSession: (
    secret: SignInSecret,
    address: string,
  ) => ApiResult<{ readonly token: string; readonly expiresMs: number }>;
}

/** What sign-in works with. */
export interface SignInOptions {
  readonly isOperatorToken: (presented: string) => boolean;
  readonly sessions: Pick<SessionTokens, 'issue'>;
  readonly failures: FailureLimit;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sign-in to the console of one collector. */
export function createSignIn({ isOperatorToken, sessions, failures, clock, log }: SignInOptions): SignIn {
  const codes = createSignInCodes();
  return {
    // Measured with the clock that nobody can set; told in the time that people read.
    issueCode: () => ({ code: codes.issue(clock.monotonic()), expiresMs: clock.now() + CODE_MS }),
    openSession: (secret, address) => {
      const by = 'code' in secret ? 'code' : 'token';
      const right = 'code' in secret ? codes.redeem(secret.code, clock.monotonic()) : isOperatorToken(secret.token);
      if (right) {
        log.info({ address, by }, 'console session opened');
        return answer(sessions.issue(clock.now()));
      }
      const failure = failures.note(address, clock.monotonic());
      if (failure.outcome === 'limited')
        return {
          ...refuse('tooManyRequests', 'too many wrong tokens or codes from this address'),
          retryAfterMs: failure.retryAfterMs,
        };
      log.warn({ address, by }, 'sign-in with a wrong code or token');
      return by === 'code'
        ? refuse('unauthorized', 'this link was used already, is too old or was never given', 'run: plimsoll console')
        : refuse(
            'unauthorized',
            'this is not the operator token',
            'it stands in the token file (see: plimsoll config)',
          );
    },
  };
}
