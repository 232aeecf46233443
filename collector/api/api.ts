import type { AddressInfo, Socket } from 'node:net';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import { createConnectionLimit } from '../session/connection-limit.ts';
import type { ConnectionLimit } from '../session/connection-limit.ts';
import type { EventBus } from '../store/event-bus.ts';
import { StoreError } from '../store/error.ts';
import { admit, pathOf } from './admission.ts';
import { SECURITY_HEADERS } from './browser.ts';
import { addConsole } from './console-pages.ts';
import { indexControls } from './controls.ts';
import { API_ERRORS, errorBody } from './error.ts';
import type { ApiErrorCode } from './error.ts';
import { compressAnswer } from './content-encoding.ts';
import { createEventStreams } from './event-streams.ts';
import type { EventStreams } from './event-streams.ts';
import { openApiDocument } from './openapi.ts';
import { createFailureLimit } from './failure-limit.ts';
import { createReadQueue } from './read-queue.ts';
import type { ReadQueue } from './read-queue.ts';
import { parseRequest } from './request.ts';
import { refuse } from './route.ts';
import type { ApiSources, JsonRoute, Refusal, Route } from './route.ts';
import { COMPONENTS, ROUTES } from './routes.ts';
import { secretMatcher } from './secret.ts';
import { createSessionTokens } from './session-token.ts';
import { createSignIn } from './sign-in.ts';
import type { SignIn } from './sign-in.ts';
import { createTokenGuard } from './token.ts';
import type { TokenGuard } from './token.ts';

/** Largest request body: an expression and a list of nodes fit many times over. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** How long a client may take to send a request, and its headers, from its connection on. */
const REQUEST_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that take too long; its own default of 30 s would add to the time-outs. */
const CHECK_INTERVAL_MS = 1_000;
const KEEP_ALIVE_MS = 10_000;
/** Longer than the longest live query: a client that takes nothing of an answer for so long is cut off. */
const SILENT_SOCKET_MS = 6 * 60_000;
/** How long requests may still run once the API closes. */
const DRAIN_MS = 1_000;
/** Connections without an authenticated request; with one more, the oldest of these is closed. */
const MAX_IDLE_CONNECTIONS = 256;
/** All connections: what is beyond the idle ones has authenticated. */
const MAX_CONNECTIONS = 1024;
/** Connections that the kernel accepts for us at once: fewer than MAX_IDLE_CONNECTIONS, so that they do not close each other unread. */
const BACKLOG = 128;
const MAX_PARAMETER_LENGTH = 512;
/** Requests of one connection that may be unanswered: clients and browsers send one after the other. */
const MAX_PIPELINED = 4;

/** What the API needs. */
export interface ApiOptions extends Omit<ApiSources, 'controlsOf' | 'signIn'> {
  readonly listen: Address;
  /** The operator token: every route but the open ones asks for it, or for a session that it opened. */
  readonly token: string;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the files of the console are; absent: `/` says how to build them. */
  readonly consoleDirectory?: string | undefined;
}

/** A running API. */
export interface Api {
  /** Where it really listens; the port is never 0. */
  readonly address: Address;
  /** Ends the event streams, gives running requests a second to finish, then closes. */
  readonly close: () => Promise<void>;
}

/** Starts the operator API. Rejects with the error of the system (`EADDRINUSE`) if it cannot listen. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const server = createServer();
  const { guard, signIn } = createAccess(options);
  const sources = { ...options, controlsOf: indexControls(), signIn };
  const streams = createEventStreams(sources);
  boundPipelining(server);
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  server.addHook('onSend', compressAnswer);
  const reads = createReadQueue(options.clock);
  const connections = createConnectionLimit(MAX_IDLE_CONNECTIONS, (address) =>
    options.log.debug({ address }, 'an idle connection made room for a new one'),
  );
  server.server.on('connection', connections.add);
  for (const route of ROUTES) addRoute(server, route, { sources, guard, streams, reads, connections });
  await addConsole(server, options.consoleDirectory, options.log);
  let document: string | undefined;
  server.get('/openapi.json', (_request, reply) => {
    document ??= JSON.stringify(openApiDocument(ROUTES, COMPONENTS, options.version));
    return reply.type(JSON_TYPE).send(document);
  });
  server.setNotFoundHandler((request, reply) =>
    sendError(
      reply,
      'notFound',
      `there is no ${request.method} ${pathOf(request)}`,
      'GET /openapi.json lists all routes',
    ),
  );
  server.setErrorHandler((error, request, reply) => sendFailure(error, request, reply, options.log));
  server.addHook('preClose', () => streams.close());
  await server.listen({ host: options.listen.host, port: options.listen.port, backlog: BACKLOG });
  const { port } = server.server.address() as AddressInfo;
  return {
    address: { host: options.listen.host, port },
    close: async () => {
      // A connection that says nothing is no reason to wait, but Node counts one without a request as busy.
      const cancel = options.clock.after(DRAIN_MS, () => server.server.closeAllConnections());
      await server.close();
      cancel();
    },
  };
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** What decides who may ask: one count of failures for wrong tokens and wrong codes. */
function createAccess({ token, clock, log }: ApiOptions): { readonly guard: TokenGuard; readonly signIn: SignIn } {
  const [isOperatorToken, sessions, failures] = [
    secretMatcher(token),
    createSessionTokens(token),
    createFailureLimit(),
  ];
  return {
    guard: createTokenGuard({ isOperatorToken, sessions, failures, clock }),
    signIn: createSignIn({ isOperatorToken, sessions, failures, clock, log }),
  };
}

