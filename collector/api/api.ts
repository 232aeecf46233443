import { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import type { TokenVerifier } from '../oidc/verify-token.ts';
import type { OperatorTokens } from '../operator-tokens.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { createConnectionLimit } from '../../service/connection-limit.ts';
import { guardHandshakes } from '../../service/guard-handshakes.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { ApiCertificate } from './api-certificate.ts';
import { pathOf } from './admission.ts';
import type { AdmissionOptions } from './admission.ts';
import { createAuthenticator } from './authenticator.ts';
import { SECURITY_HEADERS } from './browser.ts';
import { createCallLimit } from './call-limit.ts';
import { addConsole } from './console-pages.ts';
import { indexControls } from '../../posture/benchmark/benchmark.ts';
import { compressAnswer } from './content-encoding.ts';
import { createEventStreams } from './event-streams.ts';
import { openApiDocument } from './openapi.ts';
import { createFailureLimit } from './failure-limit.ts';
import { principalKey } from './principal.ts';
import { createReadQueue } from './read-queue.ts';
import type { ApiSources } from './route.ts';
import { COMPONENTS, ROUTES } from './routes.ts';
import { secretMatcher } from './secret.ts';
import { answerBrokenRequest, JSON_TYPE, sendError, sendFailure } from './send.ts';
import { serveRoute } from './serve-route.ts';
import { createSessionTokens } from './session-token.ts';
import { createSignIn } from './sign-in.ts';
import type { SignIn } from './sign-in.ts';

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
/** TLS 1.2 is what some reverse proxies and SIEM collectors still need; a handshake is as bounded as the headers. */
const TLS_OPTIONS = Object.freeze({ minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_TIMEOUT_MS } as const);
const MAX_PARAMETER_LENGTH = 512;
/** Requests of one connection that may be unanswered: clients and browsers send one after the other. */
const MAX_PIPELINED = 4;

/** What the API needs. */
export interface ApiOptions extends Omit<ApiSources, 'controlsOf' | 'signIn'> {
  readonly listen: Address;
  /** The token in the token file, with the role admin. Sessions are signed with a key derived from it. */
  readonly fileToken: string;
  /** Its certificate; undefined: plain HTTP, on loopback only. */
  readonly certificate: ApiCertificate | undefined;
  readonly operatorTokens: OperatorTokens;
  readonly audit: AuditLog;
  /** Verifies tokens of the identity provider; undefined: none is configured. */
  readonly oidc: TokenVerifier | undefined;
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
  const server = createServer(options.certificate);
  const { admission, signIn } = createAccess(options);
  const sources = { ...options, controlsOf: indexControls(options.benchmarks), signIn };
  const { audit } = options;
  const streams = createEventStreams(sources);
  options.operatorTokens.onRevoked((id) => streams.end(principalKey({ kind: 'token', id })));
  server.decorateReply('errorCode', '');
  boundPipelining(server);
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  server.addHook('onSend', compressAnswer);
  const reads = createReadQueue(options.clock);
  const connections = createConnectionLimit(MAX_IDLE_CONNECTIONS, (address) =>
    options.log.debug({ address }, 'an idle connection made room for a new one'),
  );
  if (server.server instanceof HttpsServer)
    guardHandshakes(server.server, { connections, helloTimeoutMs: HEADERS_TIMEOUT_MS, clock: options.clock });
  else server.server.on('connection', connections.add);
  for (const route of ROUTES) serveRoute(server, route, { sources, admission, streams, reads, connections, audit });
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
  server.setErrorHandler((error, request, reply) =>
    sendFailure(error, request, reply, { log: options.log, maxBodyBytes: MAX_BODY_BYTES }),
  );
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

/** Authentication and sign-in: one count of failures for wrong tokens and wrong codes. */
function createAccess({ fileToken, operatorTokens, oidc, clock, log }: ApiOptions): {
  readonly admission: AdmissionOptions;
  readonly signIn: SignIn;
} {
  const sessions = createSessionTokens(fileToken);
  const authenticator = createAuthenticator({
    isFileToken: secretMatcher(fileToken),
    tokens: operatorTokens,
    oidc,
    sessions,
    failures: createFailureLimit(),
    clock,
  });
  return {
    admission: { authenticator, calls: createCallLimit(), clock, log },
    signIn: createSignIn({ authenticator, sessions, clock, log }),
  };
}

function createServer(certificate: ApiCertificate | undefined): FastifyInstance {
  const http = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
  };
  const options: FastifyServerOptions = {
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENT_SOCKET_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    // A path that cannot be decoded comes here without passing the hook.
    frameworkErrors: (error, _request, reply) =>
      void sendError(reply.headers(SECURITY_HEADERS), 'invalidRequest', error.message),
    clientErrorHandler: answerBrokenRequest,
  };
  const https = { ...http, ...TLS_OPTIONS, ...certificate?.current() };
  const server =
    certificate === undefined
      ? fastify({ ...options, http })
      : // The two differ in what this program does not use.
        (fastify({ ...options, https } as FastifyServerOptions) as FastifyInstance);
  if (server.server instanceof HttpsServer) {
    const secured = server.server;
    certificate?.onChange((pair) => secured.setSecureContext({ ...TLS_OPTIONS, ...pair }));
  }
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
