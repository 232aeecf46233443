/** A place in the text of an expression: UTF-16 units, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An operator or a function on values that are all there. Throws an Error for values that it is not defined on. */
export type Program = (args: readonly unknown[]) => unknown;

/** The macros that walk a list, or the keys of a map. */
export type Walk = 'all' | 'exists' | 'exists_one' | 'filter' | 'map';

/** An expression that was parsed and checked, ready to be evaluated. */
export type Tree = { readonly at: Span } & (
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'select' | 'has'; readonly of: Tree; readonly field: string }
  | { readonly kind: 'index'; readonly of: Tree; readonly key: Tree }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Tree, Tree])[] }
  | { readonly kind: 'condition'; readonly condition: Tree; readonly yes: Tree; readonly no: Tree }
  | { readonly kind: 'and' | 'or'; readonly left: Tree; readonly right: Tree }
  | { readonly kind: 'isNull'; readonly of: Tree; readonly answer: boolean }
  | { readonly kind: 'apply'; readonly name: string; readonly program: Program; readonly args: readonly Tree[] }
  | { readonly kind: 'bind'; readonly variable: string; readonly value: Tree; readonly body: Tree }
  | {
      readonly kind: 'walk';
      readonly walk: Walk;
      readonly over: Tree;
      readonly variable: string;
      /** Which items; undefined: all (only `map`). */
      readonly condition: Tree | undefined;
      /** What becomes of an item; undefined: it stays as it is (all but `map`). */
      readonly transform: Tree | undefined;
    }
);
