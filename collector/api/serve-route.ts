import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConnectionLimit } from '../session/connection-limit.ts';
import { ACCESS } from './access.ts';
import { admit } from './admission.ts';
import type { AdmissionOptions } from './admission.ts';
import type { EventStreams } from './event-streams.ts';
import { ANONYMOUS, principalKey } from './principal.ts';
import type { Principal } from './principal.ts';
import type { ReadQueue } from './read-queue.ts';
import { parseRequest } from './request.ts';
import { refuse } from './route.ts';
import type { ApiSources, JsonRoute, Route } from './route.ts';
import { JSON_TYPE, sendRefusal } from './send.ts';

/** What routes are served with. */
export interface RouteParts {
  readonly sources: ApiSources;
  readonly admission: AdmissionOptions;
  readonly streams: EventStreams;
  readonly reads: ReadQueue;
  readonly connections: ConnectionLimit;
}

/** Serves `route`: admits the request before its body is read, parses it, and sends the answer. */
export function serveRoute(server: FastifyInstance, route: Route, parts: RouteParts): void {
  const { sources, admission, streams, reads, connections } = parts;
  const isOpen = ACCESS[route.operation] === 'open';
  const principals = new WeakMap<FastifyRequest, Principal>();
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    onRequest: async (request, reply) => {
      const { principal, result } = await admit(route.operation, request, admission);
      if (!result.ok) return sendRefusal(reply, result);
      if (!isOpen) reply.raw.once('close', connections.hold(request.raw.socket));
      principals.set(request, principal);
    },
    handler: async (request, reply) => {
      const principal = principals.get(request) ?? ANONYMOUS;
      const input = parseRequest(route, { request, reply, principal });
      if (!input.ok) return sendRefusal(reply, input);
      if (route.kind === 'json') {
        const answerRoute = (): Promise<FastifyReply> => answerJson(route, input.body, reply, sources);
        if (route.method !== 'GET' || isOpen || route.asksNodes) return answerRoute();
        const busy = (retryAfterMs: number): FastifyReply => sendRefusal(reply, { ...BUSY, retryAfterMs });
        return reads.run(principalKey(principal), answerRoute, busy);
      }
      const after = input.body.query['after'];
      const lastEventId = request.headers['last-event-id'];
      const opened = streams.open({ after, lastEventId, principal }, reply);
      return opened.ok ? reply : sendRefusal(reply, opened);
    },
  });
}

const BUSY = refuse('tooManyRequests', 'the collector is busy answering other requests');

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
