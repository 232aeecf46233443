import type { IncomingMessage } from 'node:http';
import type { Reply, ReplyFailure, ReplyFailureCode } from './runtime.ts';

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

/** The JSON of a response: at most `maxBytes`, read as a value or as the failure that its status says. */
export async function readReply(response: IncomingMessage, maxBytes: number): Promise<Reply> {
  const body = await readBody(response, maxBytes);
  if (body === undefined) return replyFailure('tooLarge', `the answer has more than ${String(maxBytes)} bytes`);
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) return failureFromStatus(status, body);
  try {
    return { ok: true, value: JSON.parse(body) as unknown };
  } catch {
    return replyFailure('failed', 'the answer is not JSON');
  }
}

function readBody(response: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) {
        response.destroy();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    response.on('error', reject);
    response.on('close', () => reject(new Error('the connection was closed before the answer was complete')));
  });
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

function clip(text: string): string {
  return text
    .slice(0, MAX_MESSAGE_LENGTH)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
}
