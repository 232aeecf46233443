import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { EngineAddress } from './engine-address.ts';
import { createJsonFilter } from './json-filter.ts';
import type { FieldFilter, JsonFilter } from './json-filter.ts';
import { failureFromConnection, rawFailure } from '../connection-failure.ts';
import { rawReply } from './reply.ts';
import type { RawReply } from './reply.ts';

/** Bounds of one call. */
export interface CallLimits {
  /** For a whole answer, and for an event stream to begin. */
  readonly timeoutMs: number;
  /** Of one body; of a large one, of the fields that are read. */
  readonly maxBytes: number;
}

/** What dockerode asks of its modem: the part of docker-modem's `dial` options that a reading call uses. */
interface DialOptions {
  readonly path: string;
  readonly method: string;
  readonly isStream?: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly abortSignal?: AbortSignal;
}

/** A {@link RawReply}, or for a stream the response itself. */
type DialCallback = (error: Error | null, value?: RawReply | IncomingMessage) => void;

/** The transport under dockerode, in the place of docker-modem. */
export interface DockerModem {
  /** Sends a GET. A failed call is a value; only a stream that does not begin is an error. */
  readonly dial: (options: DialOptions, callback: DialCallback) => void;
}

/** A larger answer is filtered while it comes in: {@link fieldsOf}. */
const FILTERED_BYTES = 1024 * 1024;
/** How many times larger a filtered answer may be than what is kept of it. */
const MAX_FILTERED_RATIO = 32;
/** Connections that are kept for the next request. */
const MAX_IDLE = 8;
/** A round sends hundreds of requests at once, and then none for minutes. */
const IDLE_MS = 1000;
/** A timer that fires so much too late says that this process did not run; then an answer gets as long again. */
const STALL_MS = 500;
/** An engine sends some hundred bytes; 16 KiB is also Node's own default. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Errors of a kept connection that the engine closed before it read the request. */
const STALE_CODES: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE']);

/** Opens a request for a path; `fresh`: on a connection of its own. */
type OpenRequest = (path: string, fresh: boolean) => ClientRequest;

/**
 * A modem for dockerode over node:http and node:https: bounded bytes, a deadline for each call, kept connections. It
 * sends GET requests only, so that nothing in this program can change anything in an engine. `locate` is called for
 * each request; the connections are opened anew when the address is another one.
 */
export function createDockerModem(
  locate: () => EngineAddress | Promise<EngineAddress>,
  limits: CallLimits,
): DockerModem {
  let opened: { readonly address: EngineAddress; readonly open: OpenRequest } | undefined;
  const openAt = (address: EngineAddress): OpenRequest => {
    if (opened?.address !== address) opened = { address, open: requestOpener(address) };
    return opened.open;
  };
  return {
    dial: ({ path, method, isStream, options, abortSignal }, callback) => {
      if (method !== 'GET') return callback(new Error(`${method} ${path}: this program only reads`));
      const target = targetOf(path, options);
      const send = (open: OpenRequest): void => {
        if (isStream === true) openStream(open, { target, abortSignal, timeoutMs: limits.timeoutMs }, callback);
        else exchange(open, target, limits, (reply) => callback(null, reply));
      };
      const fail = (error: unknown): void =>
        isStream === true ? callback(error as Error) : callback(null, failureFromConnection(error));
      // Hundreds of consecutive calls: if the address is known already, no promise is awaited.
      const located = locate();
      if (located instanceof Promise) located.then((address) => send(openAt(address)), fail);
      else send(openAt(located));
    },
  };
}

/** dockerode ends a path that may have parameters with `?`; parameters that are objects are JSON. */
function targetOf(path: string, parameters: DialOptions['options']): string {
  if (!path.endsWith('?')) return path;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name === 'abortSignal' || value === undefined) continue;
    query.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return query.size === 0 ? path.slice(0, -1) : path + query.toString();
}

const HEADERS = Object.freeze({ 'user-agent': 'plimsoll' });

function requestOpener(address: EngineAddress): OpenRequest {
  const kept = { keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS } as const;
  const common: RequestOptions = { headers: HEADERS, maxHeaderSize: MAX_HEADER_BYTES };
  if (address.kind === 'tcp' && address.tls !== undefined) {
    const https = process.getBuiltinModule('node:https');
    const tls = { ...address.tls, minVersion: 'TLSv1.2' } as const;
    const agent = new https.Agent({ ...kept, ...tls });
    const options = { ...common, ...tls, host: address.host, port: address.port };
    return (path, fresh) => https.request({ ...options, path, agent: fresh ? false : agent });
  }
  // An import would read every export of the module, among them WebSocket, which loads undici: 30 ms of CPU and 13 MB.
  const http = process.getBuiltinModule('node:http');
  const agent = new http.Agent(kept);
  const place =
    address.kind === 'unix'
      ? // A server name is for TLS; without one node:http derives it from the host for each request.
        { socketPath: address.path, headers: { ...HEADERS, host: 'docker' }, servername: '' }
      : { host: address.host, port: address.port };
  const options = { ...common, ...place };
  return (path, fresh) => http.request({ ...options, path, agent: fresh ? false : agent });
}

