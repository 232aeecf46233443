import { Agent } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { errorCode } from '../../service/files.ts';
import { sendRequest } from '../../service/https-request.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import { defectOf } from './defect.ts';
import type { SinkOutcome } from './sink.ts';

/** A request to a receiver. */
export interface ClientRequest {
  readonly url: string;
  /** Absent: POST. */
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** Of the body; absent: none. */
  readonly compression?: 'gzip' | 'none';
}

/** Sends requests to one receiver, one at a time over one connection. */
export interface HttpClient {
  /** Rejects where no complete answer comes within the deadline, and after `close`. */
  readonly send: (request: ClientRequest) => Promise<HttpResponse>;
  /** The outcome of `work`, which sends requests; a failure of it, such as a broken connection, is tried again. */
  readonly attempt: (work: () => Promise<SinkOutcome>) => Promise<SinkOutcome>;
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal;
  readonly close: () => Promise<void>;
}

const MAX_ANSWER_BYTES = 4 * 1024 ** 2;
const MAX_FILE_BYTES = 1024 ** 2;
const DEADLINE_MS = 30_000;
/** No sooner is a receiver tried again; the worker waits longer and longer. */
export const RETRY_MS = 1000;
/** A receiver cannot make us wait longer than this. */
const MAX_RETRY_AFTER_MS = 600_000;
/** Statuses that complain about the content of the request. */
const CONTENT_STATUSES: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** `caFile`: authorities in PEM; `system`: those that this machine trusts. `deadlineMs`: of each request; absent: 30 s. */
export function openHttpClient(caFile: string, deadlineMs = DEADLINE_MS): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: deadlineMs });
  const stop = new AbortController();
  return {
    closing: stop.signal,
    send: async ({ url, method = 'POST', headers, body, compression }) => {
      const isGzip = compression === 'gzip';
      return sendRequest({
        url,
        method,
        headers: { 'user-agent': 'plimsoll', ...headers, ...(isGzip && { 'content-encoding': 'gzip' }) },
        body: isGzip ? await promisify(gzip)(body) : body,
        ca: await readSinkFile(caFile, 'system'),
        maxBytes: MAX_ANSWER_BYTES,
        agent,
        signal: AbortSignal.any([stop.signal, AbortSignal.timeout(deadlineMs)]),
      });
    },
    attempt: async (work) => {
      if (stop.signal.aborted) return retry('the sink is closed');
      try {
        return await work();
      } catch (error) {
        return retry(reasonOf(error, deadlineMs));
      }
    },
    close: () => {
      stop.abort();
      agent.destroy();
      return Promise.resolve();
    },
  };
}

/** The text of a file without white space around it; `absent` names none. Rejects with the path and the reason. */
export async function readSinkFile(path: string, absent: string): Promise<string | undefined> {
  if (path === absent) return undefined;
  const read = await readBoundedText(path, MAX_FILE_BYTES);
  if (!read.ok) throw new RangeError(`${path} ${read.reason}`);
  return read.text.trim();
}

/** Send again, after a second. */
export function retry(reason: string): Extract<SinkOutcome, { readonly outcome: 'retry' }> {
  return { outcome: 'retry', afterMs: RETRY_MS, reason };
}

/** `HTTP 503`, tried again; statuses about the content halve the batch, and reject a single event. */
export function failureOf({ status, headers }: HttpResponse, nowMs: number): SinkOutcome {
  const reason = `HTTP ${String(status)}`;
  if (CONTENT_STATUSES.has(status)) return { outcome: 'split', reason };
  return { outcome: 'retry', afterMs: retryAfterMs(headers['retry-after'], nowMs), reason };
}

/** The value of an answer as JSON; an empty object where it is no object. */
export function parseAnswer(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date. */
function retryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return RETRY_MS;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? RETRY_MS : Math.min(MAX_RETRY_AFTER_MS, Math.max(RETRY_MS, waitMs));
}

/** The code of an error, which names no content of files and requests. */
function reasonOf(error: unknown, deadlineMs: number): string {
  if (error instanceof RangeError) return error.message;
  const defect = defectOf(error);
  if (defect !== undefined) return defect;
  const code = errorCode(error);
  return code === 'ABORT_ERR' || code === 'TimeoutError' ? `no answer within ${String(deadlineMs / 1000)} s` : code;
}
