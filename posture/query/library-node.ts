import type { CelNode } from './translate.ts';

/**
 * What the CEL library keeps on a node beside what its types declare: the type that a check found, and how it finds it.
 * Where a later version keeps it elsewhere, expressions are still right, only messages and memory are less good.
 */
type LibraryNode = CelNode & {
  readonly checkedType?: { readonly name?: unknown };
  readonly meta?: { readonly check?: CheckNode };
  readonly setMeta?: (key: 'check', check: CheckNode) => void;
};

type CheckNode = (checker: { readonly dynType: unknown }, ...rest: readonly unknown[]) => unknown;

/** The CEL type that the check found for a node; undefined where it left none. */
export function typeNameOf(node: CelNode): string | undefined {
  const name = (node as LibraryNode).checkedType?.name;
  return typeof name === 'string' ? name : undefined;
}

/**
 * Makes a literal of any type, after its parts were checked. The library remembers every type that it ever saw: literals
 * within literals and macros would fill the memory of a collector, one odd expression after the other. And for an item
 * of an empty literal it finds several meanings of an operator.
 */
export function widen(node: CelNode): void {
  const { meta, setMeta } = node as LibraryNode;
  const original = meta?.check;
  if (original === undefined || setMeta === undefined) return;
  setMeta.call(node, 'check', (checker, ...rest) => {
    original(checker, ...rest);
    return checker.dynType;
  });
}