/** A whole answer; after the deadline `timeout`, beyond the bound `tooLarge`, and the connection is closed. */
function exchange(
  open: OpenRequest,
  target: string,
  { timeoutMs, maxBytes }: CallLimits,
  onReply: (reply: RawReply) => void,
): void {
  let request: ClientRequest;
  let isOver = false;
  const finish = (reply: RawReply): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    onReply(reply);
  };
  const giveUp = (reply: RawReply): void => {
    finish(reply);
    request.destroy();
  };
  const startedMs = performance.now();
  const expire = (): void => {
    // A process that was stopped or starved finds its timer before the answer that came meanwhile.
    const isLate = performance.now() - startedMs - timeoutMs > STALL_MS;
    if (isLate) timer = setTimeout(giveUp, timeoutMs, tooLate);
    else giveUp(tooLate);
  };
  const tooLate = rawFailure('timeout', `no answer within ${String(timeoutMs)} ms`);
  let timer = setTimeout(expire, timeoutMs);
  const send = (fresh: boolean): void => {
    let hasAnswered = false;
    request = open(target, fresh);
    request.on('response', (response) => {
      hasAnswered = true;
      const body = createBody(fieldsOf(target), maxBytes);
      response.on('data', (part: Buffer) => {
        const problem = body.add(part);
        if (problem !== undefined) giveUp(rawFailure('tooLarge', problem));
      });
      response.on('end', () => finish(rawReply(response, body.bytes())));
      response.on('error', () =>
        finish(rawFailure('failed', 'the connection was closed before the answer was complete')),
      );
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The engine closed a kept connection meanwhile. A GET may be sent twice.
      const isStale = request.reusedSocket && !hasAnswered && STALE_CODES.has(error.code);
      if (isStale && !isOver && !fresh) send(true);
      else finish(failureFromConnection(error));
    });
    request.end();
  };
  send(false);
}

/** A body as it comes in. */
interface Body {
  /** Answers why the body cannot be kept; undefined: it can. */
  readonly add: (part: Buffer) => string | undefined;
  readonly bytes: () => Buffer;
}

/** A body of at most `maxBytes`, of which only the fields count once it is large. */
function createBody(fields: Fields, maxBytes: number): Body {
  let parts: Buffer[] = [];
  let length = 0;
  let received = 0;
  let filter: JsonFilter | undefined;
  const keep = (part: Buffer): void => {
    parts.push(part);
    length += part.length;
  };
  return {
    add: (part) => {
      received += part.length;
      if (filter === undefined && received > Math.min(FILTERED_BYTES, maxBytes)) {
        filter = createJsonFilter(fields.isKept, fields.maxStringBytes);
        const soFar = Buffer.concat(parts, length);
        [parts, length] = [[], 0];
        keep(filter.push(soFar));
      }
      keep(filter === undefined ? part : filter.push(part));
      if (length > maxBytes) return `the answer has more than ${String(maxBytes)} bytes`;
      const maxReceived = maxBytes * MAX_FILTERED_RATIO;
      return received > maxReceived ? `the answer has more than ${String(maxReceived)} bytes` : undefined;
    },
    bytes: () => Buffer.concat(parts, length),
  };
}

/** Fields that whoever starts a container or builds an image fills at will, and that no inspector reads. */
const FREE_FIELDS: ReadonlySet<string> = new Set([
  'Annotations',
  'Args',
  'Cmd',
  'Entrypoint',
  'Env',
  'ExposedPorts',
  'ExtraHosts',
  'GraphDriver',
  'Labels',
  'Log',
  'OnBuild',
  'Sysctls',
  'Volumes',
]);
/** What is read of an entry of the list of containers: there one container must not take the room of the others. */
const LIST_FIELDS: ReadonlySet<string> = new Set(['Created', 'Id', 'Image', 'ImageID', 'Names', 'State', 'Status']);

/** Which fields of a large answer are kept, and how much of their strings. */
interface Fields {
  readonly isKept: FieldFilter;
  readonly maxStringBytes?: number;
}

function fieldsOf(target: string): Fields {
  return target.startsWith('/containers/json')
    ? { isKept: (_depth, name) => LIST_FIELDS.has(name), maxStringBytes: 4096 }
    : { isKept: (_depth, name) => !FREE_FIELDS.has(name) };
}

interface StreamOptions {
  readonly target: string;
  readonly abortSignal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** A response as it begins; the caller reads it. The signal closes the connection. */
function openStream(
  open: OpenRequest,
  { target, abortSignal, timeoutMs }: StreamOptions,
  callback: DialCallback,
): void {
  const request = open(target, true);
  const abort = (): void => void request.destroy(new Error('no longer followed'));
  const timer = setTimeout(() => request.destroy(new Error(`no answer within ${String(timeoutMs)} ms`)), timeoutMs);
  request.on('response', (response) => {
    clearTimeout(timer);
    if (response.statusCode === 200) return callback(null, response);
    callback(new Error(`HTTP ${String(response.statusCode)}`));
    request.destroy();
  });
  request.on('error', callback);
  request.on('close', () => {
    clearTimeout(timer);
    abortSignal?.removeEventListener('abort', abort);
  });
  abortSignal?.addEventListener('abort', abort);
  request.end();
  if (abortSignal?.aborted === true) abort();
}
