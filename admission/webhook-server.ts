import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../service/clock.ts';
import type { Address } from '../service/config/kind.ts';
import { SNAPSHOT_PATH } from '../image/policy/snapshot-download.ts';
import type { SignedSnapshot } from '../image/policy/snapshot-file.ts';
import { createConnectionLimit, networkOf } from '../service/connection-limit.ts';
import type { ConnectionLimit } from '../service/connection-limit.ts';
import { guardHandshakes } from '../service/guard-handshakes.ts';
import { createBodyBudget } from '../service/body-budget.ts';
import type { BodyBudget } from '../service/body-budget.ts';
import { isWithin } from './json-bounds.ts';
import { createReviewQueue } from './review-queue.ts';
import type { ReviewQueue } from './review-queue.ts';
import { parseReview, reviewOf } from './review.ts';
import type { AdmissionRequest, AdmissionResponse } from './review.ts';

/** What the server presents and accepts, as PEM text. */
export interface WebhookTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients; absent: clients need no certificate, as the API server sends none by default. */
  readonly clientCa?: string;
  /** Authorities of the certificates of all replicas; absent: those that Node trusts, and `clientCa` for their requests. */
  readonly authorities?: string;
}

/** The two webhooks. */
export type WebhookPath = '/validate' | '/mutate';

/** Answers one review; undefined: there is nothing to judge by yet. */
export type Respond = (path: WebhookPath, request: AdmissionRequest) => AdmissionResponse | undefined;

/** The snapshot for a replica that has none, by its `Authorization` header; `forbidden`: it is not a replica. */
export type ShareSnapshot = (authorization: string) => Promise<SignedSnapshot | 'forbidden' | undefined>;

/** What the server answers with. */
export interface WebhookHandlers {
  readonly respond: Respond;
  /** Absent: the snapshot is not shared. */
  readonly share?: ShareSnapshot | undefined;
  readonly onError: (error: unknown) => void;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
}

/** How long a server drains: until `quietMs` have passed without a request, but `leastMs`, and not longer than `mostMs`. */
export interface DrainLimits {
  readonly leastMs: number;
  readonly quietMs: number;
  readonly mostMs: number;
}

/** A listening server. */
export interface WebhookServer {
  readonly address: Address;
  /** Presents another certificate from the next connection on. */
  readonly replaceCertificate: (tls: WebhookTls) => void;
  /** From now on each answer ends its connection, so that the API server opens the next one elsewhere. */
  readonly drain: (limits: DrainLimits) => Promise<void>;
  /** Answers the requests that are being read, within two seconds, then closes. */
  readonly close: () => Promise<void>;
}

/**
 * Bytes of a request. An API server accepts objects of 3 MiB (`MaxRequestBodyBytes` of k8s.io/apiserver), stores those of
 * 1.5 MiB (`--max-request-bytes` of etcd), and sends the new and the old one, in JSON.
 */
export const MAX_BODY_BYTES = 6 * 1024 * 1024;
/**
 * A pod of 1.5 MiB with values of 8 bytes has fewer, and `managedFields` of a CronJob are 24 deep. Without these bounds 6
 * MiB of JSON cost half a second.
 */
const JSON_BOUNDS = Object.freeze({ depth: 128, values: 200_000 });
/** Bytes of all requests that are being read. */
const MAX_BUFFERED_BYTES = 48 * 1024 * 1024;
/** The API server waits five seconds (`timeoutSeconds`). */
const DEADLINE_MS = 4_000;
/** A body has a second, and one more for each of these bytes. */
const MIN_BYTES_PER_SECOND = 2 * 1024 * 1024;
const BODY_MS = 1_000;
const HANDSHAKE_MS = 3_000;
const KEEP_ALIVE_MS = 60_000;
const CLOSE_MS = 2_000;
const MAX_HEADER_BYTES = 16_384;
/**
 * Connections without a client certificate, or without a request that was received; with one more, the oldest of the
 * network with most of them is closed. An API server handles 600 requests at a time by default
 * (`--max-requests-inflight`, `--max-mutating-requests-inflight`), speaks HTTP/1.1 to this server, one connection a
 * request, and sends all of them to one replica while the others are down.
 */
