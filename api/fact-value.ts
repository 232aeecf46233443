import type { Observed } from '../posture/observed.ts';
import * as s from '../posture/schema.ts';
import type { Schema, Shape } from '../posture/schema.ts';

/** A fact as a live query answers it: what is absent or could not be read is null. */
export type FactValue<T> = [T] extends [Observed<infer U>]
  ? FactValue<U> | null
  : T extends readonly (infer Item)[]
    ? readonly FactValue<Item>[]
    : T extends object
      ? { readonly [K in keyof T]: FactValue<T[K]> }
      : T;

/** The schema of what a live query answers for a fact with this schema. Lists that are observed are not supported. */
export function factValue<T>(schema: Schema<T>): Schema<FactValue<T>> {
  return schemaOf(schema.shape) as Schema<FactValue<T>>;
}

function schemaOf(shape: Shape): Schema<unknown> {
  switch (shape.kind) {
    case 'string':
      return s.string(shape.doc, shape.maximum);
    case 'integer':
      return s.integer(shape.doc, shape.minimum, shape.maximum);
    case 'number':
      return s.number(shape.doc);
    case 'boolean':
      return s.boolean(shape.doc);
    case 'unknown':
      return s.unknown(shape.doc);
    case 'oneOf':
      return s.oneOf(shape.values, shape.doc);
    case 'list':
      return s.list(schemaOf(shape.item), shape.doc, shape.maximum);
    case 'record':
      return s.record(schemaOf(shape.item), shape.doc, shape.maximum);
    case 'nullable':
    case 'observed':
      return s.nullable(schemaOf(shape.item), shape.doc);
    case 'union':
      return s.union(shape.items.map(schemaOf), shape.doc);
    case 'object': {
      const fields = Object.entries(shape.fields).map(([name, field]) => [name, schemaOf(field)] as const);
      return s.object(Object.fromEntries(fields), shape.doc);
    }
  }
}
