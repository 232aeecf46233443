import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { checkServerIdentity } from 'node:tls';
import * as s from '../posture/schema.ts';
import { errorCode } from '../service/files.ts';
import type { KubernetesAccess, KubernetesCredentials } from './access.ts';

/**
 * Why a request has no result. Closed list.
 * unreachable: no connection, or the certificate of the server is wrong · timeout: no complete response in time ·
 * malformed: the response is too large, or not what the API documents · credentials: our own cannot be read ·
 * unauthorized: HTTP 401 · forbidden: 403 · notFound: 404 · conflict: 409, the object exists or was changed ·
 * tooMany: 429, also for an eviction that a PodDisruptionBudget does not allow · refused: another 4xx ·
 * failed: 5xx, and other statuses
 */
export type KubernetesErrorCode =
  | 'unreachable'
  | 'timeout'
  | 'malformed'
  | 'credentials'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'tooMany'
  | 'refused'
  | 'failed';

/** The outcome of a request. `reason` is for people; it holds no secret. */
export type KubernetesResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: KubernetesErrorCode; readonly reason: string };

/** A client of a Kubernetes API server. Every response is bounded in bytes and time, and parsed by a schema. */
export interface KubernetesApi {
  readonly get: <T>(path: string, schema: s.Schema<T>, form?: ObjectForm) => Promise<KubernetesResult<T>>;
  readonly create: <T>(path: string, body: unknown, schema: s.Schema<T>) => Promise<KubernetesResult<T>>;
  /**
   * Merges `body` into an object: by RFC 7386, or with `strategic` so that entries of lists with a name, such as
   * containers, are merged by it. Where `body` has `metadata.resourceVersion`, a newer object is a `conflict`.
   */
  readonly patch: <T>(
    path: string,
    body: unknown,
    schema: s.Schema<T>,
    form?: PatchForm,
  ) => Promise<KubernetesResult<T>>;
  /** Deletes an object. */
  readonly remove: (path: string) => Promise<KubernetesResult<object>>;
  readonly close: () => void;
}

/** `metadata`: without spec and status, which the API server leaves out on request (PartialObjectMetadata). */
export type ObjectForm = 'whole' | 'metadata' | 'metadataList';

/** How a patch is merged. */
export type PatchForm = 'merge' | 'strategic';

const ACCEPT: Readonly<Record<ObjectForm, string>> = Object.freeze({
  whole: 'application/json',
  metadata: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  metadataList: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
});

const PATCH_TYPE: Readonly<Record<PatchForm, string>> = Object.freeze({
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
});

const DEADLINE_MS = 10_000;
/** An object has at most 1.5 MiB (request limit of etcd); a page of 500 metadata is smaller. */
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
const MAX_SOCKETS = 8;
const MAX_REASON = 300;

/** What the server says of an error: a `Status` object (meta/v1). */
const statusSchema = s.object({ message: s.withDefault(s.string(), '') });

/** Opens a client; connections are made when they are needed. */
export function createKubernetesApi(access: KubernetesAccess, deadlineMs = DEADLINE_MS): KubernetesApi {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: 1, timeout: 60_000 });
  const call = async <T>(
    { method, path, accept, body, type }: Call,
    schema: s.Schema<T>,
  ): Promise<KubernetesResult<T>> => {
    let credentials: KubernetesCredentials;
    try {
      credentials = await access.credentials();
    } catch (error) {
      return failure('credentials', `the credentials for the API server cannot be read: ${errorCode(error)}`);
    }
    const sent = await send({ access, credentials, agent, deadlineMs, method, path, accept, body, type });
    return sent.ok ? parseResponse(sent.value, schema) : sent;
  };
  return {
    get: (path, schema, form = 'whole') => call({ method: 'GET', path, accept: ACCEPT[form] }, schema),
    create: (path, body, schema) =>
      call({ method: 'POST', path, accept: ACCEPT.whole, body: JSON.stringify(body) }, schema),
    patch: (path, body, schema, form = 'merge') =>
      call({ method: 'PATCH', path, accept: ACCEPT.whole, body: JSON.stringify(body), type: PATCH_TYPE[form] }, schema),
    remove: (path) => call({ method: 'DELETE', path, accept: ACCEPT.whole }, s.object({})),
    close: () => agent.destroy(),
  };
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly accept: string;
  readonly body?: string | undefined;
  /** Media type of the body; default: JSON. */
  readonly type?: string | undefined;
}

