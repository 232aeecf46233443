import type { Tree } from './tree.ts';

/**
 * The parts of an expression that name values of the variables: `container.image` of
 * `container.image.startsWith("a") && size(x) > 0`, the longest of each, in the order of the text, each once.
 */
export function readValues(tree: Tree, text: string): readonly Tree[] {
  const found = new Map<string, Tree>();
  visit(tree, new Set(), (part) => void found.set(text.slice(part.at.start, part.at.end), part));
  return [...found.values()];
}

function visit(tree: Tree, bound: ReadonlySet<string>, add: (part: Tree) => void): void {
  if (isPath(tree, bound)) {
    add(tree);
    return;
  }
  const inner = tree.kind === 'walk' ? new Set([...bound, ...tree.variables]) : bound;
  if (tree.kind === 'walk') visit(tree.over, bound, add);
  if (tree.kind === 'bind') {
    visit(tree.value, bound, add);
    visit(tree.body, new Set([...bound, tree.variable]), add);
    return;
  }
  for (const part of partsOf(tree)) visit(part, inner, add);
}

/** Is it a variable that nothing binds, or a field of one, by constant names? */
function isPath(tree: Tree, bound: ReadonlySet<string>): boolean {
  if (tree.kind === 'variable') return !bound.has(tree.name);
  if (tree.kind === 'select') return isPath(tree.of, bound);
  return tree.kind === 'index' && tree.key.kind === 'value' && isPath(tree.of, bound);
}

/** The parts of a tree that are evaluated with it. */
function partsOf(tree: Tree): readonly Tree[] {
  switch (tree.kind) {
    case 'value':
    case 'variable':
    case 'bind':
      return [];
    case 'select':
    case 'has':
    case 'isNull':
      return [tree.of];
    case 'index':
      return [tree.of, tree.key];
    case 'list':
      return tree.items;
    case 'map':
      return tree.entries.flat();
    case 'condition':
      return [tree.condition, tree.yes, tree.no];
    case 'and':
    case 'or':
    case 'equal':
    case 'notEqual':
      return [tree.left, tree.right];
    case 'in':
      return [tree.item, tree.among];
    case 'apply':
      return tree.args;
    case 'walk':
      return [tree.condition, tree.transform, tree.count].filter((part) => part !== undefined);
  }
}
