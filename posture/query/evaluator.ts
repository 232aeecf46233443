import { apply } from './apply.ts';
import { decide, truth } from './logic.ts';
import { QueryError } from './problem.ts';
import type { Run, Scope } from './run.ts';
import type { Span, Tree } from './tree.ts';
import { isMissing } from './unread.ts';
import { walkItems } from './walk.ts';

/*
 * CEL with one addition. Where CEL has an error because something is not there, a query has null: null and Unread pass
 * through selection, operators and functions, as NULL does in SQL. Logic has three values, a filter keeps an item only
 * if its condition is true, and what a filter left out because it could not be read is noted in the run. So one
 * container that died while it was read neither spoils the answer about the others nor passes for a healthy one.
 */

/** The value of a tree: null, Unread, boolean, bigint, number, string, array, object, Map, or an object of CEL's own. */
export function evaluateTree(tree: Tree, scope: Scope | undefined, run: Run): unknown {
  run.budget.spend(1);
  const value = (of: Tree): unknown => evaluateTree(of, scope, run);
  switch (tree.kind) {
    case 'value':
      return tree.value;
    case 'variable':
      return lookUp(tree.name, tree.at, scope, run);
    case 'select':
      return fieldOf(value(tree.of), tree.field, tree.at);
    case 'has':
      return !isMissing(fieldOf(value(tree.of), tree.field, tree.at));
    case 'index':
      return entryOf(value(tree.of), value(tree.key), tree.at);
    case 'list':
      run.budget.spendItems(tree.items.length);
      return tree.items.map(value);
    case 'map':
      run.budget.spendMap(tree.entries.length);
      return mapOf(
        tree.entries.map(([key, item]) => [value(key), value(item)] as const),
        tree.at,
      );
    case 'condition': {
      const condition = truth(value(tree.condition), tree.condition.at);
      if (isMissing(condition)) return condition;
      return value(condition ? tree.yes : tree.no);
    }
    case 'and':
    case 'or':
      return decide(tree.kind === 'or', [tree.left, tree.right], (side) => truth(value(side), side.at));
    case 'isNull':
      return isMissing(value(tree.of)) === tree.answer;
    case 'apply':
      return apply(tree.name, tree.program, { args: tree.args.map(value), at: tree.at, run });
    case 'bind':
      return evaluateTree(tree.body, { name: tree.variable, value: value(tree.value), outer: scope }, run);
    case 'walk': {
      const within = (part: Tree, item: unknown): unknown =>
        evaluateTree(part, { name: tree.variable, value: item, outer: scope }, run);
      return walkItems(tree, value(tree.over), { within, run });
    }
  }
}

function lookUp(name: string, at: Span, scope: Scope | undefined, run: Run): unknown {
  for (let inner = scope; inner !== undefined; inner = inner.outer) if (inner.name === name) return inner.value;
  const value = run.variables.get(name);
  if (value === undefined) throw new QueryError(`there is no fact \`${name}\``, at);
  return value;
}

/** A field that is not there is null, and so is any field of null. */
function fieldOf(of: unknown, field: string, at: Span): unknown {
  if (isMissing(of)) return of;
  if (of instanceof Map) return (of as ReadonlyMap<unknown, unknown>).get(field) ?? null;
  if (!isRecord(of)) throw new QueryError(`only objects and maps have a field \`${field}\``, at);
  return Object.hasOwn(of, field) ? (of[field] ?? null) : null;
}

/** An item by its number, or an entry by its key; null where there is none. */
function entryOf(of: unknown, key: unknown, at: Span): unknown {
  if (isMissing(of)) return of;
  if (isMissing(key)) return key;
  if (Array.isArray(of)) {
    if (typeof key !== 'bigint') throw new QueryError('a list is indexed by an integer', at);
    return (of as readonly unknown[])[Number(key)] ?? null;
  }
  if (of instanceof Map) return (of as ReadonlyMap<unknown, unknown>).get(key) ?? null;
  if (isRecord(of) && typeof key === 'string') return Object.hasOwn(of, key) ? (of[key] ?? null) : null;
  throw new QueryError('only lists and maps can be indexed', at);
}

/** CEL, "Aggregate Values": keys are int, bool or string (uint is not needed here), and none stands twice. */
function mapOf(entries: readonly (readonly [unknown, unknown])[], at: Span): ReadonlyMap<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (const [key, item] of entries) {
    if (!['string', 'bigint', 'boolean'].includes(typeof key))
      throw new QueryError('a key of a map is a string, an integer or true or false', at);
    if (map.has(key)) throw new QueryError('a key of a map stands twice', at);
    map.set(key, item);
  }
  return map;
}

/** Records of facts have no prototype; those that CEL's own constants are made of have the usual one. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
