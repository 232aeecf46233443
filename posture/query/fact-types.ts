import { FACT_SCHEMAS, QUERY_SCHEMAS } from '../fact/facts.ts';
import type { FactName } from '../fact/facts.ts';
import type { Shape } from '../schema.ts';
import { DYN, simple } from './type.ts';
import type { CelType } from './type.ts';
import { viewShape } from './view-shape.ts';

/** Name of the variable that says what could not be read: a map from path to reason. */
export const UNREAD_VARIABLE = 'unread';

/** The CEL type of each variable of a query: the facts as {@link viewShape} shows them, and `unread`. */
export function factTypes(): ReadonlyMap<string, CelType> {
  const variables = new Map<string, CelType>();
  for (const [name, { shape }] of Object.entries(QUERY_SCHEMAS)) variables.set(name, celType(shape, name));
  variables.set(UNREAD_VARIABLE, { kind: 'map', key: simple('string'), value: simple('string') });
  return variables;
}

/** The CEL type of each fact that checks judge. Nothing is read on demand for a check. */
export function judgedFactTypes(): ReadonlyMap<FactName, CelType> {
  return new Map(
    Object.entries(FACT_SCHEMAS).map(([name, { shape }]) => [name as FactName, withoutDemand(celType(shape, name))]),
  );
}

/** The same type, with no key that a query could have read, and nothing about all keys where only some are collected. */
function withoutDemand(type: CelType): CelType {
  if (type.kind === 'list') return { ...type, item: withoutDemand(type.item) };
  if (type.kind === 'object') {
    const fields = [...type.fields].map(([name, field]) => [name, withoutDemand(field)] as const);
    return { ...type, fields: new Map(fields) };
  }
  if (type.kind !== 'map') return type;
  const map = { ...type, value: withoutDemand(type.value) };
  return type.keys === undefined
    ? map
    : Object.assign(map, { keys: { ...type.keys, onDemand: false, isNamedOnly: true } });
}

function celType(stored: Shape, path: string): CelType {
  const shape = viewShape(stored);
  switch (shape.kind) {
    case 'string':
      return simple('string');
    case 'oneOf':
      return { kind: 'string', words: shape.values };
    case 'integer':
      return simple('int');
    case 'number':
      return simple('double');
    case 'boolean':
      return simple('bool');
    case 'unknown':
    case 'union':
      return DYN;
    // Missing values are of any type, so types do not speak of them.
    case 'observed':
    case 'nullable':
      return celType(shape.item, path);
    case 'list':
      return { kind: 'list', item: celType(shape.item, `${path}.item`) };
    case 'record': {
      const map = { kind: 'map', key: simple('string'), value: celType(shape.item, `${path}.value`) } as const;
      return shape.keys === undefined ? map : { ...map, keys: shape.keys };
    }
    case 'object': {
      const fields = Object.entries(shape.fields).map(
        ([name, field]) => [name, celType(field, `${path}.${name}`)] as const,
      );
      return { kind: 'object', path, fields: new Map(fields) };
    }
  }
}
