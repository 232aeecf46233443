import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Address } from '../service/config/kind.ts';
import { SNAPSHOT_PATH } from '../image/policy/snapshot-download.ts';
import type { SignedSnapshot } from '../image/policy/snapshot-file.ts';
import { parseReview, reviewOf } from './review.ts';
import type { AdmissionRequest, AdmissionResponse } from './review.ts';

/** What the server presents and accepts, as PEM text. */
export interface WebhookTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients; absent: clients need no certificate, as the API server sends none by default. */
  readonly clientCa?: string;
  /** Authorities of the certificates of all replicas; absent: those that Node trusts. */
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

/** Bytes of a request: two objects of the size that etcd takes, and room. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Bytes of all requests that are being read. Beyond, a request is refused with 503, and the API server tries again. */
const MAX_BUFFERED_BYTES = 48 * 1024 * 1024;
/** The API server waits five seconds (`timeoutSeconds`). */
const DEADLINE_MS = 4_000;
const HANDSHAKE_MS = 3_000;
const KEEP_ALIVE_MS = 60_000;
const CLOSE_MS = 2_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 2_048;
/**
 * One client must not take all connections: with `failurePolicy: Fail` that would stop the cluster. An API server handles
 * 600 requests at a time by default (`--max-requests-inflight`, `--max-mutating-requests-inflight`), speaks HTTP/1.1 to
 * this server, one connection a request, and sends all of them to one replica while the others are down.
 */
const MAX_CONNECTIONS_PER_ADDRESS = 640;

/** Opens the server. Rejects with the error of the operating system, or with that of the certificate. */
export async function openWebhookServer(
  listen: Address,
  tls: WebhookTls,
  { respond, share, onError }: WebhookHandlers,
): Promise<WebhookServer> {
  const budget = { buffered: 0 };
  let isDraining = false;
  let requestedMs = performance.now();
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
      requestedMs = performance.now();
      void serve(request, response, { respond, share, budget, isDraining }).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) send(response, 500, 'internal error, please report it');
        else response.destroy();
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  limitPerAddress(server);
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

function secureOptions({ cert, key, clientCa }: WebhookTls): object {
  const client = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: 'TLSv1.2', ...client };
}

function limitPerAddress(server: Server): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > MAX_CONNECTIONS_PER_ADDRESS) socket.destroy();
  });
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(timer);
}

interface Serving extends Pick<WebhookHandlers, 'respond' | 'share'> {
  /** Bytes of all requests that are being read. */
  readonly budget: { buffered: number };
  readonly isDraining: boolean;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { respond, share, budget, isDraining }: Serving,
): Promise<void> {
  const path = request.url?.split('?')[0];
  if (path === SNAPSHOT_PATH && request.method === 'GET' && share !== undefined)
    return sendSnapshot(response, await share(request.headers.authorization ?? ''));
  if (path !== '/validate' && path !== '/mutate') return send(response, 404, 'not found');
  if (request.method !== 'POST') return send(response, 405, 'expected POST');
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    return send(response, 415, 'expected application/json');
  const body = await readBody(request, budget);
  if (!body.ok) return send(response, body.status, body.reason);
  const parsed = parseReview(body.text);
  if (!parsed.ok) return send(response, 400, `expected an AdmissionReview: ${parsed.problem}`);
  const answer = respond(path, parsed.value);
  // Not an answer of the webhook: its failurePolicy decides.
  if (answer === undefined) return send(response, 503, 'no policies are loaded yet');
  const text = reviewOf(answer);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(200, isDraining ? { ...headers, connection: 'close' } : headers).end(text);
}

/** The form of the operator API of the collector. */
function sendSnapshot(response: ServerResponse, snapshot: Awaited<ReturnType<ShareSnapshot>>): void {
  if (snapshot === 'forbidden') return send(response, 403, 'forbidden');
  if (snapshot === undefined) return send(response, 404, 'there is no snapshot yet');
  const { content, signature } = snapshot;
  const headers = { 'content-type': 'application/json', 'content-length': content.length, connection: 'close' };
  response.writeHead(200, { ...headers, 'plimsoll-signature': signature }).end(content);
}

type Body =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly status: 400 | 413 | 503; readonly reason: string };

async function readBody(request: IncomingMessage, budget: Serving['budget']): Promise<Body> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return TOO_LARGE;
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      budget.buffered += part.length;
      if (bytes > MAX_BODY_BYTES) return TOO_LARGE;
      if (budget.buffered > MAX_BUFFERED_BYTES) return { ok: false, status: 503, reason: 'too many requests at once' };
      parts.push(part);
    }
    return { ok: true, text: Buffer.concat(parts).toString('utf8') };
  } catch {
    return { ok: false, status: 400, reason: 'the request was not received as a whole' };
  } finally {
    budget.buffered -= bytes;
  }
}

const TOO_LARGE: Body = Object.freeze({ ok: false, status: 413, reason: 'the request is larger than 8 MiB' });

/** What was not read of a request would be read as the next one, so the connection ends. */
function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`);
}
