import { suggestion } from './nearest.ts';
import { QueryError } from './problem.ts';
import type { Program, Span, Tree, Walk } from './tree.ts';

/** A node of the syntax tree as the CEL parser makes it. What `args` holds depends on `op`. */
export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  readonly start: number;
  readonly end: number;
}

/** What an expression may call, and how a call is carried out. */
export interface Language {
  readonly functions: ReadonlySet<string>;
  readonly methods: ReadonlySet<string>;
  /** Names of types, which are constants: `int`. */
  readonly constants: ReadonlySet<string>;
  /** The program of an expression over the arguments `a0`, `a1` …: `a0 + a1`. */
  readonly program: (source: string) => Program;
}

/** The tree, and what must still be checked on the nodes that it came from. */
export interface Translation {
  readonly tree: Tree;
  /** Variables that no macro binds. */
  readonly variables: ReadonlySet<string>;
  /** Pairs that are compared for equality. */
  readonly comparisons: readonly (readonly [CelNode, CelNode])[];
  /** Where `has(…)` stands. */
  readonly tests: readonly Span[];
  /** List and map literals that are empty, or stand within others or within the body of a macro. */
  readonly literals: readonly CelNode[];
}

/** Levels of a tree: an expression that people write has fewer than ten. */
const MAX_DEPTH = 100;
/** Macros within the bodies of macros: the work grows with this power of a list's length. */
const MAX_NESTING = 4;
/** CEL's `int` is a signed 64-bit number. */
const MAX_INTEGER = 2n ** 63n - 1n;

const BINARY = new Set(['==', '!=', 'in', '+', '-', '*', '/', '%', '<', '<=', '>', '>=']);
const WALKS: ReadonlySet<string> = new Set<Walk>(['all', 'exists', 'exists_one', 'filter', 'map']);

/** What one translation gathers on its way. */
interface Pass {
  readonly language: Language;
  readonly variables: Set<string>;
  readonly comparisons: (readonly [CelNode, CelNode])[];
  readonly tests: Span[];
  readonly literals: CelNode[];
}

interface Place {
  readonly depth: number;
  readonly nesting: number;
  readonly bound: readonly string[];
  /** Within a literal or the body of a macro. */
  readonly inner: boolean;
}

/** Turns the parser's tree into ours. Throws a Problem for what is beyond a limit or cannot be asked. */
export function translate(root: CelNode, language: Language): Translation {
  const pass: Pass = { language, variables: new Set(), comparisons: [], tests: [], literals: [] };
  return { ...pass, tree: visit(pass, root, { depth: 0, nesting: 0, bound: [], inner: false }) };
}

function visit(pass: Pass, node: CelNode, outer: Place): Tree {
  const at = spanOf(node);
  const isLiteral = node.op === 'list' || node.op === 'map';
  const place = { ...outer, depth: outer.depth + 1, inner: outer.inner || isLiteral };
  if (place.depth > MAX_DEPTH) throw new QueryError(`the expression is more than ${String(MAX_DEPTH)} levels deep`, at);
  const args = node.args as readonly CelNode[];
  const child = (index: number): Tree => visit(pass, args[index] as CelNode, place);
  if (isLiteral && (outer.inner || args.length === 0)) pass.literals.push(node);
  switch (node.op) {
    case 'value':
      return { kind: 'value', at, value: literal(node.args, at) };
    case 'id':
      return identifier(pass, node, place);
    case '.':
      return { kind: 'select', at, of: child(0), field: (node.args as readonly [CelNode, string])[1] };
    case '[]':
      return { kind: 'index', at, of: child(0), key: child(1) };
    case 'list':
      return { kind: 'list', at, items: args.map((item) => visit(pass, item, place)) };
    case 'map':
      return { kind: 'map', at, entries: (node.args as readonly CelNode[][]).map((entry) => pair(pass, entry, place)) };
    case '?:':
      return { kind: 'condition', at, condition: child(0), yes: child(1), no: child(2) };
    case '&&':
      return { kind: 'and', at, left: child(0), right: child(1) };
    case '||':
      return { kind: 'or', at, left: child(0), right: child(1) };
    case '!_':
    case '-_':
      return unary(pass, node, place);
    case 'call':
      return call(pass, node, place);
    case 'rcall':
      return method(pass, node, place);
    default:
      if (BINARY.has(node.op)) return binary(pass, node, place);
      throw new QueryError(`\`${node.op}\` cannot be used here`, at);
  }
}

function pair(pass: Pass, entry: readonly CelNode[], place: Place): readonly [Tree, Tree] {
  return [visit(pass, entry[0] as CelNode, place), visit(pass, entry[1] as CelNode, place)];
}

function identifier(pass: Pass, node: CelNode, place: Place): Tree {
  const at = spanOf(node);
  const name = String(node.args);
  if (place.bound.includes(name)) return { kind: 'variable', at, name };
  if (pass.language.constants.has(name)) return apply(pass, node, name, name, []);
  pass.variables.add(name);
  return { kind: 'variable', at, name };
}

function unary(pass: Pass, node: CelNode, place: Place): Tree {
  const at = spanOf(node);
  const operand = node.args as CelNode;
  // The smallest integer has no literal of its own: it is read as the negative of one that is too large.
  if (node.op === '-_' && operand.op === 'value' && operand.args === MAX_INTEGER + 1n)
    return { kind: 'value', at, value: -MAX_INTEGER - 1n };
  return apply(pass, node, node.op, `${node.op.slice(0, 1)}a0`, [visit(pass, operand, place)]);
}

