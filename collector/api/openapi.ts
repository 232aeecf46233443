import { z } from 'zod';
import { API_ERRORS } from './error.ts';
import type { ApiErrorCode } from './error.ts';
import type { Access, Fields, Route } from './route.ts';
import { errorSchema } from './schema.ts';

/** A JSON value that is an object. */
type Json = Readonly<Record<string, unknown>>;

/** Refusals that any route can answer, and those that any route behind the token can answer besides. */
const ALWAYS: readonly ApiErrorCode[] = ['internal', 'crossSite'];
const BEHIND_TOKEN: readonly ApiErrorCode[] = ['unauthorized', 'tooManyRequests'];

/**
 * The OpenAPI 3.1 document of `routes`. Everything in it comes from the schemas that requests are checked with and
 * answers are typed by; `components` names those that stand under `#/components/schemas`.
 */
export function openApiDocument(
  routes: readonly Route[],
  components: Readonly<Record<string, z.ZodType>>,
  version: string,
): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...components, Error: errorSchema })) registry.add(schema, { id });
  const generated = z.toJSONSchema(registry, { uri: componentPath, io: 'output' });
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = operation(route, registry);
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
        operatorToken: { type: 'http', scheme: 'bearer' },
        consoleSession: { type: 'http', scheme: 'bearer', description: 'of `POST /v1/console/sessions`' },
      },
      schemas: Object.fromEntries(Object.entries(generated.schemas).map(([id, schema]) => [id, withoutHead(schema)])),
    },
  };
}

const SECURITY = Object.freeze({
  open: [],
  signedIn: [{ operatorToken: [] }, { consoleSession: [] }],
  operator: [{ operatorToken: [] }],
} satisfies Record<Access, readonly Json[]>);

type Components = ReturnType<typeof z.registry<{ id: string }>>;

function operation(route: Route, components: Components): Json {
  const codes = [...new Set([...route.refuses, ...(route.access === 'open' ? [] : BEHIND_TOKEN), ...ALWAYS])];
  return {
    operationId: route.operation,
    summary: route.summary,
    description: route.description,
    security: SECURITY[route.access],
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: render(route.body, components, 'input') } },
          },
        }),
    responses: { 200: success(route, components), ...refusals(codes) },
  };
}

function success(route: Route, components: Components): Json {
  if (route.kind === 'json')
    return {
      description: route.summary,
      content: { 'application/json': { schema: render(route.answer, components, 'output') } },
    };
  // OpenAPI 3.1 has no words for server-sent events: the schema is that of one event's data, by its type.
  const events = Object.entries(route.events).map(([type, schema]) => ({
    title: type,
    allOf: [render(schema, components, 'output')],
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

function parameters(fields: Fields, place: 'path' | 'query'): readonly Json[] {
  const { properties = {} } = z.toJSONSchema(fields, { io: 'output' });
  return Object.entries(properties).map(([name, schema]) => {
    const { description, ...rest } = schema as { description?: string };
    const required = place === 'path' || !(fields.shape[name] as z.ZodType).safeParse(undefined).success;
    // Not there rather than empty: JSON.stringify leaves an undefined field out.
    return { name, in: place, required, description, schema: rest };
  });
}

function render(schema: z.ZodType, metadata: Components, io: 'input' | 'output'): Json {
  const { $defs: _defs, ...rest } = z.toJSONSchema(schema, { metadata, io });
  return JSON.parse(JSON.stringify(withoutHead(rest)).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}

function withoutHead(schema: Json): Json {
  const { $schema: _schema, $id: _id, ...rest } = schema;
  return rest;
}

function componentPath(id: string): string {
  return `#/components/schemas/${id}`;
}
