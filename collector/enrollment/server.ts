import type { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import { MAX_CSR_LENGTH } from '../../service/tls/signing-request.ts';
import { parseCertificates } from '../../service/tls/pem-file.ts';
import type { ListenerTls } from '../tls/tls-keeper.ts';
import { createFailureLimit } from '../api/failure-limit.ts';
import type { RefusalNote } from '../refusal-recorder.ts';
import { createConnectionLimit, networkOf } from '../../service/connection-limit.ts';
import { guardHandshakes } from '../../service/guard-handshakes.ts';
import { nodeIdentity } from '../../service/tls/node-identity.ts';
import type { Enrollment, EnrollmentResult } from './enrollment.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { MAX_SERVICE_ACCOUNT_TOKEN_LENGTH } from './kubernetes-attestation.ts';

/** What the enrolment listener works with. */
export interface EnrollmentServerOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  /** Asked again after {@link EnrollmentServer.useTls}. */
  readonly tls: () => ListenerTls;
  readonly enrollment: Enrollment;
  /** A certificate was refused. */
  readonly onRefused?: (refusal: RefusalNote) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The open listener. */
export interface EnrollmentServer {
  readonly address: Address;
  /** Presents the current certificates from now on. */
  readonly useTls: () => void;
  readonly close: () => Promise<void>;
}

/** Attestations at a time, of all networks and of one: each asks the API server. */
const MAX_ATTESTATIONS = 32;
const MAX_ATTESTATIONS_OF_ADDRESS = 2;
/** A request holds a token, a signing request and names. */
const MAX_BODY_BYTES = 16 * 1024;
/** Open connections; with one more, the oldest of the address that has most is closed. */
const MAX_CONNECTIONS = 256;
/** For how long a node may renew a certificate after its expiry. */
const RENEWAL_GRACE_MS = 7 * 86_400_000;
const REQUEST_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

const csr = s.string('', MAX_CSR_LENGTH);
const enrollBody = s.object({ joinToken: s.string('', 200), nodeId: s.string('', 200), csr });
const attestBody = s.object({ token: s.string('', MAX_SERVICE_ACCOUNT_TOKEN_LENGTH), csr });
const renewBody = s.object({ csr });

/**
 * Opens the enrolment listener: HTTPS with TLS 1.3, the certificate of the collector, and the CA's own certificate in the
 * chain, so that a node can hold it to the hash that it was given. `POST /v1/enroll` takes a join token, `POST /v1/attest`
 * the service-account token of a pod, `POST /v1/renew` a client certificate of the CA. Rejects with the error of the operating system if the port cannot be opened.
 */
export async function startEnrollmentServer(options: EnrollmentServerOptions): Promise<EnrollmentServer> {
  const { listen, tls, clock, log } = options;
  const server = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 1_000,
    // A response with a certificate must still go out: its join token is used up.
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    https: {
      ...contextOf(tls()),
      // Joining nodes have no certificate yet; a renewal looks at `authorized`.
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
    },
  });
  const connections = createConnectionLimit(MAX_CONNECTIONS, (address) =>
    log.debug({ address }, 'a connection made room for a new one'),
  );
  guardHandshakes(server.server, { connections, helloTimeoutMs: HANDSHAKE_TIMEOUT_MS, clock });
  server.server.on('tlsClientError', (_error: Error, socket: TLSSocket) => void socket.destroy());
  addRoutes(server, options);
  await server.listen({ host: listen.host, port: listen.port });
  const { port } = server.server.address() as AddressInfo;
  log.info({ listen: `${listen.host}:${String(port)}` }, 'enrolment listener is ready');
  return {
    address: { host: listen.host, port },
    useTls: () => (server.server as TlsServer).setSecureContext(contextOf(tls())),
    close: async () => {
      const cancel = clock.after(1_000, () => server.server.closeAllConnections());
      await server.close();
      cancel();
    },
  };
}

/** The CA that signed the certificate is part of the chain: a joining node holds its key to the hash that it was given. */
function contextOf({ ca, cert, key, serverCa }: ListenerTls) {
  return { ca, cert: `${cert}\n${serverCa}`, key, minVersion: 'TLSv1.3' } as const;
}

