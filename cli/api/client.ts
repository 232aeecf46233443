import { parseJson, readBounded } from '../../api/answer.ts';
import { apiError } from '../../api/error.ts';
import type { Schema } from '../../posture/schema.ts';
import { formatAddress, loopbackOf } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';

/** How long an answer may take, beyond what the question itself waits for. */
const DEADLINE_MS = 15_000;
/** Largest answer that is read: 10,000 findings with all their evidence stay far below. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;

/** What came of a request. `unreachable`: nobody answers there. */
export type ApiResult<T> = { readonly ok: true; readonly value: T } | ApiFailure;

/** A request that did not work; the texts are for people. */
export interface ApiFailure {
  readonly ok: false;
  readonly kind: 'unreachable' | 'refused' | 'broken';
  readonly problem: string;
  readonly hint?: string;
}

/** Values of one query parameter. */
type QueryValue = string | number | readonly string[] | undefined;

/** The operator API, as the command line uses it. */
export interface ApiClient {
  /** `http://127.0.0.1:7480` */
  readonly url: string;
  readonly get: <T>(
    path: string,
    schema: Schema<T>,
    query?: Readonly<Record<string, QueryValue>>,
  ) => Promise<ApiResult<T>>;
  /** `waitMs`: how long the collector itself may take. */
  readonly post: <T>(path: string, schema: Schema<T>, body: unknown, waitMs: number) => Promise<ApiResult<T>>;
  readonly delete: <T>(path: string, schema: Schema<T>) => Promise<ApiResult<T>>;
  /** The raw answer of a stream, once its headers are there; the caller reads the body. */
  readonly stream: (
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<ApiResult<Response>>;
}

interface Request {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What a client needs. */
export interface ApiClientOptions {
  readonly address: Address;
  readonly token: string;
  readonly signal: AbortSignal;
}

/** A client of the operator API at `address`. */
export function createApiClient({ address, token, signal }: ApiClientOptions): ApiClient {
  const url = `http://${formatAddress(loopbackOf(address))}`;
  const request = async (path: string, init: Request, limit: AbortSignal): Promise<ApiResult<Response>> => {
    try {
      const headers = { authorization: `Bearer ${token}`, ...init.headers };
      const response = await fetch(url + path, { ...init, headers, redirect: 'error', signal: limit });
      return response.ok ? { ok: true, value: response } : await readRefusal(response);
    } catch (error) {
      return unreachable(url, error);
    }
  };
  const ask = async <T>(path: string, schema: Schema<T>, init: Request, waitMs: number): Promise<ApiResult<T>> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(waitMs + DEADLINE_MS)]);
    const response = await request(path, init, limit);
    return response.ok ? readAnswer(response.value, schema) : response;
  };
  return {
    url,
    get: (path, schema, query = {}) => ask(path + queryText(query), schema, { headers: { accept: JSON_TYPE } }, 0),
    post: (path, schema, body, waitMs) =>
      ask(path, schema, { method: 'POST', headers: { 'content-type': JSON_TYPE }, body: JSON.stringify(body) }, waitMs),
    delete: (path, schema) => ask(path, schema, { method: 'DELETE', headers: { accept: JSON_TYPE } }, 0),
    stream: (path, headers, limit) => request(path, { headers }, AbortSignal.any([signal, limit])),
  };
}

const JSON_TYPE = 'application/json';

/** The answer of `response`, read up to {@link MAX_ANSWER_BYTES} and held to `schema`. */
async function readAnswer<T>(response: Response, schema: Schema<T>): Promise<ApiResult<T>> {
  const text = await readText(response);
  if (!text.ok) return text;
  const parsed = parseJson(text.value, schema);
  return parsed.ok
    ? parsed
    : broken(`the collector gave an answer that this version does not understand (${parsed.problem})`);
}

async function readRefusal(response: Response): Promise<ApiFailure> {
  const text = await readText(response);
  const parsed = text.ok ? parseJson(text.value, apiError) : text;
  if (!parsed.ok) return broken(`the collector answered HTTP ${String(response.status)}`);
  const { code, message, hint } = parsed.value.error;
  if (code === 'unauthorized')
    return {
      ok: false,
      kind: 'refused',
      problem: 'the collector does not accept this operator token',
      hint: 'name the token file of that collector with --token-file or its --data-dir',
    };
  return hint === null
    ? { ok: false, kind: 'refused', problem: message }
    : { ok: false, kind: 'refused', problem: message, hint };
}

async function readText(response: Response): Promise<ApiResult<string>> {
  try {
    return { ok: true, value: await readBounded(response, MAX_ANSWER_BYTES) };
  } catch (error) {
    return error instanceof RangeError
      ? broken('the collector gave an answer that is too large')
      : unreachable(response.url, error);
  }
}

function queryText(query: Readonly<Record<string, QueryValue>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)])
      parameters.append(name, one);
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function unreachable(url: string, error: unknown): ApiFailure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: unknown } | null)?.code;
  if ((error as { name?: unknown } | null)?.name === 'TimeoutError')
    return {
      ok: false,
      kind: 'broken',
      problem: `the collector at ${url} did not answer in time`,
      hint: 'it may be overloaded, or its disk may not answer (frozen, or a network file system): see its log and dmesg',
    };
  return {
    ok: false,
    kind: 'unreachable',
    problem: `no collector answers at ${url}${typeof code === 'string' ? ` (${code})` : ''}`,
    hint: 'start one with: plimsoll up   or name another with --api HOST:PORT',
  };
}

function broken(problem: string): ApiFailure {
  return { ok: false, kind: 'broken', problem };
}
