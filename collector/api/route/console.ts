import { consoleCode, consoleSession } from '../../../api/sign-in.ts';
import * as s from '../../../posture/schema.ts';
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
    'ends with the collector. A session cannot ask for one: only the operator token can.',
  access: 'operator',
  refuses: ['invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({}),
  answer: consoleCode,
  handle: (_input, { signIn }) => answer(signIn.issueCode()),
});

/** POST /v1/console/sessions */
export const openConsoleSession = jsonRoute({
  method: 'POST',
  path: '/v1/console/sessions',
  operation: 'openConsoleSession',
  summary: 'A session of the console',
  description:
    'Exchanges the code of a link, or the operator token, for a session token. It is a bearer token for every route ' +
    'but `/v1/console/links`, for twelve hours, and ends earlier when the operator token is changed.',
  access: 'open',
  refuses: ['invalidRequest', 'unauthorized', 'tooManyRequests', 'tooLarge', 'unsupportedMediaType'],
  body: s.union([
    s.object({ code: text('from a link; it can be used once', 512) }),
    s.object({ token: text('the operator token', 1024) }),
  ]),
  answer: consoleSession,
  handle: ({ body, address }, { signIn }) =>
    signIn.openSession('code' in body ? { code: body.code.trim() } : { token: body.token.trim() }, address),
});