interface Sending extends Call {
  readonly access: KubernetesAccess;
  readonly credentials: KubernetesCredentials;
  readonly agent: Agent;
  readonly deadlineMs: number;
}

interface Response {
  readonly status: number;
  readonly body: Buffer;
}

function send({ access, credentials, agent, deadlineMs, ...call }: Sending): Promise<KubernetesResult<Response>> {
  const { address, basePath, serverName } = access;
  const { token, ca, cert, key } = credentials;
  const { promise, resolve } = Promise.withResolvers<KubernetesResult<Response>>();
  const deadline = AbortSignal.timeout(deadlineMs);
  const fail = (error: unknown): void =>
    resolve(
      deadline.aborted
        ? failure('timeout', `the API server did not answer within ${String(deadlineMs / 1000)} s`)
        : failure('unreachable', `no connection to the API server: ${errorCode(error)}`),
    );
  try {
    const sent = request({
      agent,
      host: address.host,
      port: address.port,
      path: `${basePath}${call.path}`,
      method: call.method,
      minVersion: 'TLSv1.2',
      ca,
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(serverName === undefined
        ? {}
        : {
            servername: serverName,
            checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
              checkServerIdentity(serverName, certificate),
          }),
      headers: {
        accept: call.accept,
        'user-agent': 'plimsoll',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(call.body === undefined
          ? {}
          : { 'content-type': call.type ?? 'application/json', 'content-length': Buffer.byteLength(call.body) }),
      },
      signal: deadline,
    });
    sent.on('error', fail);
    sent.on('response', (response) => collect(response, resolve, fail));
    sent.end(call.body);
  } catch (error) {
    // For example a token with a line break in it.
    fail(error);
  }
  return promise;
}

function collect(
  response: IncomingMessage,
  resolve: (result: KubernetesResult<Response>) => void,
  fail: (error: unknown) => void,
): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  response.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes <= MAX_RESPONSE_BYTES) return void parts.push(part);
    resolve(failure('malformed', 'the response of the API server is too large'));
    response.destroy();
    return undefined;
  });
  response.on('error', fail);
  response.on('end', () =>
    resolve({ ok: true, value: { status: response.statusCode ?? 0, body: Buffer.concat(parts) } }),
  );
}

function parseResponse<T>({ status, body }: Response, schema: s.Schema<T>): KubernetesResult<T> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    json = undefined;
  }
  if (status >= 200 && status < 300) {
    const parsed = schema.parse(json);
    if (parsed.ok) return parsed;
    return failure('malformed', `the response of the API server is not as documented: ${parsed.problem}`);
  }
  const said = statusSchema.parse(json);
  const detail = said.ok && said.value.message !== '' ? `: ${printable(said.value.message)}` : '';
  return failure(codeOf(status), `the API server answered HTTP ${String(status)}${detail}`);
}

function codeOf(status: number): KubernetesErrorCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'notFound';
    case 409:
      return 'conflict';
    case 429:
      return 'tooMany';
    default:
      return status >= 400 && status < 500 ? 'refused' : 'failed';
  }
}

/** Text of the server as it may appear in a message: one line of printable ASCII, shortened. */
export function printable(text: string): string {
  return text.slice(0, MAX_REASON).replaceAll(/[^ -~]/g, '?');
}

function failure(code: KubernetesErrorCode, reason: string): Extract<KubernetesResult<never>, { ok: false }> {
  return { ok: false, code, reason };
}
