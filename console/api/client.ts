import { parseJson, readBounded } from '../../api/answer.ts';
import { apiError } from '../../api/error.ts';
import { safe } from '../../api/safe.ts';
import type * as s from '../../posture/schema.ts';
import { wait } from '../wait.ts';

/** Why there is no answer. `signedOut`: the session is over. `aborted`: nobody waits for it any more. */
export interface RequestFailure {
  readonly kind: 'signedOut' | 'limited' | 'notFound' | 'refused' | 'failed' | 'unreachable' | 'unreadable' | 'aborted';
  /** For people; holds no raw control characters. */
  readonly message: string;
  readonly hint: string;
  /** How long to wait before the next try; 0 where nothing was said. */
  readonly retryAfterMs: number;
}

/** An answer, or why there is none. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: RequestFailure };

/** Speaks to the operator API of the collector that served the page. */
export interface ApiClient {
  readonly get: <T>(path: string, schema: s.Schema<T>, signal?: AbortSignal) => Promise<Result<T>>;
  readonly post: <T>(path: string, schema: s.Schema<T>, request: PostRequest) => Promise<Result<T>>;
  readonly delete: <T>(path: string, schema: s.Schema<T>) => Promise<Result<T>>;
  /** Opens a stream; no deadline but `signal`. */
  readonly stream: (path: string, lastEventId: string, signal: AbortSignal) => Promise<Result<Response>>;
}

/** The body of a POST. `patienceMs` is added to the usual deadline, for questions that wait for others. */
export interface PostRequest {
  readonly body: unknown;
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** What a client is made from. */
export interface ApiClientOptions {
  readonly fetch: (path: string, init: RequestInit) => Promise<Response>;
  /** The token at the time of a request; undefined: none is sent. */
  readonly token: () => string | undefined;
  /** Called when the collector refuses the token. */
  readonly onRefused: () => void;
}

/** How long an answer may take, and how large it may be. */
const DEADLINE_MS = 20_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** How long until a reading request that was broken off is made once more. */
const AGAIN_MS = 300;

/** A client of the operator API. */
export function createApiClient({ fetch, token, onRefused }: ApiClientOptions): ApiClient {
  const send = async (path: string, init: RequestInit): Promise<Result<Response>> => {
    const bearer = token();
    const headers = new Headers(init.headers);
    if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`);
    try {
      const response = await fetch(path, {
        ...init,
        headers,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
      if (response.ok) return { ok: true, value: response };
      if (response.status === 401 && bearer !== undefined && bearer === token()) onRefused();
      return { ok: false, problem: await refusal(response) };
    } catch (error) {
      return { ok: false, problem: brokenOff(error, init.signal) };
    }
  };
  const ask = async <T>(path: string, schema: s.Schema<T>, init: RequestInit): Promise<Result<T>> => {
    const sent = await send(path, init);
    return sent.ok ? readAnswer(sent.value, schema, init.signal) : sent;
  };
  return {
    get: async (path, schema, signal) => {
      const bound = within(DEADLINE_MS, signal);
      const first = await ask(path, schema, { signal: bound });
      if (first.ok || first.problem.kind !== 'unreachable' || bound.aborted) return first;
      // A browser breaks off its requests when the machine's interfaces change, as they do when a container starts.
      await wait(AGAIN_MS, bound);
      return ask(path, schema, { signal: bound });
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

async function readAnswer<T>(
  response: Response,
  schema: s.Schema<T>,
  signal: RequestInit['signal'],
): Promise<Result<T>> {
  let text: string;
  try {
    text = await readBounded(response, MAX_BYTES);
  } catch (error) {
    return { ok: false, problem: brokenOff(error, signal) };
  }
  const parsed = parseJson(text, schema);
  if (parsed.ok) return parsed;
  const message = `The answer of the collector could not be read (${safe(parsed.problem).slice(0, 300)}).`;
  return { ok: false, problem: problem('unreadable', message, 'Reload the page: it may be older than the collector.') };
}

async function refusal(response: Response): Promise<RequestFailure> {
  const body = await readBounded(response, 64 * 1024).catch(() => '');
  const parsed = parseJson(body, apiError);
  const said = parsed.ok ? parsed.value.error : { message: `HTTP ${String(response.status)}`, hint: null };
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 0;
  return { ...problem(kindOf(response.status), safe(said.message), safe(said.hint ?? '')), retryAfterMs };
}

function kindOf(status: number): RequestFailure['kind'] {
  if (status === 401) return 'signedOut';
  if (status === 404) return 'notFound';
  if (status === 429) return 'limited';
  return status >= 500 ? 'failed' : 'refused';
}

function brokenOff(error: unknown, signal: RequestInit['signal']): RequestFailure {
  const late = 'The collector took too long to answer.';
  if (signal?.aborted === true)
    return (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
      ? problem('unreachable', late, 'It may be busy: try again.')
      : problem('aborted', 'Nobody waits for this any more.', '');
  if (error instanceof RangeError) return problem('unreadable', 'The answer is larger than this page reads.', '');
  return problem('unreachable', 'The collector cannot be reached.', 'Is it running, and is the way to it open?');
}

function problem(kind: RequestFailure['kind'], message: string, hint: string): RequestFailure {
  return { kind, message, hint, retryAfterMs: 0 };
}
