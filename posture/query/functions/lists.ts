import { MAX_LENGTH } from '../budget.ts';
import type { Budget } from '../budget.ts';
import { compare, equal, keyOf } from '../comparison.ts';
import { QueryError } from '../query-error.ts';
import { kindOf, mapEntries } from '../values.ts';
import type { Duration, Uint } from '../values.ts';
import { isMissing, Unread } from '../unread.ts';
import { define } from './definition.ts';
import type { FunctionDefinition, Implementation } from './definition.ts';
import { toInt, toUint } from './operators.ts';
import { countCharacters } from './strings.ts';
import { checkDuration } from './time.ts';

type List = readonly unknown[];

/** What an integer costs beside its place in a list: each is an object of its own. */
const UNITS_PER_INTEGER = 3;

const NEGATIVE_COUNT = 'the number of items must not be negative';

function size(value: unknown): bigint {
  if (typeof value === 'string') return BigInt(countCharacters(value));
  if (Array.isArray(value)) return BigInt(value.length);
  return BigInt(value instanceof Map ? value.size : mapEntries(value).length);
}

/** What sorting a list of this length costs. */
export function spendSort(length: number, budget: Budget): void {
  budget.spendItems(length);
  budget.spend(Math.ceil(length * Math.log2(length + 1)));
}

/** Keys in their order; what is not known comes last. Throws where two have no order. */
export function compareKeys(left: unknown, right: unknown, budget: Budget): number {
  if (isMissing(left) || isMissing(right)) return Number(isMissing(left)) - Number(isMissing(right));
  return compare(left, right, budget);
}

function sort(items: List, budget: Budget): List {
  spendSort(items.length, budget);
  return items.toSorted((left, right) => compareKeys(left, right, budget));
}

/** An item after the key that it is grouped or sorted by. */
export type Keyed = readonly (readonly [unknown, unknown])[];

/** The `count` items with the largest keys, the largest first. Items without a key are left out. */
export function largest(keyed: Keyed, count: bigint, budget: Budget): List {
  if (count < 0n) throw new QueryError(NEGATIVE_COUNT);
  spendSort(keyed.length, budget);
  return keyed
    .filter(([key]) => !isMissing(key))
    .toSorted(([left], [right]) => compare(right, left, budget))
    .slice(0, count > BigInt(keyed.length) ? keyed.length : Number(count))
    .map(([, item]) => item);
}

function top(items: List, count: bigint, budget: Budget): List {
  return largest(
    items.map((item) => [item, item] as const),
    count,
    budget,
  );
}

/** Each value once, in the order of its first place; the first item that is not known. */
function distinct(items: List, budget: Budget): List | Unread {
  const seen = new Map<string, unknown>();
  for (const item of items) {
    const key = keyOf(item, budget);
    if (key instanceof Unread) return key;
    if (!seen.has(key)) seen.set(key, item);
  }
  budget.spendItems(seen.size);
  return [...seen.values()];
}

function flatten(items: List, levels: bigint | Budget, budget?: Budget): List {
  const spent = budget ?? (levels as Budget);
  const depth = typeof levels === 'bigint' ? levels : 1n;
  if (depth < 0n) throw new QueryError('the number of levels must not be negative');
  const flat: unknown[] = [];
  const add = (each: List, left: bigint): void => {
    for (const item of each) {
      spent.spend(1);
      if (Array.isArray(item) && left > 0n) add(item as List, left - 1n);
      else if (flat.push(item) > MAX_LENGTH) spent.spendItems(flat.length);
    }
  };
  add(items, depth);
  spent.spendItems(flat.length);
  return flat;
}

function range(count: bigint, budget: Budget): List {
  if (count < 0n) throw new QueryError(NEGATIVE_COUNT);
  budget.spendItems(Number(count));
  budget.spend(Number(count) * UNITS_PER_INTEGER);
  return Array.from({ length: Number(count) }, (_, index) => BigInt(index));
}

function slice(items: List, start: bigint, end: bigint, budget: Budget): List {
  if (start < 0n || end < start || end > BigInt(items.length)) throw new QueryError('a slice is out of range');
  budget.spendItems(Number(end - start));
  return items.slice(Number(start), Number(end));
}

/** What is absent does not count, as in SQL; the first item that is not known. */
function known(items: List, budget: Budget): List | Unread {
  budget.spend(items.length);
  const unread = items.find((item): item is Unread => item instanceof Unread);
  return unread ?? items.filter((item) => item !== null);
}

function sum(items: List, budget: Budget): unknown {
  const values = known(items, budget);
  if (values instanceof Unread) return values;
  const kind = kindOf(values[0] ?? 0n);
  if (values.some((value) => kindOf(value) !== kind)) throw new QueryError('sum takes a list of one type');
  if (kind === 'int') return toInt((values as readonly bigint[]).reduce((left, right) => left + right, 0n));
  if (kind === 'uint') return toUint((values as readonly Uint[]).reduce((left, right) => left + right.value, 0n));
  if (kind === 'double') return (values as readonly number[]).reduce((left, right) => left + right, 0);
  if (kind === 'google.protobuf.Duration')
    return checkDuration((values as readonly Duration[]).reduce((left, right) => left + right.nanos, 0n));
  throw new QueryError('sum takes a list of numbers or durations');
}

function extreme(sign: 1 | -1): Implementation {
  return (items: List, budget: Budget) => {
    const values = known(items, budget);
    if (values instanceof Unread) return values;
    return values.length === 0
      ? null
      : values.reduce((best, value) => (compare(value, best, budget) * sign > 0 ? value : best));
  };
}

