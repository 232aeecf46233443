import type { FactField } from '../../api/fact.ts';

/** The fields of all facts, by path: `containers[].seccomp.mode`. */
export interface FactIndex {
  readonly field: (path: string) => FactField | undefined;
  /** Fields below a path, in the order of the facts; those at the top for ''. */
  readonly children: (path: string) => readonly FactField[];
  /** Is anything known at or below this path? */
  readonly has: (path: string) => boolean;
}

/** What follows the path of a list for one of its items, and that of a map for one of its entries. */
const ITEM = '[]';
const ENTRY = '["…"]';

/** An index over what the API lists. */
export function indexFacts(facts: readonly FactField[]): FactIndex {
  const byPath = new Map(facts.map((fact) => [fact.path, fact]));
  const children = new Map<string, FactField[]>();
  const known = new Set<string>(['']);
  for (const fact of facts) {
    const parent = parentOf(fact.path);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [fact]);
    else siblings.push(fact);
    for (const prefix of prefixesOf(fact.path)) known.add(prefix);
  }
  return {
    field: (path) => byPath.get(path),
    children: (path) => children.get(path) ?? [],
    has: (path) => known.has(path),
  };
}

/** The path of an item of the list, or of an entry of the map, at `path`; undefined where it is neither. */
export function itemPath(index: FactIndex, path: string): string | undefined {
  const type = index.field(path)?.type ?? '';
  if (type.startsWith('list<') || index.has(path + ITEM)) return path + ITEM;
  return type.startsWith('map<') || index.has(path + ENTRY) ? path + ENTRY : undefined;
}

/** The path of a field; a field of a map is one of its entries. */
export function fieldPath(index: FactIndex, path: string, name: string): string | undefined {
  const field = path === '' ? name : `${path}.${name}`;
  if (index.has(field)) return field;
  const entry = itemPath(index, path);
  return entry?.endsWith(ENTRY) === true ? entry : undefined;
}

/** The last name of a path: `mode` of `containers[].seccomp.mode`. */
export function lastName(path: string): string {
  return /([^.[\]]+)(?:\[[^\]]*\])*$/.exec(path)?.[1] ?? path;
}

function parentOf(path: string): string {
  const dot = path.lastIndexOf('.');
  return dot === -1 ? '' : path.slice(0, dot);
}

function prefixesOf(path: string): readonly string[] {
  const ends = [...path.matchAll(/\[[^\]]*\]|\.|$/g)].flatMap(({ index, 0: text }) => [index, index + text.length]);
  return ends.map((end) => path.slice(0, end).replace(/\.$/, ''));
}
