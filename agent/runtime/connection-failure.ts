import { redactText } from '../../posture/redaction/redact.ts';
import type { ReplyFailureCode } from './runtime.ts';

/** A request that failed. */
export interface RawFailure {
  readonly ok: false;
  readonly code: ReplyFailureCode;
  readonly reason: string;
}

/** Longest part of an engine's error message that is passed on. */
const MAX_MESSAGE_LENGTH = 300;

/** A failed request as a value. */
export function rawFailure(code: ReplyFailureCode, reason: string): RawFailure {
  return { ok: false, code, reason };
}

/** What a failed connection means. */
export function failureFromConnection(error: unknown): RawFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return rawFailure('absent', `no socket (${code})`);
    case 'ECONNREFUSED':
      return rawFailure('absent', `nobody listens on the socket (${code})`);
    case 'EACCES':
    case 'EPERM':
      return rawFailure('denied', `permission denied (${code})`);
    case undefined:
      return rawFailure('failed', clipMessage(message));
    default:
      return rawFailure('failed', `${clipMessage(message)} (${code})`);
  }
}

/**
 * An error message of an engine, short and on one line. An engine repeats in its messages what it was asked for, so
 * secrets are removed.
 */
export function clipMessage(text: string): string {
  return redactText(text.slice(0, 16 * MAX_MESSAGE_LENGTH))
    .slice(0, MAX_MESSAGE_LENGTH)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
}
