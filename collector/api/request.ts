import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { answer, refuse } from './route.ts';
import type { ApiResult, Fields, Route, RouteInput } from './route.ts';

/** A request that passed the schemas of its route. */
export type ParsedRequest = RouteInput<Fields, Fields, z.ZodType>;

/** Checks path, query and body against the schemas of `route`. The refusal names the first thing that is wrong. */
export function parseRequest(route: Route, request: FastifyRequest, reply: FastifyReply): ApiResult<ParsedRequest> {
  const params = route.params.safeParse(request.params);
  if (!params.success) return refuse('invalidRequest', problem('path', params.error));
  const query = route.query.safeParse(withLists(route.query, request.query as Record<string, unknown>));
  if (!query.success) return refuse('invalidRequest', problem('query', query.error), 'GET /openapi.json describes it');
  const body = (route.body ?? z.unknown()).safeParse(request.body);
  if (!body.success) return refuse('invalidRequest', problem('body', body.error), 'GET /openapi.json describes it');
  return answer({
    params: params.data,
    query: query.data,
    body: body.data,
    signal: abandoned(reply),
    address: request.ip,
  });
}

/** A parameter that may be repeated is a list also where it stands once. */
function withLists(fields: Fields, query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const field = Object.hasOwn(fields.shape, name) ? fields.shape[name] : undefined;
      return [name, isList(field) && !Array.isArray(value) ? [value] : value];
    }),
  );
}

function isList(field: unknown): boolean {
  return field instanceof z.ZodOptional ? isList(field.unwrap()) : field instanceof z.ZodArray;
}

function problem(place: string, error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return `${place}: not valid`;
  return [place, ...issue.path.map(String)].join('.').slice(0, 200) + `: ${issue.message.slice(0, 500)}`;
}

/** Aborts when the client goes away before it has its answer. */
function abandoned(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
