import type { FastifyRequest } from 'fastify';
import { networkOf } from '../../service/connection-limit.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { ACCESS, denialOf } from './access.ts';
import type { AccessDenial, Operation } from './access.ts';
import type { Authentication, Authenticator, CredentialRefusal } from './authenticator.ts';
import { isFromOtherSite } from './browser.ts';
import type { ApiErrorCode } from './error.ts';
import type { CallLimit } from './call-limit.ts';
import { ANONYMOUS, describePrincipal, principalKey } from './principal.ts';
import type { Principal } from './principal.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult, Refusal } from './route.ts';

/** What lets requests in. */
export interface AdmissionOptions {
  readonly authenticator: Authenticator;
  readonly calls: CallLimit;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The decision about a request, before its body is read. `principal`: who makes it, as far as that is known. */
export interface AdmissionResult {
  readonly principal: Principal;
  readonly result: ApiResult<undefined>;
}

/** May `request` use the route of this operation? */
export async function admit(
  operation: Operation,
  request: FastifyRequest,
  { authenticator, calls, clock, log }: AdmissionOptions,
): Promise<AdmissionResult> {
  const access = ACCESS[operation];
  const refused = (result: Refusal, principal = ANONYMOUS): AdmissionResult => ({ principal, result });
  if (isFromOtherSite(request.headers)) return refused(refuse('crossSite', 'a page of another site may not ask this'));
  let principal = ANONYMOUS;
  if (access !== 'open') {
    const authentication = await authenticator.authenticate(request.headers.authorization, request.ip);
    if (authentication.outcome !== 'known') {
      if (authentication.outcome === 'refused' && authentication.reason === 'wrongToken')
        log.warn({ address: request.ip, path: pathOf(request) }, 'request with a wrong token');
      return refused(authenticationRefusal(authentication));
    }
    principal = authentication.principal;
  }
  const caller = access === 'open' ? `address:${networkOf(request.ip)}` : principalKey(principal);
  const retryAfterMs = calls.take(caller, clock.monotonic());
  if (retryAfterMs > 0) return refused({ ...TOO_MANY_CALLS, retryAfterMs }, principal);
  const denial = denialOf(access, principal);
  if (access === 'open' || denial === undefined) return { principal, result: answer(undefined) };
  log.warn({ address: request.ip, by: describePrincipal(principal), operation, denial }, 'request denied');
  return refused(describeDenial(denial, principal, access), principal);
}

const TOO_MANY_CALLS = refuse('tooManyRequests', 'too many requests in a short time', 'wait, then ask less often');

/** The refusal of a request whose credentials were not accepted. */
export function authenticationRefusal(given: Exclude<Authentication, { readonly outcome: 'known' }>): Refusal {
  if (given.outcome === 'limited')
    return {
      ...refuse('tooManyRequests', 'too many wrong tokens or codes from this address'),
      retryAfterMs: given.retryAfterMs,
    };
  const [message, hint, code = 'unauthorized'] = REFUSED[given.reason];
  return refuse(code, given.detail === undefined ? message : `${message}: ${given.detail}`, hint);
}

const TOKEN_HINT = 'send "Authorization: Bearer …" with an operator token, such as the content of the token file';
const REFUSED: Readonly<Record<CredentialRefusal, readonly [message: string, hint: string, code?: ApiErrorCode]>> =
  Object.freeze({
    noToken: ['this needs an operator token', TOKEN_HINT],
    wrongToken: ['the token is not valid', TOKEN_HINT],
    tokenExpired: ['the token has expired', 'ask an administrator for a new one: plimsoll token create'],
    noRole: [
      'the identity provider knows you, but none of your groups has a role here',
      'ask an administrator: setting oidc-roles of the collector',
      'forbidden',
    ],
    issuerUnavailable: [
      'the token cannot be verified: the identity provider does not answer',
      'try again, or use an operator token',
      'unavailable',
    ],
    sessionOver: ['the session has ended', 'sign in again; plimsoll console prints a link'],
  });

type Demand = Exclude<(typeof ACCESS)[Operation], 'open'>;

function describeDenial(denial: AccessDenial, { role, scopes }: Principal, access: Demand): Refusal {
  switch (denial) {
    case 'role':
      return refuse(
        'forbidden',
        `this needs the role ${access.role}; yours is ${role}`,
        'ask an administrator for a token with that role',
      );
    case 'scope':
      return refuse(
        'forbidden',
        `this needs the scope ${access.scope}; yours: ${scopes === 'all' ? 'all' : scopes.join(', ')}`,
        'ask an administrator for a token with that scope',
      );
    case 'session':
      return refuse(
        'forbidden',
        'a session of the console may not create credentials',
        'use an operator token, for example with the command line',
      );
  }
}

/** The path without its query, which may hold what somebody searched for. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
