import { z } from 'zod';
import type { ConsoleCode, ConsoleSession } from '../../../api/sign-in.ts';
import type { Answers } from '../answers.ts';
import { answer, jsonRoute } from '../route.ts';

const expiresMs = z.int().min(0).describe('until when it can be used; milliseconds since 1970, UTC');

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
  body: z.strictObject({}),
  answer: z.strictObject({
    code: z.string().describe('what follows `#code=`'),
    expiresMs,
  }) satisfies Answers<ConsoleCode>,
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
  body: z.union([
    z.strictObject({ code: z.string().trim().min(1).max(512).describe('from a link; it can be used once') }),
    z.strictObject({ token: z.string().trim().min(1).max(1024).describe('the operator token') }),
  ]),
  answer: z.strictObject({
    token: z.string().describe('session token'),
    expiresMs,
  }) satisfies Answers<ConsoleSession>,
  handle: ({ body, address }, { signIn }) => signIn.openSession(body, address),
});
