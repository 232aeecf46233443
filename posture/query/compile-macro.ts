import { requireBool, spanOf } from './compilation.ts';
import type { Compilation, Place, Typed } from './compilation.ts';
import { MACROS } from './macros.ts';
import type { CelNode } from './parser.ts';
import { QueryError } from './query-error.ts';
import type { Span } from './query-error.ts';
import type { Walk } from './tree.ts';
import { DYN, simple } from './type.ts';
import type { CelType } from './type.ts';

/** Macros within the bodies of macros: the work grows with this power of a list's length. */
const MAX_NESTING = 4;

/** Macros whose answer would depend on keys that are not collected. */
const QUESTIONS: ReadonlySet<Walk> = new Set(['all', 'exists', 'exists_one', 'existsOne']);

/** Why a map cannot be used as a whole if only some of its keys are collected. */
export const NAME_THE_KEY =
  'not every key of this map is collected: name the key, as in `kernel.sysctls["net.ipv4.ip_forward"]`';

/** Names of all macros that are written as methods. */
export const MACRO_NAMES: readonly string[] = [...Object.keys(MACROS), 'bind'];

/** Is a method of this name a macro? `namespace` is the name before it, where it is one. */
export function isMacro(name: string, namespace: string): boolean {
  return Object.hasOwn(MACROS, name) || (name === 'bind' && namespace === 'cel');
}

/** A macro: `list.filter(x, …)` and the like, or `cel.bind`. */
export function compileMacro(pass: Compilation, node: CelNode, place: Place): Typed {
  const [name] = node.args as readonly [string];
  return name === 'bind' ? bind(pass, node, place) : walk(pass, node, place);
}

function bind(pass: Compilation, node: CelNode, place: Place): Typed {
  const at = spanOf(node);
  const [, , args] = node.args as readonly [string, CelNode, readonly CelNode[]];
  const [variable, value, body] = args;
  if (args.length !== 3 || variable?.op !== 'id' || value === undefined || body === undefined)
    throw new QueryError('cel.bind takes a name, its value and an expression', at);
  const name = String(variable.args);
  const bound = pass.visit(pass, value, place);
  const inner = pass.visit(pass, body, { ...place, bound: new Map([...place.bound, [name, bound.type]]) });
  return { tree: { kind: 'bind', at, variable: name, value: bound.tree, body: inner.tree }, type: inner.type };
}

/** The arguments of a macro by what they are for. */
interface Parts {
  readonly variables: readonly string[];
  readonly condition: CelNode | undefined;
  readonly transform: CelNode | undefined;
  readonly count: CelNode | undefined;
}

function walk(pass: Compilation, node: CelNode, place: Place): Typed {
  const [name, receiver, args] = node.args as readonly [Walk, CelNode, readonly CelNode[]];
  const at = spanOf(node);
  const parts = partsOf(name, args, at);
  const over = pass.visit(pass, receiver, place);
  const items = itemTypes(over, name, parts.variables.length);
  const nesting = place.nesting + 1;
  if (nesting > MAX_NESTING) throw new QueryError(`more than ${String(MAX_NESTING)} lists within lists`, at);
  const bound = new Map([
    ...place.bound,
    ...parts.variables.map((each, index) => [each, items[index] ?? DYN] as const),
  ]);
  const within = (part: CelNode): Typed => pass.visit(pass, part, { ...place, nesting, bound });
  const condition = parts.condition && within(parts.condition);
  const transform = parts.transform && within(parts.transform);
  const count = parts.count && pass.visit(pass, parts.count, place);
  return {
    type: resultType(name, over.type, items, transform?.type ?? DYN),
    tree: {
      kind: 'walk',
      at,
      walk: name,
      over: over.tree,
      variables: parts.variables,
      condition: condition && requireBool(condition),
      transform: transform?.tree,
      count: count?.tree,
    },
  };
}

function partsOf(name: Walk, args: readonly CelNode[], at: Span): Parts {
  const { forms } = MACROS[name];
  const form = forms.map((each) => each.split(', ')).find((letters) => fitsForm(letters, args));
  if (form === undefined) {
    const example = `\`list.${name}(${(forms[0] ?? '').replace(/[pt].*/, '…')})\``;
    throw new QueryError(`${name} takes a name and an expression: ${example}`, at);
  }
  const part = (letter: string): CelNode | undefined => args[form.indexOf(letter)];
  const variables = args.filter((_, index) => 'xkv'.includes(form[index] ?? '')).map((each) => String(each.args));
  if (new Set(variables).size < variables.length) throw new QueryError('both names are the same', at);
  return { variables, condition: part('p'), transform: part('t'), count: part('n') };
}

function fitsForm(letters: readonly string[], args: readonly CelNode[]): boolean {
  return (
    letters.length === args.length &&
    letters.every((letter, index) => !'xkv'.includes(letter) || args[index]?.op === 'id')
  );
}

/** The types of the variables. Throws where there is nothing to walk. */
function itemTypes({ tree, type }: Typed, name: Walk, count: number): readonly CelType[] {
  if (type.kind === 'list') return count === 2 ? [simple('int'), type.item] : [type.item];
  if (type.kind === 'map') {
    if (type.keys !== undefined && (QUESTIONS.has(name) || type.keys.isNamedOnly === true))
      throw new QueryError(
        type.keys.isNamedOnly === true
          ? NAME_THE_KEY
          : 'not every key of this map is collected, so this has no answer: name the key, or list the collected ones with filter',
        tree.at,
      );
    return [type.key, type.value];
  }
  if (type.kind === 'object') return [simple('string'), DYN];
  if (type.kind === 'dyn' || type.kind === 'null_type') return [DYN, DYN];
  throw new QueryError(`${name} walks a list or the keys of a map`, tree.at);
}

function resultType(name: Walk, over: CelType, items: readonly CelType[], made: CelType): CelType {
  const [first = DYN] = items;
  const list: CelType = { kind: 'list', item: over.kind === 'list' ? over.item : first };
  switch (name) {
    case 'all':
    case 'exists':
    case 'exists_one':
    case 'existsOne':
      return simple('bool');
    case 'filter':
    case 'sortBy':
    case 'topBy':
      return list;
    case 'map':
    case 'transformList':
      return { kind: 'list', item: made };
    case 'transformMap':
      return { kind: 'map', key: first, value: made };
    case 'transformMapEntry':
      return made.kind === 'map' ? made : { kind: 'map', key: DYN, value: DYN };
    case 'groupBy':
      return { kind: 'map', key: made, value: list };
  }
}
