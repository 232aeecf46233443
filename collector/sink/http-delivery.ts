import { Agent } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { errorCode } from '../../service/files.ts';
import { sendRequest } from '../../service/https-request.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import type { Clock } from '../../service/clock.ts';
import type { StoredEvent } from '../store/store.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** Where a sink over HTTP delivers to. */
export interface HttpReceiver {
  readonly url: string;
  /** File with authorities in PEM; `system`: those that this machine trusts. */
  readonly caFile: string;
  /** File with a secret: a token or a key; `none`. It is read again for each batch. */
  readonly secretFile: string;
}

/** What a sink over HTTP needs. */
export interface HttpSinkOptions {
  readonly name: string;
  readonly receiver: HttpReceiver;
  readonly clock: Clock;
  /** Within which an answer must be complete; absent: 30 s. */
  readonly deadlineMs?: number;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
}

/** How a receiver wants a batch, and what its answer means. */
export interface HttpFormat {
  /** Of the body; absent: none. */
  readonly compression?: 'gzip' | 'none';
  readonly toRequest: (
    events: readonly OcsfEvent[],
    terms: { readonly secret: string | undefined; readonly nowMs: number },
  ) => { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array };
  /** The outcome of an answer with status 2xx; undefined: delivered. */
  readonly judge?: (response: HttpResponse, uids: readonly string[]) => SinkOutcome | undefined;
  /** The outcome of another answer that the receiver gives a meaning of its own; undefined: by its status. */
  readonly judgeFailure?: (response: HttpResponse, uids: readonly string[]) => SinkOutcome | undefined;
}

/** Body of one request; larger batches are halved, as are those that a receiver finds too large. */
const MAX_BODY_BYTES = 8 * 1024 ** 2;
const MAX_ANSWER_BYTES = 4 * 1024 ** 2;
const MAX_FILE_BYTES = 1024 ** 2;
const DEADLINE_MS = 30_000;
const RETRY_MS = 1000;
/** A receiver cannot make us wait longer than this. */
const MAX_RETRY_AFTER_MS = 600_000;
/** Statuses that complain about the content of the request. */
const CONTENT_STATUSES: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/**
 * A sink that sends each batch as one POST. What the receiver complains about is halved until single events remain, which
 * are rejected; every other failure is tried again, also wrong credentials and addresses: a receiver that is set up wrong
 * loses nothing.
 */
export function createHttpSink(options: HttpSinkOptions, format: HttpFormat): Sink {
  const { name, receiver, clock, render, deadlineMs = DEADLINE_MS } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: deadlineMs });
  const stop = new AbortController();
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    if (batch.length === 0) return { outcome: 'ok' };
    const uids = batch.map(({ uid }) => uid);
    const secret = await readFile(receiver.secretFile, 'none');
    const { headers, body } = format.toRequest(await render(batch), { secret, nowMs: clock.now() });
    if (Buffer.byteLength(body) > MAX_BODY_BYTES && batch.length > 1)
      return { outcome: 'split', reason: `more than ${String(MAX_BODY_BYTES)} bytes` };
    const isGzip = format.compression === 'gzip';
    const response = await sendRequest({
      url: receiver.url,
      method: 'POST',
      headers: { 'user-agent': 'plimsoll', ...headers, ...(isGzip && { 'content-encoding': 'gzip' }) },
      body: isGzip ? await promisify(gzip)(body) : body,
      ca: await readFile(receiver.caFile, 'system'),
      maxBytes: MAX_ANSWER_BYTES,
      agent,
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(deadlineMs)]),
    });
    const { status } = response;
    if (status >= 200 && status < 300) return format.judge?.(response, uids) ?? { outcome: 'ok' };
    return format.judgeFailure?.(response, uids) ?? failureOf(response, clock.now());
  };
  return {
    name,
    send: async (batch) => {
      if (stop.signal.aborted) return { outcome: 'retry', afterMs: RETRY_MS, reason: 'the sink is closed' };
      try {
        return await send(batch);
      } catch (error) {
        return { outcome: 'retry', afterMs: RETRY_MS, reason: reasonOf(error, deadlineMs) };
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
async function readFile(path: string, absent: string): Promise<string | undefined> {
  if (path === absent) return undefined;
  const read = await readBoundedText(path, MAX_FILE_BYTES);
  if (!read.ok) throw new RangeError(`${path} ${read.reason}`);
  return read.text.trim();
}

/** `HTTP 503`, tried again; statuses about the content halve the batch, and reject a single event. */
function failureOf({ status, headers }: HttpResponse, nowMs: number): SinkOutcome {
  const reason = `HTTP ${String(status)}`;
  if (CONTENT_STATUSES.has(status)) return { outcome: 'split', reason };
  return { outcome: 'retry', afterMs: retryAfterMs(headers['retry-after'], nowMs), reason };
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date. */
function retryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return RETRY_MS;
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? RETRY_MS : Math.min(MAX_RETRY_AFTER_MS, Math.max(RETRY_MS, waitMs));
}

/** The code of an error, which names no content of files and requests. */
function reasonOf(error: unknown, deadlineMs: number): string {
  if (error instanceof RangeError) return error.message;
  const code = errorCode(error);
  return code === 'ABORT_ERR' || code === 'TimeoutError' ? `no answer within ${String(deadlineMs / 1000)} s` : code;
}
