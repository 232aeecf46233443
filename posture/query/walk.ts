import type { Run } from './evaluation-run.ts';
import { compareKeys, largest, spendSort } from './functions/lists.ts';
import type { Keyed } from './functions/lists.ts';
import { decide, lessKnown, truth } from './logic.ts';
import type { Truth } from './logic.ts';
import { QueryError } from './query-error.ts';
import type { Tree, Walk, WalkTree } from './tree.ts';
import { Failure, isMissing, Unread } from './unread.ts';
import { kindOf, mapEntries, mapKey } from './values.ts';

/** How the parts of a walk are evaluated: `within` binds the walk's variables. `count`: how many items are wanted. */
export interface Walking {
  readonly within: (part: Tree, items: readonly unknown[]) => unknown;
  readonly count: unknown;
  readonly run: Run;
}

/** What the variables of a walk are bound to for one item. */
type Row = readonly unknown[];

/** CEL's macros over the items of a list or the entries of a map; over what is missing, the answer is missing. */
export function walkItems(tree: WalkTree, over: unknown, walking: Walking): unknown {
  if (isMissing(over)) return over;
  if (!Array.isArray(over) && kindOf(over) !== 'map')
    return new Failure(`${tree.walk} walks a list or the keys of a map`, tree.over.at);
  const rows = rowsOf(over, tree.variables.length);
  const judge = (row: Row): Truth => {
    walking.run.budget.spend(1);
    return tree.condition === undefined ? true : truth(walking.within(tree.condition, row), tree.condition.at);
  };
  if (tree.walk === 'exists' || tree.walk === 'all') return decide(tree.walk === 'exists', rows, judge);
  if (tree.walk === 'exists_one' || tree.walk === 'existsOne') return existsOne(rows, judge);
  const { within, count, run } = walking;
  const make = (row: Row): unknown => (tree.transform === undefined ? row.at(-1) : within(tree.transform, row));
  try {
    const kept = keep(rows, judge, run);
    return isMissing(kept) ? kept : collect(tree.walk, kept, { make, count, run });
  } catch (error) {
    if (!(error instanceof QueryError) || error.final) throw error;
    return new Failure(error.message, tree.at);
  }
}

function* rowsOf(over: unknown, variables: number): Generator<Row, void> {
  if (!Array.isArray(over)) for (const entry of mapEntries(over)) yield variables === 1 ? [entry[0]] : entry;
  else if (variables === 1) for (const item of over) yield [item];
  else for (const [index, item] of over.entries()) yield [BigInt(index), item];
}

/**
 * The rows for which `judge` is true. Rows for which it is unknown are left out and what was not read is noted; a strict
 * run answers with the first of them.
 */
function keep(rows: Iterable<Row>, judge: (row: Row) => Truth, run: Run): readonly Row[] | null | Unread {
  const kept: Row[] = [];
  for (const row of rows) {
    const wanted = judge(row);
    if (run.isStrict && isMissing(wanted)) return wanted;
    if (wanted instanceof Unread) run.note(wanted);
    if (wanted === true) kept.push(row);
  }
  run.budget.spendItems(kept.length);
  return kept;
}

/** True for exactly one item. Two decide; otherwise an item that cannot be judged leaves it open. */
function existsOne(rows: Iterable<Row>, judge: (row: Row) => Truth): Truth {
  let count = 0;
  let open: Truth = true;
  for (const row of rows) {
    const judged = judge(row);
    if (judged === true) count += 1;
    if (isMissing(judged)) open = lessKnown(open, judged);
  }
  return open instanceof Failure || (count <= 1 && open !== true) ? open : count === 1;
}

/** Walks that make something of the rows that they keep; the others are questions. */
type Collecting = Exclude<Walk, 'all' | 'exists' | 'exists_one' | 'existsOne'>;

/** How a walk collects. `make`: the result or the key of a row. */
interface Collection extends Pick<Walking, 'count' | 'run'> {
  readonly make: (row: Row) => unknown;
}

/** The result of a walk over the rows that it keeps. */
function collect(walk: Collecting, rows: readonly Row[], { make, count, run }: Collection): unknown {
  switch (walk) {
    case 'filter':
    case 'map':
    case 'transformList':
      return rows.map(make);
    case 'transformMap':
      run.budget.spendMap(rows.length);
      return new Map(rows.map((row) => [row[0], make(row)]));
    case 'transformMapEntry':
      return mergeMaps(rows.map(make), run);
    case 'groupBy':
    case 'sortBy':
    case 'topBy': {
      const keyed = rows.map((row) => [make(row), row.at(-1)] as const);
      const unread = run.isStrict ? keyed.find(([key]) => key instanceof Unread) : undefined;
      if (unread !== undefined) return unread[0];
      if (walk === 'groupBy') return groupBy(keyed, run);
      return walk === 'sortBy' ? sortBy(keyed, run) : topBy(keyed, count, run);
    }
  }
}

function mergeMaps(maps: readonly unknown[], run: Run): unknown {
  const merged = new Map<unknown, unknown>();
  for (const map of maps) {
    if (isMissing(map)) return map;
    if (kindOf(map) !== 'map') throw new QueryError('transformMapEntry makes a map of each entry');
    for (const [key, value] of mapEntries(map)) {
      if (merged.has(key)) throw new QueryError(`the key ${String(key).slice(0, 80)} is twice in a map`);
      run.budget.spendMap(1);
      merged.set(key, value);
    }
  }
  return merged;
}

/** Lists of items by key, in the order of their first items. Items of which the key is not known are noted. */
function groupBy(keyed: Keyed, run: Run): ReadonlyMap<unknown, readonly unknown[]> {
  const groups = new Map<unknown, unknown[]>();
  for (const [key, item] of keyed) {
    if (key instanceof Unread) {
      run.note(key);
      continue;
    }
    const stored = key === null ? null : mapKey(key);
    if (stored === undefined) throw new QueryError('groupBy takes a key that is a string, a number, true or false');
    const group = groups.get(stored) ?? [];
    if (group.length === 0) {
      run.budget.spendMap(1);
      groups.set(stored, group);
    }
    group.push(item);
  }
  run.budget.spendItems(keyed.length);
  return groups;
}

function sortBy(keyed: Keyed, run: Run): readonly unknown[] {
  noteUnread(keyed, run);
  spendSort(keyed.length, run.budget);
  return keyed.toSorted(([left], [right]) => compareKeys(left, right, run.budget)).map(([, item]) => item);
}

/** The items with the largest keys. What has no key is not among them. */
function topBy(keyed: Keyed, count: unknown, run: Run): unknown {
  if (isMissing(count)) return count;
  if (typeof count !== 'bigint') throw new QueryError('topBy takes a number of items');
  noteUnread(keyed, run);
  return largest(keyed, count, run.budget);
}

function noteUnread(keyed: Keyed, run: Run): void {
  for (const [key] of keyed) if (key instanceof Unread) run.note(key);
}
