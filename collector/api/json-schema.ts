import type { Shape } from '../../posture/schema.ts';

/** A JSON value that is an object. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it) of `shape`. Shapes that `names` contains become references to
 * `#/components/schemas`; the outermost one is always written out.
 */
export function toJsonSchema(shape: Shape, names: ReadonlyMap<Shape, string>): Json {
  const { doc, preset } = shape;
  return {
    ...schemaOf(shape, names),
    ...(doc === '' ? {} : { description: doc }),
    ...(preset === undefined ? {} : { default: preset }),
  };
}

/** The reference to a schema that has a name in the document. */
export function componentPath(name: string): string {
  return `#/components/schemas/${name}`;
}

function schemaOf(shape: Shape, names: ReadonlyMap<Shape, string>): Json {
  const within = (item: Shape): Json => {
    const name = names.get(item);
    return name === undefined ? toJsonSchema(item, names) : { $ref: componentPath(name) };
  };
  switch (shape.kind) {
    case 'string':
      return { type: 'string', ...bounds(shape, 'minLength', 'maxLength') };
    case 'integer':
    case 'number':
      return { type: shape.kind, ...bounds(shape, 'minimum', 'maximum') };
    case 'boolean':
      return { type: 'boolean' };
    case 'unknown':
      return {};
    case 'oneOf':
      return { type: 'string', enum: shape.values };
    case 'list':
      return { type: 'array', items: within(shape.item), ...bounds(shape, 'minItems', 'maxItems') };
    case 'record':
      return { type: 'object', additionalProperties: within(shape.item) };
    case 'nullable':
    case 'observed':
      return within(shape.item);
    case 'union':
      return { oneOf: shape.items.map(within) };
    case 'object': {
      const fields = Object.entries(shape.fields);
      const required = fields.filter(([, field]) => field.kind !== 'nullable' && field.preset === undefined);
      return {
        type: 'object',
        properties: Object.fromEntries(fields.map(([name, field]) => [name, within(field)])),
        required: required.map(([name]) => name),
        additionalProperties: false,
      };
    }
  }
}

function bounds({ minimum, maximum }: { minimum?: number; maximum?: number }, least: string, most: string): Json {
  return {
    ...(minimum === undefined ? {} : { [least]: minimum }),
    ...(maximum === undefined ? {} : { [most]: maximum }),
  };
}
