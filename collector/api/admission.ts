import type { FastifyRequest } from 'fastify';
import type { Logger } from '../../service/log.ts';
import { isFromOtherSite } from './browser.ts';
import type { Access } from './route.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult } from './route.ts';
import type { GuardAnswer, TokenGuard } from './token.ts';

/** What lets requests in. */
export interface AdmissionOptions {
  readonly guard: TokenGuard;
  readonly log: Logger;
}

/** Who asks: until when the session lasts that the request came with; undefined where there is none. */
export interface Admitted {
  readonly untilMs: number | undefined;
}

/** May `request` use a route with this access? What it must not is refused before its body is read. */
export function admit(access: Access, request: FastifyRequest, { guard, log }: AdmissionOptions): ApiResult<Admitted> {
  if (isFromOtherSite(request.headers)) return refuse('crossSite', 'a page of another site may not ask this');
  if (access === 'open') return answer({ untilMs: undefined });
  const verdict = guard.admit(request.headers.authorization, request.ip, access);
  switch (verdict.outcome) {
    case 'welcome':
      return answer({ untilMs: verdict.untilMs });
    case 'limited':
      return { ...refuse('tooManyRequests', LIMITED), retryAfterMs: verdict.retryAfterMs };
    case 'refused':
      if (verdict.reason === 'wrongToken')
        log.warn({ address: request.ip, path: pathOf(request) }, 'request with a wrong token');
      return refuse('unauthorized', ...REFUSED[verdict.reason]);
  }
}

const LIMITED = 'too many wrong tokens or codes from this address';

type Reason = Extract<GuardAnswer, { readonly outcome: 'refused' }>['reason'];
const TOKEN_HINT = 'send "Authorization: Bearer …" with the content of the token file (see: plimsoll config)';
const REFUSED: Readonly<Record<Reason, readonly [message: string, hint: string]>> = Object.freeze({
  noToken: ['this needs the operator token', TOKEN_HINT],
  wrongToken: ['this needs the operator token', TOKEN_HINT],
  sessionOver: ['this session is over', 'sign in again; plimsoll console prints a link'],
  operatorOnly: ['this needs the operator token itself, not a session', TOKEN_HINT],
});

/** The path without its query, which may hold what somebody searched for. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
