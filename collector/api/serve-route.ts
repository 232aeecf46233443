import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../audit/audit-log.ts';
import type { ConnectionLimit } from '../../service/connection-limit.ts';
import { ACCESS, isChange } from './access.ts';
import { admit } from './admission.ts';
import type { AdmissionOptions } from './admission.ts';
import { beginCall } from './audited-call.ts';
import type { AuditedCall } from './audited-call.ts';
import { chooseEncoding } from './content-encoding.ts';
import type { EventStreams } from './event-streams.ts';
import { principalKey } from './principal.ts';
import type { ReadQueue } from './read-queue.ts';
import { parseRequest } from './request.ts';
import type { ParsedRequest } from './request.ts';
import { refuse } from './route.ts';
import type { ApiSources, BytesRoute, JsonRoute, Route, StreamRoute } from './route.ts';
import { JSON_TYPE, sendRefusal } from './send.ts';

/** What routes are served with. */
export interface RouteParts {
  readonly sources: ApiSources;
  readonly admission: AdmissionOptions;
  readonly streams: EventStreams;
  readonly reads: ReadQueue;
  readonly connections: ConnectionLimit;
  readonly audit: AuditLog;
}

/** Serves `route`: admits the request before its body is read, parses it, sends the answer, and records the call. */
export function serveRoute(server: FastifyInstance, route: Route, parts: RouteParts): void {
  const { sources, admission, connections, audit } = parts;
  const isOpen = ACCESS[route.operation] === 'open';
  const calls = new WeakMap<FastifyRequest, AuditedCall>();
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    onRequest: async (request, reply) => {
      const call = beginCall(route, { request, reply, audit, clock: sources.clock });
      calls.set(request, call);
      const { principal, result } = await admit(route.operation, request, admission);
      call.principal = principal;
      if (!result.ok) return sendRefusal(reply, result);
      if (!isOpen) reply.raw.once('close', connections.hold(request.raw.socket));
    },
    handler: async (request, reply) => {
      const call = calls.get(request);
      if (call === undefined) throw new Error('a request without admission');
      const input = parseRequest(route, { request, reply, principal: call.principal });
      if (!input.ok) return sendRefusal(reply, input);
      call.setInput(input.body);
      if (route.kind === 'json') return serveJson(route, input.body, { call, reply, parts });
      if (route.kind === 'bytes') return serveBytes(route, input.body, { call, reply, parts });
      return serveStream(route, input.body, { call, reply, parts });
    },
  });
}

interface Serving {
  readonly call: AuditedCall;
  readonly reply: FastifyReply;
  readonly parts: RouteParts;
}

const BUSY = refuse('tooManyRequests', 'the collector is busy answering other requests');
const NOT_RECORDED = refuse(
  'unavailable',
  'nothing was changed: the call cannot be recorded in the audit log',
  'plimsoll status says why; make room on the disk of the collector, or make its data directory writable',
);

async function serveJson(
  route: JsonRoute,
  input: ParsedRequest,
  { call, reply, parts: { sources, reads } }: Serving,
): Promise<FastifyReply> {
  const respond = async (): Promise<FastifyReply> => {
    const given = await route.handle(input, sources);
    if (!given.ok) return sendRefusal(reply, given);
    if (given.principal !== undefined) call.principal = given.principal;
    return reply.type(JSON_TYPE).send(JSON.stringify(given.body));
  };
  if (isChange(route.operation, route.method) && !(await call.start())) return sendRefusal(reply, NOT_RECORDED);
  if (route.method !== 'GET' || ACCESS[route.operation] === 'open' || route.asksNodes) return respond();
  const busy = (retryAfterMs: number): FastifyReply => sendRefusal(reply, { ...BUSY, retryAfterMs });
  return reads.run(principalKey(input.principal), respond, busy);
}

/** Answers stored bytes, compressed where the client allows it, or that it has them already. */
async function serveBytes(
  route: BytesRoute,
  input: ParsedRequest,
  { reply, parts: { sources } }: Serving,
): Promise<FastifyReply> {
  const given = await route.handle(input, sources);
  if (!given.ok) return sendRefusal(reply, given);
  const { bytes, etag, headers } = given.body;
  const { 'if-none-match': known, 'accept-encoding': accepted } = reply.request.headers;
  reply.headers({ ...headers, etag, 'cache-control': 'private, no-cache', vary: 'accept-encoding' });
  if (known === etag) return reply.code(304).send();
  reply.type(route.mediaType);
  if (chooseEncoding(accepted) === 'identity')
    return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  return reply.header('content-encoding', 'gzip').send(await given.body.gzip());
}

function serveStream(
  _route: StreamRoute,
  input: ParsedRequest,
  { call, reply, parts: { streams } }: Serving,
): FastifyReply {
  const lastEventId = reply.request.headers['last-event-id'];
  const opened = streams.open({ after: input.query['after'], lastEventId, principal: input.principal }, reply);
  if (!opened.ok) return sendRefusal(reply, opened);
  call.complete();
  return reply;
}
