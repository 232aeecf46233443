import { capabilityNames } from './check/capability.ts';
import { QUERY_SCHEMAS } from './fact/facts.ts';
import type { QueryFacts } from './fact/facts.ts';
import type { Observed } from './observed.ts';
import { Unread } from './query/unread.ts';
import { hasModeBits, modeBits, viewMode } from './query/view-shape.ts';
import { UNREAD_VARIABLE } from './query/fact-types.ts';
import type { Shape } from './schema.ts';

/**
 * Facts as the variables of a query. What was seen is its value: integers as BigInt (CEL `int`), other numbers as they
 * are (CEL `double`), objects and records without a prototype, capabilities by name and file modes as octal text. What
 * is absent is null; an absent list or record is empty. What could not be read is an {@link Unread}, and is listed by
 * path and reason in the variable `unread`.
 */
export interface QueryView {
  readonly variables: ReadonlyMap<string, unknown>;
}

/** How deep values of no known shape (daemon.json) are followed. */
const MAX_DEPTH = 32;

/** The view of these facts. A fact that is left out is no variable; `unread` speaks of the given ones only. */
export function project(facts: Partial<QueryFacts>): QueryView {
  const unread = Object.create(null) as Record<string, string>;
  const variables = new Map<string, unknown>();
  for (const [name, { shape }] of Object.entries(QUERY_SCHEMAS)) {
    const fact: unknown = facts[name as keyof QueryFacts];
    if (fact !== undefined) variables.set(name, projectValue(fact, shape, name, unread));
  }
  variables.set(UNREAD_VARIABLE, unread);
  return { variables };
}

/** One value of a fact as {@link project} shows it; `path` is what people know it by: `container`. */
export function projectPart(value: unknown, shape: Shape, path: string): unknown {
  return projectValue(value, shape, path, Object.create(null) as Record<string, string>);
}

function projectValue(value: unknown, shape: Shape, path: string, unread: Record<string, string>): unknown {
  switch (shape.kind) {
    case 'observed':
      return projectObserved(value as Observed<unknown>, shape.item, path, unread);
    case 'nullable':
      return value === null ? null : projectValue(value, shape.item, path, unread);
    case 'list':
      return (value as readonly unknown[]).map((item, index) =>
        projectValue(item, shape.item, `${path}[${labelOf(item, index)}]`, unread),
      );
    case 'record':
      return mapFields(value, (item, key) => projectValue(item, shape.item, `${path}[${key}]`, unread));
    case 'object':
      return projectObject(value as Record<string, unknown>, shape, path, unread);
    case 'integer':
      if (shape.view === 'mode') return viewMode(value as number);
      return Number.isSafeInteger(value) ? BigInt(value as number) : value;
    case 'unknown':
    case 'union':
      return projectUnknown(value, 0);
    case 'string':
      return shape.view === 'capabilities' ? projectCapabilities(value as string, path, unread) : value;
    case 'number':
    case 'boolean':
    case 'oneOf':
      return value;
  }
}

function projectObject(
  value: Readonly<Record<string, unknown>>,
  shape: Extract<Shape, { readonly kind: 'object' }>,
  path: string,
  unread: Record<string, string>,
): Record<string, unknown> {
  const fields = Object.create(null) as Record<string, unknown>;
  // Labels of containers are left out where the query does not name them.
  for (const [name, field] of Object.entries(shape.fields))
    if (value[name] !== undefined) fields[name] = projectValue(value[name], field, `${path}.${name}`, unread);
  return hasModeBits(shape) ? Object.assign(fields, modeBits(value['mode'] as number)) : fields;
}

function projectCapabilities(word: string, path: string, unread: Record<string, string>): unknown {
  const names = capabilityNames(word);
  if (names !== undefined) return names;
  unread[path] = 'the value of the kernel is not hexadecimal';
  return new Unread(path, unread[path]);
}

function projectObserved(
  observed: Observed<unknown>,
  item: Shape,
  path: string,
  unread: Record<string, string>,
): unknown {
  switch (observed.state) {
    case 'seen':
      return projectValue(observed.value, item, path, unread);
    case 'absent':
      if (item.kind === 'list') return [];
      return item.kind === 'record' ? Object.create(null) : null;
    case 'unreadable': {
      const reason = `${observed.source}: ${observed.reason}`;
      unread[path] = reason;
      return new Unread(path, reason);
    }
  }
}

/** People know an item by its name or path; its place in the list means nothing to them. */
function labelOf(item: unknown, index: number): string {
  const { name, path, id } = (item ?? {}) as Record<string, unknown>;
  for (const label of [name, path, id]) if (typeof label === 'string' && label !== '') return label.slice(0, 128);
  return String(index);
}

/** A JSON value of no known shape. */
function projectUnknown(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return null;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((item) => projectUnknown(item, depth + 1));
  if (typeof value === 'object' && value !== null) return mapFields(value, (item) => projectUnknown(item, depth + 1));
  return value ?? null;
}

function mapFields(value: unknown, change: (item: unknown, key: string) => unknown): Record<string, unknown> {
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value as object)) fields[key] = change(item, key);
  return fields;
}