function binary(pass: Pass, node: CelNode, place: Place): Tree {
  const [left, right] = node.args as readonly [CelNode, CelNode];
  const at = spanOf(node);
  if (node.op === '==' || node.op === '!=') {
    pass.comparisons.push([left, right]);
    const answer = node.op === '==';
    if (isNullLiteral(right)) return { kind: 'isNull', at, of: visit(pass, left, place), answer };
    if (isNullLiteral(left)) return { kind: 'isNull', at, of: visit(pass, right, place), answer };
  }
  if (node.op === 'in' && right.op === 'list')
    for (const item of right.args as readonly CelNode[]) pass.comparisons.push([left, item]);
  const source = node.op === 'in' ? 'a0 == a1' : `a0 ${node.op} a1`;
  return apply(pass, node, node.op, source, [visit(pass, left, place), visit(pass, right, place)]);
}

function call(pass: Pass, node: CelNode, place: Place): Tree {
  const [name, args] = node.args as readonly [string, readonly CelNode[]];
  const at = spanOf(node);
  const { functions } = pass.language;
  if (name === 'has') return test(pass, node, args, place);
  if (name === 'bytes') throw noBytes(at);
  if (!functions.has(name)) throw new QueryError(`there is no function \`${name}\`${suggestion(name, functions)}`, at);
  const trees = args.map((arg) => visit(pass, arg, place));
  return apply(pass, node, name, `${name}(${parameters(0, trees.length)})`, trees);
}

function test(pass: Pass, node: CelNode, args: readonly CelNode[], place: Place): Tree {
  const at = spanOf(node);
  const [tested] = args;
  if (args.length !== 1 || tested?.op !== '.') throw new QueryError('has takes one field: `has(kernel.lockdown)`', at);
  const [of, field] = tested.args as readonly [CelNode, string];
  pass.tests.push(at);
  return { kind: 'has', at, of: visit(pass, of, place), field };
}

function method(pass: Pass, node: CelNode, place: Place): Tree {
  const [name, receiver, args] = node.args as readonly [string, CelNode, readonly CelNode[]];
  if (name === 'bind' && receiver.op === 'id' && receiver.args === 'cel') return bind(pass, node, args, place);
  if (WALKS.has(name)) return walk(pass, node, place);
  const { methods } = pass.language;
  if (!methods.has(name)) {
    const known = suggestion(name, [...methods, ...WALKS]);
    throw new QueryError(`there is no function \`${name}\`${known}`, { start: receiver.end + 1, end: node.end });
  }
  const trees = [receiver, ...args].map((arg) => visit(pass, arg, place));
  return apply(pass, node, name, `a0.${name}(${parameters(1, trees.length)})`, trees);
}

function bind(pass: Pass, node: CelNode, args: readonly CelNode[], place: Place): Tree {
  const at = spanOf(node);
  const [variable, value, body] = args;
  if (args.length !== 3 || variable?.op !== 'id' || value === undefined || body === undefined)
    throw new QueryError('cel.bind takes a name, its value and an expression', at);
  const name = String(variable.args);
  const inner = { ...place, bound: [...place.bound, name], inner: true };
  return { kind: 'bind', at, variable: name, value: visit(pass, value, place), body: visit(pass, body, inner) };
}

function walk(pass: Pass, node: CelNode, place: Place): Tree {
  const [name, receiver, args] = node.args as readonly [Walk, CelNode, readonly CelNode[]];
  const at = spanOf(node);
  const [variable, first, second] = args;
  const fits = args.length === 2 || (name === 'map' && args.length === 3);
  if (!fits || variable?.op !== 'id' || first === undefined)
    throw new QueryError(`${name} takes a name and an expression: \`list.${name}(x, …)\``, at);
  const bound = String(variable.args);
  const inner = { ...place, nesting: place.nesting + 1, bound: [...place.bound, bound], inner: true };
  if (inner.nesting > MAX_NESTING) throw new QueryError(`more than ${String(MAX_NESTING)} lists within lists`, at);
  const [condition, transform] = name === 'map' && second === undefined ? [undefined, first] : [first, second];
  return {
    kind: 'walk',
    at,
    walk: name,
    over: visit(pass, receiver, place),
    variable: bound,
    condition: condition && visit(pass, condition, inner),
    transform: transform && visit(pass, transform, inner),
  };
}

function apply(pass: Pass, node: CelNode, name: string, source: string, args: readonly Tree[]): Tree {
  return { kind: 'apply', at: spanOf(node), name, program: pass.language.program(source), args };
}

function spanOf(node: CelNode): Span {
  return { start: node.start, end: node.end };
}

function parameters(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `a${String(from + index)}`).join(', ');
}

function isNullLiteral(node: CelNode): boolean {
  return node.op === 'value' && node.args === null;
}

function literal(value: unknown, at: Span): unknown {
  if (value instanceof Uint8Array) throw noBytes(at);
  if (typeof value === 'bigint' && value > MAX_INTEGER) throw new QueryError('an integer has at most 64 bits', at);
  return value;
}

/** Bytes live outside of the heap that bounds an evaluation, and no fact holds any. */
function noBytes(at: Span): QueryError {
  return new QueryError('bytes cannot be used in a query', at);
}
