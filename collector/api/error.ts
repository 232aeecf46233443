import type { API_ERROR_CODES } from '../../api/error.ts';

/** A code of a refusal. */
export type ApiErrorCode = (typeof API_ERROR_CODES)[number];

/** The HTTP status of each refusal, and what it means. */
export const API_ERRORS = Object.freeze({
  invalidRequest: { status: 400, meaning: 'a parameter or the body is not as described' },
  invalidExpression: { status: 400, meaning: 'the expression of a live query does not compile; nothing was sent' },
  unauthorized: { status: 401, meaning: 'no token, or one that is not valid (any more)' },
  forbidden: { status: 403, meaning: 'the role or the scopes of the token do not include this' },
  crossSite: { status: 403, meaning: 'the request comes from a page of another site' },
  notFound: { status: 404, meaning: 'there is no such route, check or benchmark' },
  unknownNode: { status: 404, meaning: 'no node has this id or name' },
  nodeConnected: { status: 409, meaning: 'the node is connected; only a disconnected node can be removed' },
  unknownToken: { status: 404, meaning: 'no token has this id' },
  enrolmentOff: { status: 409, meaning: 'the setting enroll of the collector is off' },
  rotationInProgress: { status: 409, meaning: 'the CA is being rotated already' },
  notManaged: { status: 409, meaning: 'the CA of the collector is managed elsewhere' },
  ambiguousNode: { status: 409, meaning: 'several nodes have this name; use the id' },
  tooLarge: { status: 413, meaning: 'the request is larger than the API reads' },
  unsupportedMediaType: { status: 415, meaning: 'a body must be application/json' },
  tooManyRequests: {
    status: 429,
    meaning: 'too many requests, or too many wrong tokens or codes from this address; see Retry-After',
  },
  internal: { status: 500, meaning: 'a defect of the collector; its log says more' },
  unavailable: {
    status: 503,
    meaning: 'the collector is closing, has no place for one more stream, or cannot store this now',
  },
} as const satisfies Record<ApiErrorCode, { readonly status: number; readonly meaning: string }>);

/** The body of every answer that is not a success. */
export interface ApiErrorBody {
  readonly error: { readonly code: ApiErrorCode; readonly message: string; readonly hint?: string };
}

/** The body for one error. */
export function errorBody(code: ApiErrorCode, message: string, hint?: string): ApiErrorBody {
  return { error: hint === undefined ? { code, message } : { code, message, hint } };
}