function addRoutes(server: FastifyInstance, options: EnrollmentServerOptions): void {
  const { enrollment, tls, clock, log } = options;
  const failures = createFailureLimit();
  const answer = (
    reply: FastifyReply,
    request: FastifyRequest,
    result: EnrollmentResult,
    refused: Pick<RefusalNote, 'operation' | 'nodeId'>,
  ): FastifyReply => {
    if (result.ok) return reply.send({ certificate: result.certificatePem, authority: result.authorityPem });
    // What the collector could not decide, or is not set up for, is not the fault of the sender.
    if (result.code !== 'unavailable' && result.code !== 'notConfigured')
      options.onRefused?.({ ...refused, address: request.ip, reason: result.detail ?? result.reason });
    const limit = result.code === 'unauthorized' ? failures.note(request.ip, clock.monotonic()) : undefined;
    if (limit?.outcome === 'limited')
      return refuse(
        reply.header('retry-after', Math.ceil(limit.retryAfterMs / 1000)),
        'limited',
        'too many failed requests from this address; wait and try again',
      );
    log.warn(
      { peer: request.ip, code: result.code, reason: result.detail ?? result.reason },
      'a certificate was refused',
    );
    return refuse(reply, result.code, result.reason);
  };
  server.post('/v1/enroll', async (request, reply) => {
    const body = enrollBody.parse(request.body);
    if (!body.ok) return refuse(reply, 'invalid', 'the body must have joinToken, nodeId and csr');
    return answer(reply, request, await enrollment.enroll(body.value), {
      operation: 'enroll',
      nodeId: body.value.nodeId,
    });
  });
  server.post('/v1/renew', async (request, reply) => {
    const body = renewBody.parse(request.body);
    if (!body.ok) return refuse(reply, 'invalid', 'the body must have csr');
    const identity = nodeIdentity(acceptedCertificate(request.raw.socket as TLSSocket, tls().ca, clock.now())?.raw);
    if (!identity.ok)
      return answer(
        reply,
        request,
        { ok: false, code: 'unauthorized', reason: identity.problem },
        {
          operation: 'renew',
          nodeId: '',
        },
      );
    const { nodeId, clusterId, nodeName, validFromMs } = identity;
    const node = { nodeId, clusterId, nodeName };
    return answer(reply, request, await enrollment.renew({ node, validFromMs, csr: body.value.csr }), {
      operation: 'renew',
      nodeId,
    });
  });
  const attesting = createConcurrencyLimit(MAX_ATTESTATIONS, MAX_ATTESTATIONS_OF_ADDRESS);
  server.post('/v1/attest', async (request, reply) => {
    const body = attestBody.parse(request.body);
    if (!body.ok) return refuse(reply, 'invalid', 'the body must have token and csr');
    const release = await attesting.acquire(networkOf(request.ip));
    if (release === undefined)
      return refuse(reply.header('retry-after', 5), 'limited', 'too many attestations at a time; try again');
    try {
      const result = await enrollment.attest(body.value);
      return answer(reply, request, result, { operation: 'attest', nodeId: result.ok ? '' : (result.nodeId ?? '') });
    } finally {
      release();
    }
  });
  server.setNotFoundHandler((_request, reply) =>
    refuse(reply, 'notFound', 'only /v1/enroll, /v1/attest and /v1/renew exist here'),
  );
  server.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status < 500) return refuse(reply, 'invalid', 'the request is malformed');
    log.error({ err: error }, 'enrolment request failed');
    return refuse(reply, 'internal', 'the collector failed to respond; its log has the reason');
  });
}

/**
 * The client certificate that TLS has verified; also one that expired less than {@link RENEWAL_GRACE_MS} ago: a machine
 * that was off for a weekend must not need a person to come back. And one that is not valid yet: this CA issued it while a
 * clock was ahead. OpenSSL reports only the last of several errors, so such a certificate of anyone can show up here: the
 * signature of the CA is verified.
 */
function acceptedCertificate(socket: TLSSocket, ca: string, nowMs: number): X509Certificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (socket.authorized || certificate === undefined) return certificate;
  const [fromMs, untilMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const isJustExpired = untilMs <= nowMs && nowMs < untilMs + RENEWAL_GRACE_MS;
  if (!isJustExpired && fromMs <= nowMs) return undefined;
  return parseCertificates(ca).some(({ publicKey }) => certificate.verify(publicKey)) ? certificate : undefined;
}

const STATUS = Object.freeze({
  invalid: 400,
  unauthorized: 401,
  notFound: 404,
  nodeExists: 409,
  attestedOnly: 409,
  notConfigured: 404,
  limited: 429,
  internal: 500,
  unavailable: 503,
});

function refuse(reply: FastifyReply, code: keyof typeof STATUS, message: string): FastifyReply {
  return reply.code(STATUS[code]).send({ error: { code, message } });
}
