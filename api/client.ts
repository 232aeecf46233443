import { parseJson, readBounded } from './answer.ts';
import { apiError } from './error.ts';
import { safe } from './safe.ts';
import { wait } from './wait.ts';
import type * as s from '../posture/schema.ts';

/**
 * Why there is no answer. The collector refused (`signedOut`: it does not accept the token), failed, could not be
 * reached in time, or gave an answer that is not of the expected shape; `aborted`: the caller gave up.
 */
export interface RequestFailure {
  readonly kind: 'signedOut' | 'limited' | 'notFound' | 'refused' | 'failed' | 'unreachable' | 'unreadable' | 'aborted';
  /** For people; contains no raw control characters. */
  readonly message: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
  /** How long to wait before the next try; 0: not specified. */
  readonly retryAfterMs: number;
}

/** Will the collector refuse the same request again? */
export function isFinal(kind: RequestFailure['kind']): boolean {
  return kind === 'signedOut' || kind === 'refused' || kind === 'notFound';
}

/** A response, or why the request failed. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: RequestFailure };

/** A client of the operator API, for the CLI and the console. Its methods never reject. */
export interface ApiClient {
  readonly get: <T>(path: string, schema: s.Schema<T>, signal?: AbortSignal) => Promise<Result<T>>;
  readonly post: <T>(path: string, schema: s.Schema<T>, request: PostRequest) => Promise<Result<T>>;
  readonly delete: <T>(path: string, schema: s.Schema<T>) => Promise<Result<T>>;
  /** Opens a stream, after the event with this id; no deadline but `signal`. */
  readonly stream: (path: string, lastEventId: string, signal: AbortSignal) => Promise<Result<Response>>;
}

