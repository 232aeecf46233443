import type { Span } from './query-error.ts';
import type { Overload } from './functions/definition.ts';

/** The macros that walk a list, or the entries of a map. */
export type Walk =
  | 'all'
  | 'exists'
  | 'exists_one'
  | 'existsOne'
  | 'filter'
  | 'groupBy'
  | 'map'
  | 'sortBy'
  | 'topBy'
  | 'transformList'
  | 'transformMap'
  | 'transformMapEntry';

/** An expression that was parsed and checked, ready to be evaluated. */
export type Tree = { readonly at: Span } & (
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'select'; readonly of: Tree; readonly field: string }
  | { readonly kind: 'has'; readonly of: Tree }
  /** `uncollected`: why a key that is not there is not known to be absent. */
  | { readonly kind: 'index'; readonly of: Tree; readonly key: Tree; readonly uncollected: string | undefined }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Tree, Tree])[] }
  | { readonly kind: 'condition'; readonly condition: Tree; readonly yes: Tree; readonly no: Tree }
  | { readonly kind: 'and' | 'or'; readonly left: Tree; readonly right: Tree }
  | { readonly kind: 'equal' | 'notEqual'; readonly left: Tree; readonly right: Tree }
  | { readonly kind: 'in'; readonly item: Tree; readonly among: Tree }
  | { readonly kind: 'isNull'; readonly of: Tree; readonly answer: boolean }
  | {
      readonly kind: 'apply';
      readonly name: string;
      readonly overloads: readonly Overload[];
      readonly args: readonly Tree[];
    }
  | { readonly kind: 'bind'; readonly variable: string; readonly value: Tree; readonly body: Tree }
  | WalkTree
);

/** A macro over the items of `over`. */
export interface WalkTree {
  readonly at: Span;
  readonly kind: 'walk';
  readonly walk: Walk;
  readonly over: Tree;
  /** One for each item, or two: index and item, or key and value. */
  readonly variables: readonly string[];
  /** Which items; undefined: all. */
  readonly condition: Tree | undefined;
  /** What becomes of an item, or its key; undefined: it stays as it is. */
  readonly transform: Tree | undefined;
  /** How many items at most (only `topBy`). */
  readonly count: Tree | undefined;
}
