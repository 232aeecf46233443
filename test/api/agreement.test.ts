import t from 'tap';
import { checkList } from '../../api/check.ts';
import { apiError } from '../../api/error.ts';
import { factList } from '../../api/fact.ts';
import { findingEvent, findingPage, historyPage } from '../../api/finding.ts';
import { removedNode, nodeDetail, nodeList, nodeState, summary } from '../../api/node.ts';
import { queryAnswers } from '../../api/query.ts';
import { consoleCode, consoleSession } from '../../api/sign-in.ts';
import { collectorStatus, sinkList } from '../../api/status.ts';
import { trend } from '../../api/trend.ts';
import { issueReport } from '../../api/issue.ts';
import { openApiDocument } from '../../collector/api/openapi.ts';
import { COMPONENTS, ROUTES } from '../../collector/api/routes.ts';
import type { Schema, Shape } from '../../posture/schema.ts';

/** JSON Schema, as far as the document uses it for answers. */
interface Json {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Json;
  readonly additionalProperties?: Json | boolean;
  readonly items?: Json;
  readonly oneOf?: readonly Json[];
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}
interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: Json }>> }>
  >;
}

const DOCUMENT = openApiDocument(ROUTES, COMPONENTS, '1') as unknown as Document;

function answerOf(method: string, path: string): Json {
  const schema = DOCUMENT.paths[path]?.[method]?.responses['200']?.content['application/json']?.schema;
  if (schema === undefined) throw new Error(`${method} ${path} is not in the document`);
  return schema;
}

/** What a reader asks for and the document does not promise, as lines with the place. */
function disagreements(shape: Shape, json: Json, at: string): readonly string[] {
  if (json.$ref !== undefined) {
    const named = DOCUMENT.components.schemas[json.$ref.replace('#/components/schemas/', '')];
    return named === undefined ? [`${at}: ${json.$ref} is nowhere`] : disagreements(shape, named, at);
  }
  switch (shape.kind) {
    case 'unknown':
      return [];
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return json.type === shape.kind ? [] : [`${at}: ${String(json.type)} instead of ${shape.kind}`];
    case 'oneOf': {
      const missing = (json.enum ?? ['no list of words']).filter((word) => !shape.values.includes(word));
      return missing.map((word) => `${at}: ${word} would not be understood`);
    }
    case 'list':
      return json.items === undefined ? [`${at}: no list`] : disagreements(shape.item, json.items, `${at}[]`);
    case 'nullable':
      return disagreements(shape.item, json, at);
    case 'object':
      return Object.entries(shape.fields).flatMap(([name, field]) => {
        const found = fieldOf(json, name);
        return found === undefined ? [`${at}.${name}: is not there`] : disagreements(field, found, `${at}.${name}`);
      });
    case 'record':
    case 'observed':
      return [`${at}: ${shape.kind} is not compared`];
  }
}

/** A field of an object, of a map with known keys, or of one of several objects. */
function fieldOf(json: Json, name: string): Json | undefined {
  if (json.oneOf !== undefined) {
    const found = json.oneOf.flatMap((one) => fieldOf(one, name) ?? []);
    // The field that tells them apart has one word in each.
    return found.every((one) => 'const' in one)
      ? { enum: found.map((one) => String((one as { const?: unknown }).const)) }
      : found[0];
  }
  if (typeof json.additionalProperties === 'object' && json.propertyNames !== undefined) {
    const names = json.propertyNames.$ref === undefined ? json.propertyNames.enum : undefined;
    return names?.includes(name) === true ? json.additionalProperties : undefined;
  }
  return json.properties?.[name];
}

const READ: readonly (readonly [what: string, schema: Schema<unknown>, json: Json])[] = [
  ['checks', checkList, answerOf('get', '/v1/checks')],
  ['facts', factList, answerOf('get', '/v1/facts')],
  ['findings', findingPage, answerOf('get', '/v1/findings')],
  ['history', historyPage, answerOf('get', '/v1/history')],
  ['nodes', nodeList, answerOf('get', '/v1/nodes')],
  ['node', nodeDetail, answerOf('get', '/v1/nodes/{node}')],
  ['removed node', removedNode, answerOf('delete', '/v1/nodes/{id}')],
  ['summary', summary, answerOf('get', '/v1/summary')],
  ['query', queryAnswers, answerOf('post', '/v1/query')],
  ['console link', consoleCode, answerOf('post', '/v1/console/links')],
  ['console session', consoleSession, answerOf('post', '/v1/console/sessions')],
  ['status', collectorStatus, answerOf('get', '/v1/status')],
  ['issues', issueReport, answerOf('get', '/v1/status')],
  ['sinks', sinkList, answerOf('get', '/v1/sinks')],
  ['trend', trend, answerOf('get', '/v1/trend')],
  ['event of a finding', findingEvent, { $ref: '#/components/schemas/FindingEvent' }],
  ['event of a node', nodeState, { $ref: '#/components/schemas/NodeState' }],
  ['error', apiError, { $ref: '#/components/schemas/Error' }],
];

// The compiler sees a field that readers need and the collector renamed; not one that may be missing.
for (const [what, schema, json] of READ)
  t.strictSame(disagreements(schema.shape, json, ''), [], `${what}: what is read is what the document promises`);

const odd: Schema<unknown> = {
  shape: { kind: 'object', doc: '', fields: { reason: { kind: 'string', doc: '' } } },
  parse: apiError.parse,
};
t.strictSame(disagreements(odd.shape, { type: 'object', properties: { why: { type: 'string' } } }, ''), [
  '.reason: is not there',
]);
