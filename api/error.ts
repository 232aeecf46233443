import * as s from '../posture/schema.ts';

/** Codes of refusals. A client decides by the code; the collector gives each its HTTP status. */
export const API_ERROR_CODES = Object.freeze([
  'invalidRequest',
  'invalidExpression',
  'unauthorized',
  'forbidden',
  'crossSite',
  'notFound',
  'unknownNode',
  'unknownToken',
  'enrolmentOff',
  'rotationInProgress',
  'notManaged',
  'nodeConnected',
  'ambiguousNode',
  'tooLarge',
  'unsupportedMediaType',
  'tooManyRequests',
  'internal',
  'unavailable',
] as const);

/** An answer that is no success. Readers accept any code: a newer collector may know more. */
export const apiError = s.object({
  error: s.object({
    code: s.openOneOf(API_ERROR_CODES),
    message: s.string('for people'),
    hint: s.nullable(s.string(), 'what to do about it'),
  }),
});
