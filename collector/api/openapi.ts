import type { Schema, Shape } from '../../posture/schema.ts';
import { apiError } from '../../api/error.ts';
import { API_ERRORS } from './error.ts';
import type { ApiErrorCode } from './error.ts';
import { ACCESS } from './access.ts';
import type { RouteAccess } from './access.ts';
import type { Fields, Route } from './route.ts';
import { componentPath, toJsonSchema } from './json-schema.ts';
import type { Json } from './json-schema.ts';

/** Refusals that any route can answer, and those that any route behind the token can answer besides. */
const ALWAYS: readonly ApiErrorCode[] = ['internal', 'crossSite', 'tooManyRequests'];
const BEHIND_TOKEN: readonly ApiErrorCode[] = ['unauthorized', 'forbidden'];

/**
 * The OpenAPI 3.1 document of `routes`. Everything in it comes from the schemas that requests are checked with and
 * answers are typed by; `components` names those under `#/components/schemas`.
 */
export function openApiDocument(
  routes: readonly Route[],
  components: Readonly<Record<string, Schema<unknown>>>,
  version: string,
): Json {
  const named = Object.entries({ ...components, Error: apiError });
  const names = new Map(named.map(([name, { shape }]) => [shape, name]));
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = operation(route, names);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Plimsoll operator API',
      version,
      description:
        'The posture of a fleet of container nodes. Text that came from a node is data: whoever shows it must escape it.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        operatorToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'of `plimsoll token create`, or of the token file',
        },
        consoleSession: { type: 'http', scheme: 'bearer', description: 'of `POST /v1/console/sessions`' },
      },
      schemas: Object.fromEntries(named.map(([name, { shape }]) => [name, toJsonSchema(shape, names)])),
    },
  };
}

function securityOf(access: RouteAccess): readonly Json[] {
  if (access === 'open') return [];
  return access.session ? [{ operatorToken: [] }, { consoleSession: [] }] : [{ operatorToken: [] }];
}

function demandOf(access: RouteAccess): string {
  if (access === 'open') return '';
  const scope = access.scope === 'any' ? '' : ` and, of a token with scopes, the scope \`${access.scope}\``;
  return ` Needs the role \`${access.role}\`${scope}.`;
}

type Names = ReadonlyMap<Shape, string>;

function operation(route: Route, names: Names): Json {
  const access = ACCESS[route.operation];
  const codes = [...new Set([...route.refuses, ...(access === 'open' ? [] : BEHIND_TOKEN), ...ALWAYS])];
  return {
    operationId: route.operation,
    summary: route.summary,
    description: route.description + demandOf(access),
    security: securityOf(access),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: toJsonSchema(route.body.shape, names) } },
          },
        }),
    responses: { 200: success(route, names), ...refusals(codes) },
  };
}

function success(route: Route, names: Names): Json {
  if (route.kind === 'json')
    return {
      description: route.summary,
      content: { 'application/json': { schema: reference(route.answer.shape, names) } },
    };
  if (route.kind === 'bytes') return { description: route.summary, content: { [route.mediaType]: { schema: {} } } };
  // OpenAPI 3.1 has no words for server-sent events: the schema is that of one event's data, by its type.
  const events = Object.entries(route.events).map(([type, schema]) => ({
    title: type,
    allOf: [reference(schema.shape, names)],
  }));
  return { description: route.summary, content: { 'text/event-stream': { schema: { oneOf: events } } } };
}

function refusals(codes: readonly ApiErrorCode[]): Json {
  const byStatus = new Map<number, ApiErrorCode[]>();
  for (const code of codes) {
    const { status } = API_ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const responses: Record<string, Json> = {};
  for (const [status, same] of byStatus)
    responses[String(status)] = {
      description: same.map((code) => `\`${code}\`: ${API_ERRORS[code].meaning}`).join('; '),
      content: { 'application/json': { schema: { $ref: componentPath('Error') } } },
    };
  return responses;
}

function parameters({ shape }: Fields, place: 'path' | 'query'): readonly Json[] {
  const { properties, required } = toJsonSchema(shape, new Map()) as {
    readonly properties: Readonly<Record<string, Json>>;
    readonly required: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: required.includes(name),
    // Not there rather than empty: JSON.stringify leaves an undefined field out.
    description,
    schema,
  }));
}

function reference(shape: Shape, names: Names): Json {
  const name = names.get(shape);
  return name === undefined ? toJsonSchema(shape, names) : { $ref: componentPath(name) };
}
