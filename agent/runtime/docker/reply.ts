import { redactText } from '../../../posture/redaction/redact.ts';
import type { Reply, ReplyFailure, ReplyFailureCode, TextReply } from '../runtime.ts';

/** Longest part of an engine's error message that is passed on. */
const MAX_MESSAGE_LENGTH = 300;

/** A call that did not work, as a value. */
export function replyFailure(code: ReplyFailureCode, reason: string): ReplyFailure {
  return { ok: false, code, reason };
}

/** What a failed connection means. */
export function failureFromConnection(error: unknown): ReplyFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return replyFailure('absent', `no socket (${code})`);
    case 'ECONNREFUSED':
      return replyFailure('absent', `nobody listens on the socket (${code})`);
    case 'EACCES':
    case 'EPERM':
      return replyFailure('denied', `permission denied (${code})`);
    case undefined:
      return replyFailure('failed', clip(message));
    default:
      return replyFailure('failed', `${clip(message)} (${code})`);
  }
}

/** A complete answer as it came, or the failure that its status says. */
export function textReply(status: number, body: Buffer): TextReply {
  return status >= 200 && status <= 299 ? { ok: true, json: body } : failureFromStatus(status, body.toString('utf8'));
}

/** What a text says; a text that is no JSON is a failure. */
export function parsedReply(reply: TextReply): Reply {
  if (!reply.ok) return reply;
  try {
    return { ok: true, value: JSON.parse(reply.json.toString('utf8')) as unknown };
  } catch {
    return replyFailure('failed', 'the answer is not JSON');
  }
}

function failureFromStatus(status: number, body: string): ReplyFailure {
  const reason = `HTTP ${String(status)}: ${clip(messageOf(body))}`;
  if (status === 404) return replyFailure('notFound', reason);
  // An authorisation plugin of the engine refuses with 403.
  return replyFailure(status === 401 || status === 403 ? 'denied' : 'failed', reason);
}

// The engine says what went wrong as {"message": "..."}.
function messageOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' ? message : body;
  } catch {
    return body;
  }
}

/** An engine repeats in its messages what it was asked for: addresses with passwords among it. */
function clip(text: string): string {
  return redactText(text.slice(0, 16 * MAX_MESSAGE_LENGTH))
    .slice(0, MAX_MESSAGE_LENGTH)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
}