const MAX_CONNECTIONS = 2_048;
/** The kernel must not close what the limit above would keep. */
const MAX_ALL_CONNECTIONS = 2 * MAX_CONNECTIONS;

/** Opens the server. Rejects with the error of the operating system, or with that of the certificate. */
export async function openWebhookServer(
  listen: Address,
  tls: WebhookTls,
  { respond, share, onError, clock }: WebhookHandlers,
): Promise<WebhookServer> {
  let isDraining = false;
  let requestedMs = performance.now();
  const parts = {
    respond,
    share,
    budget: createBodyBudget(MAX_BUFFERED_BYTES),
    queue: createReviewQueue(),
    connections: createConnectionLimit(MAX_CONNECTIONS, () => undefined),
  };
  /** The last response of each connection. */
  const last = new WeakMap<Socket, ServerResponse>();
  const server = createServer(
    {
      ...secureOptions(tls),
      handshakeTimeout: HANDSHAKE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: DEADLINE_MS,
      requestTimeout: DEADLINE_MS,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      const { socket } = request;
      // Requests of one connection that are sent before the answer to the one before would pass by the limits.
      // Once it is written, a client may have read it before this process learns that it was sent.
      if (last.get(socket)?.writableEnded === false) return void socket.destroy();
      last.set(socket, response);
      requestedMs = performance.now();
      void serve(request, response, { ...parts, isDraining }).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) send(response, 500, 'internal error, please report it');
        else response.destroy();
      });
    },
  );
  server.maxConnections = MAX_ALL_CONNECTIONS;
  guardHandshakes(server, { connections: parts.connections, helloTimeoutMs: HANDSHAKE_MS, clock });
  server.on('secureConnection', (socket) => {
    // A client that a certificate identifies keeps its connection when others are short of room.
    if (socket.authorized) parts.connections.hold(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: listen.host, port },
    replaceCertificate: (next) => server.setSecureContext(secureOptions(next)),
    drain: async ({ leastMs, quietMs, mostMs }) => {
      isDraining = true;
      const beganMs = performance.now();
      const endMs = (): number => Math.min(beganMs + mostMs, Math.max(beganMs + leastMs, requestedMs + quietMs));
      for (let leftMs = leastMs; leftMs > 0; leftMs = endMs() - performance.now())
        await new Promise((resolve) => setTimeout(resolve, leftMs));
    },
    close: () => closeServer(server),
  };
}

/** Without a certificate of one of these authorities the handshake fails. The other replicas are clients too. */
function secureOptions({ cert, key, clientCa, authorities }: WebhookTls): object {
  const ca = authorities === undefined ? clientCa : [clientCa, authorities];
  const client = clientCa === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: 'TLSv1.2', ...client };
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(timer);
}

interface Serving extends Pick<WebhookHandlers, 'respond' | 'share'> {
  readonly budget: BodyBudget;
  readonly queue: ReviewQueue;
  readonly connections: ConnectionLimit;
  readonly isDraining: boolean;
}

async function serve(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const { share, budget } = serving;
  const path = request.url?.split('?')[0];
  if (path === SNAPSHOT_PATH && request.method === 'GET' && share !== undefined)
    return sendSnapshot(response, await share(request.headers.authorization ?? ''));
  if (path !== '/validate' && path !== '/mutate') return send(response, 404, 'not found');
  if (request.method !== 'POST') return send(response, 405, 'expected POST');
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    return send(response, 415, 'expected application/json');
  // An API server always says how long its request is.
  const bytes = Number(request.headers['content-length'] ?? MAX_BODY_BYTES);
  if (bytes > MAX_BODY_BYTES) return send(response, 413, TOO_LARGE);
  const network = networkOf(request.socket.remoteAddress ?? '');
  const crowded = new AbortController();
  const release = budget.reserve({ network, bytes, cut: () => crowded.abort() });
  if (release === undefined) return send(response, 503, CROWDED);
  try {
    await review(request, response, { ...serving, path, network, bytes, crowded: crowded.signal });
  } finally {
    release();
  }
}

