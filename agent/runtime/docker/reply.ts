import type { IncomingHttpHeaders } from 'node:http';
import type { Parsed, Schema } from '../../../posture/schema.ts';
import { clipMessage, rawFailure } from '../connection-failure.ts';
import type { RawFailure } from '../connection-failure.ts';
import { replyFailure } from '../runtime.ts';
import type { Reply, ReplyFailure } from '../runtime.ts';

/** The engines that serve the Docker API, by the names that facts have. */
export type EngineName = 'docker' | 'podman';

/** The response to one request: the body of a successful one, not parsed yet, or why it failed. */
export type RawReply = { readonly ok: true; readonly json: Buffer; readonly engine: EngineName } | RawFailure;

/** The parts of an HTTP response that a reply is made from. */
interface ResponseHead {
  readonly statusCode?: number | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** A complete response: its body, or the failure that its status says. */
export function rawReply({ statusCode = 0, headers }: ResponseHead, body: Buffer): RawReply {
  return statusCode >= 200 && statusCode <= 299
    ? { ok: true, json: body, engine: engineOf(headers) }
    : failureFromStatus(statusCode, body.toString('utf8'));
}

/** Podman adds its own API version to each response (podman-system-service(1)). */
function engineOf(headers: IncomingHttpHeaders): EngineName {
  return headers['libpod-api-version'] === undefined ? 'docker' : 'podman';
}

/** The value that a response carries; a failure where it is not JSON, or not what `schema` accepts. */
export function parseReply<T>(raw: RawReply, schema: Schema<T>, source: string): Reply<T> {
  if (!raw.ok) return failedReply(raw, source);
  const parsed = parseJson(raw.json, schema);
  return parsed.ok ? { ok: true, value: parsed.value, source } : replyFailure('malformed', parsed.problem, source);
}

/** A failed request as the failure of a call. */
export function failedReply({ code, reason }: RawFailure, source: string): ReplyFailure {
  return replyFailure(code, reason, source);
}

function parseJson<T>(json: Buffer, schema: Schema<T>): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(json.toString('utf8'));
  } catch {
    return { ok: false, problem: 'the answer is not JSON' };
  }
  const parsed = schema.parse(value);
  return parsed.ok ? parsed : { ok: false, problem: `the answer is not understood: ${parsed.problem}` };
}

function failureFromStatus(status: number, body: string): RawFailure {
  const reason = `HTTP ${String(status)}: ${clipMessage(messageOf(body))}`;
  if (status === 404) return rawFailure('notFound', reason);
  // An authorisation plugin of the engine refuses with 403.
  return rawFailure(status === 401 || status === 403 ? 'denied' : 'failed', reason);
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
