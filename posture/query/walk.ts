import { decide, lessKnown, truth } from './logic.ts';
import type { Truth } from './logic.ts';
import { QueryError } from './problem.ts';
import type { Run } from './run.ts';
import type { Tree } from './tree.ts';
import { isMissing, Unread } from './unread.ts';

type WalkTree = Extract<Tree, { readonly kind: 'walk' }>;

/** How the parts of a walk are evaluated: `within` binds the walk's variable to an item. */
export interface Walking {
  readonly within: (part: Tree, item: unknown) => unknown;
  readonly run: Run;
}

/** CEL's macros over the items of a list or the keys of a map; over what is missing, the answer is missing. */
export function walkItems(tree: WalkTree, over: unknown, { within, run }: Walking): unknown {
  if (isMissing(over)) return over;
  const items = itemsOf(over, tree);
  const judge = (item: unknown): Truth => {
    run.budget.spend(1);
    return tree.condition === undefined ? true : truth(within(tree.condition, item), tree.condition.at);
  };
  switch (tree.walk) {
    case 'filter':
    case 'map': {
      const kept = keep(items, judge, run);
      const { transform } = tree;
      return transform === undefined ? kept : kept.map((item) => within(transform, item));
    }
    case 'exists':
      return decide(true, items, judge);
    case 'all':
      return decide(false, items, judge);
    case 'exists_one':
      return existsOne(items, judge);
  }
}

function itemsOf(over: unknown, tree: WalkTree): readonly unknown[] {
  if (Array.isArray(over)) return over;
  if (over instanceof Map) return [...(over as ReadonlyMap<unknown, unknown>).keys()];
  if (typeof over === 'object' && over !== null) return Object.keys(over);
  throw new QueryError(`${tree.walk} walks a list or the keys of a map`, tree.over.at);
}

/** The items that `judge` finds true. Those that it could not judge for want of reading are left out and noted. */
function keep(items: readonly unknown[], judge: (item: unknown) => Truth, run: Run): readonly unknown[] {
  const kept: unknown[] = [];
  for (const item of items) {
    const wanted = judge(item);
    if (wanted instanceof Unread) run.note(wanted);
    if (wanted === true) kept.push(item);
  }
  run.budget.spendItems(kept.length);
  return kept;
}

/** True for exactly one item. Two decide; otherwise an item that cannot be judged leaves it open. */
function existsOne(items: readonly unknown[], judge: (item: unknown) => Truth): Truth {
  let count = 0;
  let open: Truth = true;
  for (const item of items) {
    const judged = judge(item);
    if (judged === true) count += 1;
    if (isMissing(judged)) open = lessKnown(open, judged);
  }
  return count > 1 || open === true ? count === 1 : open;
}