interface Reviewing extends Serving {
  readonly path: WebhookPath;
  readonly network: string;
  /** That were reserved. */
  readonly bytes: number;
  /** Aborts: others need the bytes more. */
  readonly crowded: AbortSignal;
}

const TOO_LARGE = 'the request is larger than 6 MiB';
const CROWDED = 'too many requests at once';

/** Reads, judges and answers one review. */
async function review(request: IncomingMessage, response: ServerResponse, reviewing: Reviewing): Promise<void> {
  const { respond, queue, connections, path, network, crowded, isDraining } = reviewing;
  const deadlineMs = performance.now() + DEADLINE_MS;
  const body = await readBody(request, reviewing);
  if (!body.ok) return send(response, body.status, body.reason);
  response.once('close', connections.hold(request.socket));
  const isOver = (): boolean => crowded.aborted || response.destroyed;
  const judged = await queue.run({ network, bytes: body.bytes.length, deadlineMs, isOver }, () =>
    judge(body.bytes, (admission) => respond(path, admission)),
  );
  if (judged === undefined) return send(response, 503, CROWDED);
  if (!judged.ok) return send(response, judged.status, judged.reason);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(judged.text) };
  response.writeHead(200, isDraining ? { ...headers, connection: 'close' } : headers).end(judged.text);
}

interface Refusal {
  readonly ok: false;
  readonly status: 400 | 408 | 413 | 503;
  readonly reason: string;
}

function judge(
  bytes: Buffer,
  respond: (request: AdmissionRequest) => AdmissionResponse | undefined,
): Refusal | { readonly ok: true; readonly text: string } {
  if (!isWithin(bytes, JSON_BOUNDS))
    return { ok: false, status: 413, reason: 'the request has more values, or is nested deeper, than any pod' };
  const parsed = parseReview(bytes.toString('utf8'));
  if (!parsed.ok) return { ok: false, status: 400, reason: `expected an AdmissionReview: ${parsed.problem}` };
  const answer = respond(parsed.value);
  // Not an answer of the webhook: its failurePolicy decides.
  return answer === undefined
    ? { ok: false, status: 503, reason: 'no policies are loaded yet' }
    : { ok: true, text: reviewOf(answer) };
}

/** The form of the operator API of the collector. */
function sendSnapshot(response: ServerResponse, snapshot: Awaited<ReturnType<ShareSnapshot>>): void {
  if (snapshot === 'forbidden') return send(response, 403, 'forbidden');
  if (snapshot === undefined) return send(response, 404, 'there is no snapshot yet');
  const { content, signature } = snapshot;
  const headers = { 'content-type': 'application/json', 'content-length': content.length, connection: 'close' };
  response.writeHead(200, { ...headers, 'plimsoll-signature': signature }).end(content);
}

type Body = Refusal | { readonly ok: true; readonly bytes: Buffer };

/** Reads a body of the bytes that were reserved, in the time that they may take. */
function readBody(request: IncomingMessage, { bytes: most, crowded }: Reviewing): Promise<Body> {
  const { promise, resolve } = Promise.withResolvers<Body>();
  const parts: Buffer[] = [];
  let bytes = 0;
  const refuse = (status: Refusal['status'], reason: string) => (): void => resolve({ ok: false, status, reason });
  const onCrowded = refuse(503, CROWDED);
  const onData = (part: Buffer): void => {
    bytes += part.length;
    parts.push(part);
    if (bytes > most) refuse(413, TOO_LARGE)();
  };
  // Read what arrived while this process was busy before the deadline counts.
  const timer = setTimeout(
    () => setImmediate(refuse(408, 'the request was sent too slowly')),
    BODY_MS + (most / MIN_BYTES_PER_SECOND) * 1_000,
  );
  crowded.addEventListener('abort', onCrowded, { once: true });
  request.on('data', onData);
  request.once('end', () => resolve({ ok: true, bytes: Buffer.concat(parts) }));
  request.on('error', refuse(400, 'the request was not received as a whole'));
  return promise.finally(() => {
    clearTimeout(timer);
    crowded.removeEventListener('abort', onCrowded);
    request.off('data', onData).pause();
    parts.length = 0;
  });
}

/** What was not read of a request would be read as the next one, so the connection ends. */
function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`);
}