/** The body of a POST. `patienceMs` is added to the usual deadline, for requests that wait for nodes. */
export interface PostRequest {
  readonly body: unknown;
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** What a client is made from. */
export interface ApiClientOptions {
  /** Sends a request to the collector; rejects where no answer comes. */
  readonly fetch: (path: string, init: RequestInit) => Promise<Response>;
  /** The token at the time of a request; undefined: none is sent. */
  readonly token: () => string | undefined;
  /** Called when the collector refuses the token. */
  readonly onRefused?: () => void;
  /**
   * Called before a GET is retried, once, after a lost connection; without it, it is not retried then. A GET that the
   * collector refuses because it is busy is retried once in any case, after the time that it names.
   */
  readonly beforeRepeat?: (signal: AbortSignal) => Promise<void>;
  readonly texts: FailureTexts;
}

/** Message and hint of a failure. */
type FailureText = readonly [message: string, hint: string];

/** Texts of the failures that the collector does not describe itself. */
export interface FailureTexts {
  readonly unreachable: (error: unknown) => FailureText;
  /** Replaces what the collector writes, `said`, where it does not accept the token. */
  readonly signedOut?: (said: string) => FailureText;
  readonly late: FailureText;
  readonly tooLarge: FailureText;
  /** `problem`: what is wrong with the answer. */
  readonly unreadable: (problem: string) => FailureText;
}

/** How long an answer may take, and how large it may be: 10,000 findings with all their evidence stay far below. */
const DEADLINE_MS = 20_000;
const MAX_BYTES = 128 * 1024 * 1024;
/** A collector that is busy for longer is not waited for. */
const MAX_BUSY_MS = 5000;

/** A client of the operator API. */
export function createApiClient({ fetch, token, onRefused, beforeRepeat, texts }: ApiClientOptions): ApiClient {
  const send = async (path: string, init: RequestInit): Promise<Result<Response>> => {
    const bearer = token();
    const headers = new Headers(init.headers);
    if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`);
    try {
      const response = await fetch(path, { ...init, headers, redirect: 'error' });
      if (response.ok) return { ok: true, value: response };
      if (response.status === 401 && bearer !== undefined && bearer === token()) onRefused?.();
      const refused = await readRefusal(response);
      const [message, hint] = (refused.kind === 'signedOut' && texts.signedOut?.(refused.message)) || [
        refused.message,
        refused.hint,
      ];
      return { ok: false, problem: { ...refused, message, hint } };
    } catch (error) {
      return { ok: false, problem: brokenOff(error, init.signal, texts) };
    }
  };
  const ask = async <T>(path: string, schema: s.Schema<T>, init: RequestInit): Promise<Result<T>> => {
    const sent = await send(path, init);
    return sent.ok ? readAnswer(sent.value, { schema, signal: init.signal, texts }) : sent;
  };
  return {
    get: async (path, schema, signal) => {
      const bound = within(DEADLINE_MS, signal);
      const first = await ask(path, schema, { signal: bound });
      if (first.ok) return first;
      const { kind, retryAfterMs } = first.problem;
      const isBusy = kind === 'limited' && retryAfterMs > 0 && retryAfterMs <= MAX_BUSY_MS;
      if (isBusy) await wait(retryAfterMs, bound);
      else if (kind === 'unreachable' && !bound.aborted && beforeRepeat !== undefined) await beforeRepeat(bound);
      else return first;
      return bound.aborted ? first : ask(path, schema, { signal: bound });
    },
    post: (path, schema, { body, patienceMs = 0, signal }) =>
      ask(path, schema, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: within(DEADLINE_MS + patienceMs, signal),
      }),
    delete: (path, schema) => ask(path, schema, { method: 'DELETE', signal: within(DEADLINE_MS, undefined) }),
    stream: (path, lastEventId, signal) =>
      send(path, {
        signal,
        headers: { accept: 'text/event-stream', ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }) },
      }),
  };
}

function within(deadlineMs: number, signal: AbortSignal | undefined): AbortSignal {
  const deadline = AbortSignal.timeout(deadlineMs);
  return signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
}

interface Reading<T> {
  readonly schema: s.Schema<T>;
  readonly signal: RequestInit['signal'];
  readonly texts: FailureTexts;
}

async function readAnswer<T>(response: Response, { schema, signal, texts }: Reading<T>): Promise<Result<T>> {
  let text: string;
  try {
    text = await readBounded(response, MAX_BYTES);
  } catch (error) {
    return { ok: false, problem: brokenOff(error, signal, texts) };
  }
  const parsed = parseJson(text, schema);
  if (parsed.ok) return parsed;
  return { ok: false, problem: failure('unreadable', texts.unreadable(safe(parsed.problem).slice(0, 300))) };
}

async function readRefusal(response: Response): Promise<RequestFailure> {
  const body = await readBounded(response, 64 * 1024).catch(() => '');
  const parsed = parseJson(body, apiError);
  const said = parsed.ok
    ? parsed.value.error
    : { message: `the collector answered HTTP ${String(response.status)}`, hint: null };
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 0;
  return { ...failure(kindOf(response.status), [safe(said.message), safe(said.hint ?? '')]), retryAfterMs };
}

function kindOf(status: number): RequestFailure['kind'] {
  if (status === 401) return 'signedOut';
  if (status === 404) return 'notFound';
  if (status === 429) return 'limited';
  return status >= 500 ? 'failed' : 'refused';
}

function brokenOff(error: unknown, signal: RequestInit['signal'], texts: FailureTexts): RequestFailure {
  if (signal?.aborted === true)
    return (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
      ? failure('unreachable', texts.late)
      : failure('aborted', ['The request was cancelled.', '']);
  if (error instanceof RangeError) return failure('unreadable', texts.tooLarge);
  return failure('unreachable', texts.unreachable(error));
}

function failure(kind: RequestFailure['kind'], [message, hint]: FailureText): RequestFailure {
  return { kind, message, hint, retryAfterMs: 0 };
}

/** A path with query parameters; those that are undefined are left out, lists are repeated. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined)
      for (const one of typeof value === 'object' ? value : [String(value)]) parameters.append(name, one);
  return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
}
