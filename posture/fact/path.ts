import { UNREAD_VARIABLE } from '../query/fact-types.ts';
import { presentShape } from '../schema.ts';
import type { Shape } from '../schema.ts';
import { viewShape } from '../query/view-shape.ts';
import { QUERY_SCHEMAS } from './facts.ts';

/**
 * Something that a query can name. `path` is written as in an expression, with `[]` for an item of a list and `["…"]`
 * for an entry of a map: `containers[].seccomp.mode`. `type` is CEL's type, the words that it can hold, or `object`;
 * ` | null` where it can be missing.
 */
export interface FactPath {
  readonly path: string;
  readonly type: string;
  readonly doc: string;
}

/** More words than this are not listed as a type. */
const MAX_WORDS = 20;

/** All that queries can name, in the order of the schemas. */
export function factPaths(): readonly FactPath[] {
  const paths: FactPath[] = [];
  for (const [name, { shape }] of Object.entries(QUERY_SCHEMAS)) collect(shape, name, paths);
  paths.push({
    path: UNREAD_VARIABLE,
    type: 'map<string, string>',
    doc: 'what could not be read: reason by path, `containers[shop-db].seccomp`',
  });
  return paths;
}

function collect(stored: Shape, path: string, paths: FactPath[]): void {
  const shape = viewShape(stored);
  const present = presentShape(shape);
  paths.push({ path, type: present === shape ? typeText(present) : `${typeText(present)} | null`, doc: docOf(shape) });
  collectWithin(present, path, paths);
}

function collectWithin(stored: Shape, path: string, paths: FactPath[]): void {
  const shape = viewShape(stored);
  switch (shape.kind) {
    case 'object':
      for (const [name, field] of Object.entries(shape.fields)) collect(field, `${path}.${name}`, paths);
      return;
    case 'list':
      return collectWithin(presentShape(shape.item), `${path}[]`, paths);
    case 'record':
      return collectWithin(presentShape(shape.item), `${path}["…"]`, paths);
    case 'observed':
    case 'nullable':
    case 'string':
    case 'oneOf':
    case 'integer':
    case 'number':
    case 'boolean':
    case 'unknown':
    case 'union':
      return;
  }
}

/** The nearest description: the outer one describes this use of the shape, the inner one the shape itself. */
function docOf(shape: Shape): string {
  if (shape.doc !== '') return shape.doc;
  return shape.kind === 'observed' || shape.kind === 'nullable' || shape.kind === 'list' ? docOf(shape.item) : '';
}

function typeText(shape: Shape): string {
  switch (shape.kind) {
    case 'integer':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'unknown':
    case 'union':
      return 'dyn';
    case 'oneOf':
      return shape.values.length > MAX_WORDS ? 'string' : shape.values.map((word) => `"${word}"`).join(' | ');
    case 'list':
      return `list<${typeText(presentShape(shape.item))}>`;
    case 'record':
      return `map<string, ${typeText(presentShape(shape.item))}>`;
    case 'observed':
    case 'nullable':
      return typeText(shape.item);
    case 'string':
    case 'object':
      return shape.kind;
  }
}
