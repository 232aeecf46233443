import { equal, numberOf } from './comparison.ts';
import type { Run, Scope } from './evaluation-run.ts';
import { applyFunction } from './apply-function.ts';
import { decide, truth } from './logic.ts';
import type { Truth } from './logic.ts';
import type { Span } from './query-error.ts';
import type { Tree } from './tree.ts';
import { Failure, isMissing, Unread } from './unread.ts';
import { kindOf, mapEntry, mapKey } from './values.ts';
import { walkItems } from './walk.ts';

/*
 * CEL with one addition. Where CEL has an error because something is absent, a query has null: null and Unread pass
 * through selection, operators and functions, as NULL does in SQL. What has no value, such as a division by zero, is a
 * Failure and passes through in the same way. Logic has three values, a filter keeps an item only if its condition is
 * true, and what a filter left out because it is not known is noted in the run. So one container that died while it was
 * read, or one text that is no number, neither spoils the answer about the others nor passes for a healthy one.
 * A strict run (the condition of a check) leaves nothing out: there, what is not known makes the whole list not known.
 */

/** The value of a tree: one of `values.ts`, or Unread. Throws a final QueryError where a limit is reached. */
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
    case 'has': {
      const tested = value(tree.of);
      return isUntestable(tested, run) ? tested : !isMissing(tested);
    }
    case 'index':
      return entryOf(value(tree.of), value(tree.key), tree);
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
      return isMissing(condition) ? condition : value(condition ? tree.yes : tree.no);
    }
    case 'and':
    case 'or':
      return decide(tree.kind === 'or', [tree.left, tree.right], (side) => truth(value(side), side.at));
    case 'equal':
    case 'notEqual':
      return comparison(equal(value(tree.left), value(tree.right), run.budget), tree.kind === 'equal');
    case 'in':
      return isIn(value(tree.item), value(tree.among), tree.at, run);
    case 'isNull': {
      const tested = value(tree.of);
      return isUntestable(tested, run) ? tested : isMissing(tested) === tree.answer;
    }
    case 'apply':
      return applyFunction(tree, tree.args.map(value), run);
    case 'bind':
      return evaluateTree(tree.body, { name: tree.variable, value: value(tree.value), outer: scope }, run);
    case 'walk': {
      const within = (part: Tree, items: readonly unknown[]): unknown => {
        let inner = scope;
        for (const [index, name] of tree.variables.entries()) inner = { name, value: items[index], outer: inner };
        return evaluateTree(part, inner, run);
      };
      const count = tree.count && value(tree.count);
      return walkItems(tree, value(tree.over), { within, count, run });
    }
  }
}

/** Can it not be said whether a value is absent? What could not be read may be there. */
function isUntestable(value: unknown, { isStrict }: Run): boolean {
  return value instanceof Failure || (isStrict && value instanceof Unread);
}

function lookUp(name: string, at: Span, scope: Scope | undefined, run: Run): unknown {
  for (let inner = scope; inner !== undefined; inner = inner.outer) if (inner.name === name) return inner.value;
  const value = run.variables.get(name);
  return value === undefined ? new Failure(`unknown fact \`${name}\``, at) : value;
}

/** A field that is not there is null, and so is any field of null. */
function fieldOf(of: unknown, field: string, at: Span): unknown {
  if (isMissing(of)) return of;
  if (kindOf(of) !== 'map') return new Failure(`only objects and maps have a field \`${field}\``, at);
  return mapEntry(of, field) ?? null;
}

/** An item by its number, or an entry by its key; null if absent. */
function entryOf(of: unknown, key: unknown, { at, uncollected }: Extract<Tree, { kind: 'index' }>): unknown {
  if (isMissing(of)) return of;
  if (isMissing(key)) return key;
  if (Array.isArray(of)) {
    const index = numberOf(key);
    if (index === undefined || !Number.isInteger(Number(index)))
      return new Failure('a list is indexed by an integer', at);
    return (of as readonly unknown[])[Number(index)] ?? null;
  }
  if (kindOf(of) !== 'map') return new Failure('only lists and maps can be indexed', at);
  if (mapKey(key) === undefined) return new Failure('a key of a map is a string, a number, true or false', at);
  const entry = mapEntry(of, key);
  if (entry !== undefined) return entry;
  return uncollected === undefined ? null : new Unread(String(mapKey(key)).slice(0, 128), uncollected);
}

function comparison(same: Truth, whenEqual: boolean): Truth {
  return typeof same === 'boolean' ? same === whenEqual : same;
}

/** Is it among the items of a list or the keys of a map? */
function isIn(item: unknown, among: unknown, at: Span, run: Run): Truth {
  if (isMissing(among)) return among;
  if (Array.isArray(among)) return decide(true, among as readonly unknown[], (other) => equal(item, other, run.budget));
  if (isMissing(item)) return item;
  if (kindOf(among) !== 'map') return new Failure('`in` looks into a list or a map', at);
  return mapEntry(among, item) !== undefined;
}

/** CEL, "Aggregate Values": keys are integers, strings, true or false, and none is there twice. */
function mapOf(entries: readonly (readonly [unknown, unknown])[], at: Span): ReadonlyMap<unknown, unknown> | Unread {
  const map = new Map<unknown, unknown>();
  for (const [key, item] of entries) {
    if (key instanceof Unread) return key;
    const stored = typeof key === 'number' ? undefined : mapKey(key);
    if (stored === undefined) return new Failure('a key of a map is a string, an integer, true or false', at);
    if (map.has(stored)) return new Failure(`the key ${String(stored).slice(0, 80)} is twice in a map`, at);
    map.set(stored, item);
  }
  return map;
}
