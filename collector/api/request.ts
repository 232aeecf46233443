import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Schema, Shape } from '../../posture/schema.ts';
import type { Principal } from './principal.ts';
import { answer, refuse } from './route.ts';
import type { ApiResult, Route, RouteInput } from './route.ts';

/** A request that passed the schemas of its route. */
export type ParsedRequest = RouteInput<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>, unknown>;

/** A request as it arrived, and who makes it. */
export interface ReceivedRequest {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly principal: Principal;
}

/** Checks path, query and body against the schemas of `route`. The refusal names the first thing that is wrong. */
export function parseRequest(route: Route, { request, reply, principal }: ReceivedRequest): ApiResult<ParsedRequest> {
  const params = parsePart('path', request.params, route.params);
  if (!params.ok) return params;
  const query = parsePart('query', request.query, route.query);
  if (!query.ok) return query;
  const body = route.body === undefined ? answer(undefined) : parsePart('body', request.body, route.body);
  if (!body.ok) return body;
  return answer({
    params: params.body,
    query: query.body,
    body: body.body,
    signal: abandoned(reply),
    address: request.ip,
    principal,
  });
}

/** As the schema of an answer, but a field that it does not name is refused: it is likely misspelt. */
function parsePart<T>(place: string, value: unknown, schema: Schema<T>): ApiResult<T> {
  const parsed = schema.parse(value, place);
  const problem = parsed.ok ? unknownField(place, value, schema.shape) : parsed.problem;
  if (parsed.ok && problem === undefined) return answer(parsed.value);
  return refuse('invalidRequest', (problem ?? '').slice(0, 500), 'GET /openapi.json describes it');
}

function unknownField(place: string, value: unknown, shape: Shape): string | undefined {
  if (shape.kind === 'union') {
    const problems = shape.items.map((item) => unknownField(place, value, item));
    return problems.includes(undefined) ? undefined : problems[0];
  }
  const fields = shape.kind === 'object' ? shape.fields : {};
  const unknown = Object.keys(value ?? {}).find((name) => !Object.hasOwn(fields, name));
  return unknown === undefined ? undefined : `${place}: unknown field ${JSON.stringify(unknown.slice(0, 100))}`;
}

/** Aborts when the client goes away before it has its answer. */
function abandoned(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
