import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../service/log.ts';
import { StoreError } from '../store/error.ts';
import { pathOf } from './admission.ts';
import { SECURITY_HEADERS } from './browser.ts';
import { API_ERRORS, errorBody } from './error.ts';
import type { ApiErrorCode } from './error.ts';
import type { Refusal } from './route.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the error that was sent; empty: none. */
    errorCode: ApiErrorCode | '';
  }
}

/** The media type of every answer that is neither a page nor an event stream. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a refusal, with the headers that belong to it. */
export function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { code, message, hint, retryAfterMs } = refusal;
  if (code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="plimsoll"');
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterMs / 1000)));
  return sendError(reply, code, message, hint);
}

/** Sends an error. */
export function sendError(reply: FastifyReply, code: ApiErrorCode, message: string, hint?: string): FastifyReply {
  reply.errorCode = code;
  return reply
    .code(API_ERRORS[code].status)
    .type(JSON_TYPE)
    .send(JSON.stringify(errorBody(code, message, hint)));
}

/** Answers bytes that are no HTTP request, which reach no route, in the same shape if that is still possible. */
export function answerBrokenRequest(error: { readonly code: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, code, message] = BROKEN_REQUESTS[error.code] ?? BROKEN;
  const body = JSON.stringify(errorBody(code, message));
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\n${BROKEN_HEADERS}` +
      `Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
  );
}

const BROKEN_HEADERS = Object.entries(SECURITY_HEADERS)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('');

type BrokenAnswer = readonly [status: string, code: ApiErrorCode, message: string];
const BROKEN: BrokenAnswer = ['400 Bad Request', 'invalidRequest', 'this is no HTTP request'];
/** By Node's own error codes. */
const BROKEN_REQUESTS: Readonly<Record<string, BrokenAnswer>> = Object.freeze({
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'tooLarge', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'invalidRequest', 'the request took too long to arrive'],
});

/** Where a failure is reported, and the largest body. */
export interface FailureContext {
  readonly log: Logger;
  readonly maxBodyBytes: number;
}

/** Sends what fastify itself refuses by its status; a defect goes to the log, and only its existence to the caller. */
export function sendFailure(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { log, maxBodyBytes }: FailureContext,
): FastifyReply {
  if (error instanceof StoreError && (error.code === 'badCursor' || error.code === 'badFilter'))
    return sendError(reply, 'invalidRequest', error.message);
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 413) return sendError(reply, 'tooLarge', `a body has at most ${String(maxBodyBytes)} bytes`);
  if (status === 415) return sendError(reply, 'unsupportedMediaType', 'a body must be application/json');
  if (status === 503) return sendError(reply, 'unavailable', 'the collector is closing');
  if (status < 500) return sendError(reply, 'invalidRequest', error instanceof Error ? error.message : 'not valid');
  log.error({ err: error, method: request.method, path: pathOf(request) }, 'request failed');
  return sendError(reply, 'internal', 'the collector failed to answer', 'its log says why');
}
