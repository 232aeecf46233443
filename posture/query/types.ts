import { QUERY_SCHEMAS } from '../fact/facts.ts';
import type { Shape } from '../schema.ts';

/** Name of the variable that says what could not be read: a map from path to reason. */
export const UNREAD_VARIABLE = 'unread';

/** What an expression can name, in CEL's words for types (`list<string>`), derived from the schemas of the facts. */
export interface TypeTable {
  /** The fields of each object type, by the path of the type (`containers.item.seccomp`). */
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, FieldType>>;
  /** CEL type of each variable. */
  readonly variables: ReadonlyMap<string, string>;
}

/** One field: its CEL type, and the words that it can hold where they are few. */
export interface FieldType {
  readonly type: string;
  readonly words: readonly string[] | undefined;
}

/** Types of all facts and of `unread`. */
export function typeTable(): TypeTable {
  const objects = new Map<string, ReadonlyMap<string, FieldType>>();
  const variables = new Map<string, string>();
  for (const [name, { shape }] of Object.entries(QUERY_SCHEMAS)) variables.set(name, celType(shape, name, objects));
  variables.set(UNREAD_VARIABLE, 'map<string, string>');
  return { objects, variables };
}

/** The shape beneath what may be missing: missing values are of any type, so types do not speak of them. */
export function presentShape(shape: Shape): Shape {
  return shape.kind === 'observed' || shape.kind === 'nullable' ? presentShape(shape.item) : shape;
}

function celType(shape: Shape, path: string, objects: Map<string, ReadonlyMap<string, FieldType>>): string {
  switch (shape.kind) {
    case 'string':
    case 'oneOf':
      return 'string';
    case 'integer':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'unknown':
    case 'union':
      return 'dyn';
    case 'observed':
    case 'nullable':
      return celType(shape.item, path, objects);
    case 'list':
      return `list<${celType(shape.item, `${path}.item`, objects)}>`;
    case 'record':
      return `map<string, ${celType(shape.item, `${path}.value`, objects)}>`;
    case 'object': {
      const fields = new Map<string, FieldType>();
      for (const [name, field] of Object.entries(shape.fields)) {
        const present = presentShape(field);
        const words = present.kind === 'oneOf' ? present.values : undefined;
        fields.set(name, { type: celType(field, `${path}.${name}`, objects), words });
      }
      objects.set(path, fields);
      return path;
    }
  }
}