function createServer(): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENT_SOCKET_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    // A path that cannot be decoded comes here without passing the hook.
    frameworkErrors: (error, _request, reply) =>
      void sendError(reply.headers(SECURITY_HEADERS), 'invalidRequest', error.message),
    clientErrorHandler: answerBrokenRequest,
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  // A form or a plain text body, which a browser sends to any site without asking, is never read.
  server.removeContentTypeParser('text/plain');
  return server;
}

/**
 * Closes a connection that asks again and again before it has read its answers: Node would make an answer for each
 * request of a packet, which is a thousand times as many bytes, and keep them until they are read.
 */
function boundPipelining(server: FastifyInstance): void {
  const unanswered = new WeakMap<Socket, number>();
  server.addHook('onRequest', async ({ raw: { socket } }, reply) => {
    const count = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, count);
    reply.raw.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    if (count <= MAX_PIPELINED && !socket.destroyed) return;
    reply.hijack();
    socket.destroy();
  });
}

interface RouteParts {
  readonly sources: ApiSources & Pick<ApiOptions, 'clock' | 'log'>;
  readonly guard: TokenGuard;
  readonly streams: EventStreams;
  readonly reads: ReadQueue;
  readonly connections: ConnectionLimit;
}

function addRoute(server: FastifyInstance, route: Route, parts: RouteParts): void {
  const { sources, guard, streams, reads, connections } = parts;
  /** When the session of a request ends: a stream must not outlive it. */
  const sessionEnds = new WeakMap<FastifyRequest, number>();
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    onRequest: async (request, reply) => {
      const admitted = admit(route.access, request, { guard, log: sources.log });
      if (!admitted.ok) return sendRefusal(reply, admitted);
      if (route.access !== 'open') reply.raw.once('close', connections.hold(request.raw.socket));
      if (admitted.body.untilMs !== undefined) sessionEnds.set(request, admitted.body.untilMs);
    },
    handler: async (request, reply) => {
      const input = parseRequest(route, request, reply);
      if (!input.ok) return sendRefusal(reply, input);
      if (route.kind === 'json') {
        const answerRoute = (): Promise<FastifyReply> => answerJson(route, input.body, reply, sources);
        if (route.method !== 'GET' || route.access === 'open' || route.asksNodes) return answerRoute();
        return reads.run(answerRoute, (retryAfterMs) => sendRefusal(reply, { ...BUSY, retryAfterMs }));
      }
      const after = input.body.query['after'];
      const lastEventId = request.headers['last-event-id'];
      const opened = streams.open({ after, lastEventId, untilMs: sessionEnds.get(request) }, reply);
      return opened.ok ? reply : sendRefusal(reply, opened);
    },
  });
}

async function answerJson(
  route: JsonRoute,
  input: Parameters<JsonRoute['handle']>[0],
  reply: FastifyReply,
  sources: ApiSources,
): Promise<FastifyReply> {
  const given = await route.handle(input, sources);
  if (!given.ok) return sendRefusal(reply, given);
  return reply.type(JSON_TYPE).send(JSON.stringify(given.body));
}

const BUSY = refuse('tooManyRequests', 'the collector is busy answering other requests');

function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { code, message, hint, retryAfterMs } = refusal;
  if (code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="plimsoll"');
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterMs / 1000)));
  return sendError(reply, code, message, hint);
}

function sendError(reply: FastifyReply, code: ApiErrorCode, message: string, hint?: string): FastifyReply {
  return reply
    .code(API_ERRORS[code].status)
    .type(JSON_TYPE)
    .send(JSON.stringify(errorBody(code, message, hint)));
}

/** Bytes that are no HTTP request never reach a route: this answers them in the same shape, if it still can. */
function answerBrokenRequest(error: { readonly code: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, code, message] = BROKEN_REQUESTS[error.code] ?? BROKEN;
  const body = JSON.stringify(errorBody(code, message));
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\n${BROKEN_HEADERS}` +
      `Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
  );
}

const BROKEN_HEADERS = Object.entries(SECURITY_HEADERS)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('');

type BrokenAnswer = readonly [status: string, code: ApiErrorCode, message: string];
const BROKEN: BrokenAnswer = ['400 Bad Request', 'invalidRequest', 'this is no HTTP request'];
/** By Node's own error codes. */
const BROKEN_REQUESTS: Readonly<Record<string, BrokenAnswer>> = Object.freeze({
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'tooLarge', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'invalidRequest', 'the request took too long to arrive'],
});

/** What fastify itself refuses, and defects: the first by its status, the second without a word about the inside. */
function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  if (error instanceof StoreError && (error.code === 'badCursor' || error.code === 'badFilter'))
    return sendError(reply, 'invalidRequest', error.message);
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 413) return sendError(reply, 'tooLarge', `a body has at most ${String(MAX_BODY_BYTES)} bytes`);
  if (status === 415) return sendError(reply, 'unsupportedMediaType', 'a body must be application/json');
  if (status === 503) return sendError(reply, 'unavailable', 'the collector is closing');
  if (status < 500) return sendError(reply, 'invalidRequest', error instanceof Error ? error.message : 'not valid');
  log.error({ err: error, method: request.method, path: pathOf(request) }, 'request failed');
  return sendError(reply, 'internal', 'the collector failed to answer', 'its log says why');
}