function place(find: (items: List, wanted: (item: unknown) => boolean) => number): Implementation {
  return (items: List, wanted: unknown, budget: Budget) =>
    BigInt(find(items, (item) => equal(item, wanted, budget) === true));
}

function isSorted(items: List, budget: Budget): boolean {
  budget.spend(items.length);
  return items.every((item, index) => index === 0 || compareKeys(items[index - 1], item, budget) <= 0);
}

/** Keys of a set, each known; the first that is not. */
function keys(items: List, budget: Budget): ReadonlySet<string> | Unread {
  const set = new Set<string>();
  for (const item of items) {
    const key = keyOf(item, budget);
    if (key instanceof Unread) return key;
    set.add(key);
  }
  return set;
}

function sets(decide: (left: ReadonlySet<string>, right: ReadonlySet<string>) => boolean): Implementation {
  return (left: List, right: List, budget: Budget) => {
    const one = keys(left, budget);
    const other = keys(right, budget);
    if (one instanceof Unread) return one;
    return other instanceof Unread ? other : decide(one, other);
  };
}

/** Functions on lists: `size` of CEL, the `lists` and `sets` extensions of cel-go, the list library of Kubernetes. */
export const LIST_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'size',
    Object.fromEntries(
      [
        'size(string): int',
        'size(list): int',
        'size(map): int',
        'string.size(): int',
        'list.size(): int',
        'map.size(): int',
      ].map((signature) => [signature, size]),
    ),
    'How many characters, items or entries there are.',
    ['[7, 8].size()', '2'],
  ),
  define('distinct', { 'list<A>.distinct(): list<A>': distinct }, 'Each value once.', [
    '[1, 2, 1].distinct()',
    '[1, 2]',
  ]),
  define('sort', { 'list<A>.sort(): list<A>': sort }, 'The items in rising order; what is absent comes last.', [
    '[3, 1, 2].sort()',
    '[1, 2, 3]',
  ]),
  define('isSorted', { 'list<A>.isSorted(): bool': isSorted }, 'Are the items in rising order?', [
    '[1, 3, 2].isSorted()',
    'false',
  ]),
  define('top', { 'list<A>.top(int): list<A>': top }, 'The largest items, the largest first.', [
    '[3, 9, 4].top(2)',
    '[9, 4]',
  ]),
  define(
    'sum',
    {
      'list<int>.sum(): int': sum,
      'list<uint>.sum(): uint': sum,
      'list<double>.sum(): double': sum,
      'list<duration>.sum(): duration': sum,
    },
    'The sum of the items; what is absent does not count.',
    ['[1, 2, 3].sum()', '6'],
  ),
  define('min', { 'list<A>.min(): A': extreme(-1) }, 'The smallest item; null of an empty list.', [
    '[3, 1, 2].min()',
    '1',
  ]),
  define('max', { 'list<A>.max(): A': extreme(1) }, 'The largest item; null of an empty list.', [
    '["a", "c", "b"].max()',
    '"c"',
  ]),
  define(
    'first',
    { 'list<A>.first(): A': (items: List) => items[0] ?? null },
    'The first item; null of an empty list.',
    ['[7, 8].first()', '7'],
  ),
  define(
    'last',
    { 'list<A>.last(): A': (items: List) => items.at(-1) ?? null },
    'The last item; null of an empty list.',
    ['[7, 8].last()', '8'],
  ),
  define(
    'flatten',
    { 'list.flatten(): list': flatten, 'list.flatten(int): list': flatten },
    'The list with nested lists replaced by their items, one level deep unless a number of levels is given.',
    ['[[1], [2, [3]]].flatten()', '[1, 2, [3]]'],
  ),
  define(
    'slice',
    { 'list<A>.slice(int, int): list<A>': slice },
    'The items from the first number on, up to but not including the second.',
    ['[1, 2, 3, 4].slice(1, 3)', '[2, 3]'],
  ),
  define(
    'lists.range',
    { 'lists.range(int): list<int>': range },
    'The numbers from 0 up to but not including this one.',
    ['lists.range(3)', '[0, 1, 2]'],
  ),
  define(
    'sets.contains',
    { 'sets.contains(list<A>, list<A>): bool': sets((left, right) => [...right].every((key) => left.has(key))) },
    'Are all items of the second list in the first?',
    ['sets.contains([1, 2, 3], [3, 1])', 'true'],
  ),
  define(
    'sets.equivalent',
    {
      'sets.equivalent(list<A>, list<A>): bool': sets(
        (left, right) => left.size === right.size && [...left].every((key) => right.has(key)),
      ),
    },
    'Do both lists hold the same values?',
    ['sets.equivalent([1, 2, 2], [2, 1])', 'true'],
  ),
  define(
    'sets.intersects',
    { 'sets.intersects(list<A>, list<A>): bool': sets((left, right) => [...left].some((key) => right.has(key))) },
    'Do both lists have a value in common?',
    ['sets.intersects([1, 2], [2, 3])', 'true'],
  ),
];

/** Places of items; of text, `strings.ts` has them. */
export const ITEM_PLACES: Readonly<Record<string, Readonly<Record<string, Implementation>>>> = {
  indexOf: { 'list<A>.indexOf(A): int': place((items, wanted) => items.findIndex(wanted)) },
  lastIndexOf: { 'list<A>.lastIndexOf(A): int': place((items, wanted) => items.findLastIndex(wanted)) },
};
