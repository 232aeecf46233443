import { consoleCode, consoleSession } from '../../../api/sign-in.ts';
import * as s from '../../../posture/schema.ts';
import { MAX_TOKEN_LENGTH } from '../authenticator.ts';
import { text } from '../parameter.ts';
import { answer, jsonRoute } from '../route.ts';

/** POST /v1/console/links */
export const createConsoleLink = jsonRoute({
  method: 'POST',
  path: '/v1/console/links',
  operation: 'createConsoleLink',
  summary: 'A code for one sign-in to the console',
  description:
    'The console signs in with it when it is opened as `/#code=…`. A code can be used once, within five minutes, and ' +
    'ends with the collector. The session has the rights of the token that asked for the code. A session cannot ask ' +
    'for one.',
  refuses: ['invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({}),
  answer: consoleCode,
  handle: ({ principal }, { signIn }) => answer(signIn.issueCode(principal)),
});

/** POST /v1/console/sessions */
export const openConsoleSession = jsonRoute({
  method: 'POST',
  path: '/v1/console/sessions',
  operation: 'openConsoleSession',
  summary: 'A session of the console',
  description:
    'Exchanges the code of a link, or an operator token, for a session token: a bearer token with the same rights, ' +
    'except that it creates no credentials. It lasts twelve hours, and ends earlier when the token behind it expires or is revoked.',
  refuses: ['invalidRequest', 'unauthorized', 'tooManyRequests', 'tooLarge', 'unsupportedMediaType'],
  body: s.union([
    s.object({ code: text('from a link; it can be used once', 512) }),
    s.object({ token: text('an operator token', MAX_TOKEN_LENGTH) }),
  ]),
  answer: consoleSession,
  handle: ({ body, address }, { signIn }) =>
    signIn.openSession('code' in body ? { code: body.code.trim() } : { token: body.token.trim() }, address),
});
