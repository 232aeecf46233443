import { isSysctlName } from '../fact/kernel.ts';
import { requireBool, spanOf } from './compilation.ts';
import type { Compilation, Place, Typed } from './compilation.ts';
import { compileMacro, isMacro, MACRO_NAMES, NAME_THE_KEY } from './compile-macro.ts';
import { overloadsOf, overloadText } from './functions/definition.ts';
import type { Overload } from './functions/definition.ts';
import { assertPattern } from './functions/regex.ts';
import { functionTable, NAMESPACES } from './functions/registry.ts';
import type { CollectedKeys } from '../schema.ts';
import { suggestion } from './nearest.ts';
import type { CelNode } from './parser.ts';
import { QueryError } from './query-error.ts';
import type { Span } from './query-error.ts';
import type { Tree } from './tree.ts';
import { commonType, DYN, fits, simple, substitute, typeText } from './type.ts';
import type { CelType } from './type.ts';
import { kindOf, TypeValue, Uint } from './values.ts';

/** A tree that was checked, and what evaluating it needs. */
export interface CompiledTree {
  readonly tree: Tree;
  readonly type: CelType;
  /** Variables that no macro binds. */
  readonly variables: ReadonlySet<string>;
  /** Sysctls that the expression names and that are read on demand. */
  readonly sysctls: ReadonlySet<string>;
  /** Fields that it names, of whatever. */
  readonly fields: ReadonlySet<string>;
}

/** Levels of a tree: an expression that people write has fewer than ten. */
const MAX_DEPTH = 100;
/** Sysctls that one expression may name. */
const MAX_SYSCTLS = 64;
/** CEL's `int` is a signed 64-bit number. */
const MAX_INTEGER = 2n ** 63n - 1n;

/** Names of types, which are values. */
const TYPE_NAMES: ReadonlySet<string> = new Set(
  'bool bytes double int list map null_type string type uint google.protobuf.Duration google.protobuf.Timestamp net.IP net.CIDR'.split(
    ' ',
  ),
);

const BINARY = new Set(['+', '-', '*', '/', '%', '<', '<=', '>', '>=']);

/** Checks names, types and bounds, and makes the tree. Throws a QueryError that says what is wrong and where. */
export function compileTree(root: CelNode, text: string, types: ReadonlyMap<string, CelType>): CompiledTree {
  const pass = {
    text,
    types,
    functions: functionTable(),
    variables: new Set<string>(),
    sysctls: new Set<string>(),
    fields: new Set<string>(),
    visit,
  };
  const { tree, type } = visit(pass, root, { depth: 0, nesting: 0, bound: new Map() });
  return { tree, type, variables: pass.variables, sysctls: pass.sysctls, fields: pass.fields };
}

function visit(pass: Compilation, node: CelNode, outer: Place): Typed {
  const at = spanOf(node);
  const place = { ...outer, depth: outer.depth + 1 };
  if (place.depth > MAX_DEPTH) throw new QueryError(`the expression is more than ${String(MAX_DEPTH)} levels deep`, at);
  const args = node.args as readonly CelNode[];
  const child = (index: number): Typed => visit(pass, args[index] as CelNode, place);
  switch (node.op) {
    case 'value':
      return valueNode(node.args, at);
    case 'id':
      return identifier(pass, String(node.args), at, place);
    case '.':
      return select(pass, node, place);
    case '[]':
      return index(pass, node, [child(0), child(1)]);
    case 'list':
      return listNode(
        args.map((item) => visit(pass, item, place)),
        at,
      );
    case 'map':
      return mapNode(pass, node, place);
    case '?:':
      return condition([child(0), child(1), child(2)], at);
    case '&&':
    case '||':
      return logical(node.op, child(0), child(1), at);
    case '!_':
    case '-_':
      return unary(pass, node, place);
    case '==':
    case '!=':
      return equality(node, child(0), child(1));
    case 'in':
      return membership(pass, node, [child(0), child(1)]);
    case 'call':
      return call(pass, node, place);
    case 'rcall':
      return method(pass, node, place);
    default:
      if (!BINARY.has(node.op)) throw new QueryError(`\`${node.op}\` cannot be used here`, at);
      return apply(pass, node.op, [child(0), child(1)], at);
  }
}

function valueNode(literal: unknown, at: Span): Typed {
  if (literal instanceof Uint8Array) throw noBytes(at);
  if (typeof literal === 'bigint' && literal > MAX_INTEGER) throw new QueryError('an integer has at most 64 bits', at);
  // Of the types of a literal, cel-js has a class for unsigned integers only.
  const own =
    typeof literal === 'object' && literal !== null ? new Uint(literal.valueOf() as unknown as bigint) : literal;
  return { tree: { kind: 'value', at, value: own }, type: simple(kindOf(own) as 'string') };
}

/** Bytes live outside of the heap that bounds an evaluation, and no fact holds any. */
function noBytes(at: Span): QueryError {
  return new QueryError('bytes cannot be used in a query', at);
}

function identifier(pass: Compilation, name: string, at: Span, place: Place): Typed {
  const bound = place.bound.get(name);
  if (bound !== undefined) return { tree: { kind: 'variable', at, name }, type: bound };
  const type = pass.types.get(name);
  if (type !== undefined) {
    pass.variables.add(name);
    return { tree: { kind: 'variable', at, name }, type };
  }
  if (TYPE_NAMES.has(name)) return typeValue(name, at);
  throw new QueryError(`unknown fact \`${name}\`${suggestion(name, pass.types.keys())}`, at);
}

function typeValue(name: string, at: Span): Typed {
  return { tree: { kind: 'value', at, value: new TypeValue(name) }, type: simple('type') };
}

/** `google.protobuf.Timestamp` of a chain of fields; undefined where it is not one of names. */
function dottedName(node: CelNode): string | undefined {
  if (node.op === 'id') return String(node.args);
  if (node.op !== '.') return undefined;
  const [of, field] = node.args as readonly [CelNode, string];
  const first = dottedName(of);
  return first === undefined ? undefined : `${first}.${field}`;
}

function select(pass: Compilation, node: CelNode, place: Place): Typed {
  const at = spanOf(node);
  const name = dottedName(node);
  if (name !== undefined && !place.bound.has(name.split('.')[0] ?? '')) {
    if (TYPE_NAMES.has(name)) return typeValue(name, at);
    if (pass.types.has(name)) return identifier(pass, name, at, place);
  }
  const [ofNode, field] = node.args as readonly [CelNode, string];
  const of = visit(pass, ofNode, place);
  const fieldAt = { start: at.end - field.length, end: at.end };
  const tree: Tree = { kind: 'select', at, of: of.tree, field };
  return { tree, type: fieldType(pass, of, field, fieldAt) };
}

/** The type of a field that a constant names. Throws where there can be none. */
function fieldType(pass: Compilation, { tree, type }: Typed, field: string, at: Span): CelType {
  const what = pass.text.slice(tree.at.start, tree.at.end).slice(0, 80);
  pass.fields.add(field);
  if (type.kind === 'dyn' || type.kind === 'null_type') return DYN;
  if (type.kind === 'map') {
    if (type.keys !== undefined) requestKey(pass, field, type.keys, at);
    return type.value;
  }
  if (type.kind === 'list')
    throw new QueryError(
      `${what} is a list and has no field \`${field}\`: use filter, map, exists, all or an index`,
      at,
    );
  if (type.kind !== 'object') throw new QueryError(`${what} is a ${typeText(type)} and has no fields`, at);
  const known = type.fields.get(field);
  if (known === undefined)
    throw new QueryError(`${what} has no field \`${field}\`${suggestion(field, type.fields.keys())}`, at);
  return known;
}

/** A sysctl that the facts do not hold is read for the query, if its name can be one; other keys are refused. */
function requestKey(pass: Compilation, name: string, { collected, onDemand }: CollectedKeys, at: Span): void {
  if (collected.includes(name)) return;
  if (!onDemand) {
    const key = `\`${name.slice(0, 80)}\``;
    throw new QueryError(`${key} is not collected, so it is not known${suggestion(name, collected)}`, at);
  }
  if (!isSysctlName(name)) {
    const whole = collected.find((each) => each.endsWith(`.${name}`));
    const meant = whole === undefined ? suggestion(name, collected) : `; did you mean \`${whole}\`?`;
    const example = meant || ': write it as in `kernel.sysctls["net.ipv4.ip_forward"]`';
    throw new QueryError(`\`${name.slice(0, 80)}\` is not the name of a sysctl${example}`, at);
  }
  pass.sysctls.add(name);
  if (pass.sysctls.size > MAX_SYSCTLS)
    throw new QueryError(`an expression names at most ${String(MAX_SYSCTLS)} sysctls`, at);
}

function index(pass: Compilation, node: CelNode, [of, key]: readonly [Typed, Typed]): Typed {
  const at = spanOf(node);
  const tree = (uncollected?: string): Tree => ({ kind: 'index', at, of: of.tree, key: key.tree, uncollected });
  const { type } = of;
  const constant = constantText(key);
  if (type.kind === 'dyn' || type.kind === 'null_type') {
    if (constant !== undefined) pass.fields.add(constant);
    return { tree: tree(), type: DYN };
  }
  if (type.kind === 'list') {
    if (!['int', 'uint', 'double', 'dyn'].includes(key.type.kind))
      throw new QueryError('a list is indexed by an integer', at);
    return { tree: tree(), type: type.item };
  }
  if (constant !== undefined) return { tree: tree(), type: fieldType(pass, of, constant, key.tree.at) };
  if (type.kind === 'object') return { tree: tree(), type: DYN };
  if (type.kind !== 'map') throw new QueryError('only lists and maps can be indexed', at);
  if (!areComparable(type.key, key.type))
    throw new QueryError(`${typeText(type)} has no keys of type ${typeText(key.type)}`, at);
  const uncollected = 'it is not collected, or only where its name is written as a constant text';
  return { tree: tree(type.keys === undefined ? undefined : uncollected), type: type.value };
}

function constantText({ tree }: Typed): string | undefined {
  return tree.kind === 'value' && typeof tree.value === 'string' ? tree.value : undefined;
}

function listNode(items: readonly Typed[], at: Span): Typed {
  const tree: Tree = { kind: 'list', at, items: items.map((item) => item.tree) };
  return { tree, type: { kind: 'list', item: commonType(items.map(({ type }) => type)) } };
}

function mapNode(pass: Compilation, node: CelNode, place: Place): Typed {
  const entries = (node.args as readonly (readonly [CelNode, CelNode])[]).map(
    ([key, value]) => [visit(pass, key, place), visit(pass, value, place)] as const,
  );
  const tree: Tree = {
    kind: 'map',
    at: spanOf(node),
    entries: entries.map(([key, value]) => [key.tree, value.tree] as const),
  };
  const key = commonType(entries.map(([each]) => each.type));
  return { tree, type: { kind: 'map', key, value: commonType(entries.map(([, each]) => each.type)) } };
}

function condition([when, yes, no]: readonly [Typed, Typed, Typed], at: Span): Typed {
  const tree: Tree = { kind: 'condition', at, condition: requireBool(when), yes: yes.tree, no: no.tree };
  return { tree, type: commonType([yes.type, no.type]) };
}

function logical(op: '&&' | '||', left: Typed, right: Typed, at: Span): Typed {
  const kind = op === '&&' ? 'and' : 'or';
  return { tree: { kind, at, left: requireBool(left), right: requireBool(right) }, type: simple('bool') };
}

function unary(pass: Compilation, node: CelNode, place: Place): Typed {
  const at = spanOf(node);
  const operand = node.args as CelNode;
  // The smallest integer has no literal of its own: it is read as the negative of one that is too large.
  if (node.op === '-_' && operand.op === 'value' && operand.args === MAX_INTEGER + 1n)
    return { tree: { kind: 'value', at, value: -MAX_INTEGER - 1n }, type: simple('int') };
  return apply(pass, node.op, [visit(pass, operand, place)], at);
}

const NUMBERS = new Set(['int', 'uint', 'double']);

function areComparable(left: CelType, right: CelType): boolean {
  if (NUMBERS.has(left.kind) && NUMBERS.has(right.kind)) return true;
  if (left.kind === 'list' && right.kind === 'list') return areComparable(left.item, right.item);
  if (left.kind === 'map' && right.kind === 'map')
    return areComparable(left.key, right.key) && areComparable(left.value, right.value);
  return fits(left, right, new Map()) || fits(right, left, new Map());
}

function equality(node: CelNode, left: Typed, right: Typed): Typed {
  const at = spanOf(node);
  const answer = node.op === '==';
  checkComparison(node.op, left, right, at);
  for (const [one, other] of [[left, right] as const, [right, left] as const])
    if (one.tree.kind === 'value' && one.tree.value === null)
      return { tree: { kind: 'isNull', at, of: other.tree, answer }, type: simple('bool') };
  return {
    tree: { kind: answer ? 'equal' : 'notEqual', at, left: left.tree, right: right.tree },
    type: simple('bool'),
  };
}

function checkComparison(operator: string, left: Typed, right: Typed, at: Span): void {
  if (!areComparable(left.type, right.type)) throw noOverload([left.type, right.type], at, operator);
  checkWord(left, right);
  checkWord(right, left);
}

/** A word that the field can never hold makes a comparison that is false for ever: most likely a slip. */
function checkWord({ type }: Typed, { tree }: Typed): void {
  if (type.kind !== 'string' || type.words === undefined) return;
  if (tree.kind !== 'value' || typeof tree.value !== 'string' || type.words.includes(tree.value)) return;
  const known = suggestion(tree.value, type.words);
  const list = type.words.length > 12 ? '' : ` (${type.words.join(', ')})`;
  throw new QueryError(`\`${tree.value.slice(0, 80)}\` is not a possible value${list}${known}`, tree.at);
}

function membership(pass: Compilation, node: CelNode, [item, among]: readonly [Typed, Typed]): Typed {
  const at = spanOf(node);
  const { type } = among;
  if (type.kind === 'map' && type.keys !== undefined)
    return { tree: collectedKey(pass, item.tree, among.tree, type.keys, at), type: simple('bool') };
  const constant = constantText(item);
  // A field that the object cannot have is a slip, as in `kernel.typo`.
  if (type.kind === 'object' && constant !== undefined) fieldType(pass, among, constant, item.tree.at);
  const tree: Tree = { kind: 'in', at, item: item.tree, among: among.tree };
  if (among.tree.kind === 'list' && item.type.kind === 'string')
    for (const each of among.tree.items) checkWord(item, { tree: each, type: DYN });
  if (type.kind === 'list') checkComparison('in', item, { tree: among.tree, type: type.item }, at);
  else if (type.kind !== 'map' && type.kind !== 'object' && type.kind !== 'dyn' && type.kind !== 'null_type')
    throw new QueryError('`in` looks into a list or a map', at);
  if (type.kind === 'list') checkWord({ tree: among.tree, type: type.item }, item);
  return { tree, type: simple('bool') };
}

/**
 * Is there a key in a map that does not hold every key of the node? The key is collected or requested as for an index,
 * and one that could not be read is neither there nor absent: comparison with null keeps it unread.
 */
function collectedKey(pass: Compilation, key: Tree, of: Tree, keys: CollectedKeys, at: Span): Tree {
  if (key.kind !== 'value' || typeof key.value !== 'string')
    throw new QueryError(
      'not every key of this map is collected: write the key before `in` as a constant text',
      key.at,
    );
  requestKey(pass, key.value, keys, key.at);
  const entry: Tree = { kind: 'index', at, of, key, uncollected: undefined };
  return { kind: 'notEqual', at, left: entry, right: { kind: 'value', at, value: null } };
}

function call(pass: Compilation, node: CelNode, place: Place): Typed {
  const [name, args] = node.args as readonly [string, readonly CelNode[]];
  const at = spanOf(node);
  if (name === 'has') return has(pass, args, at, place);
  if (name === 'bytes') throw noBytes(at);
  const trees = args.map((arg) => visit(pass, arg, place));
  return apply(pass, name, trees, at, (overload) => !overload.isMethod);
}

function has(pass: Compilation, args: readonly CelNode[], at: Span, place: Place): Typed {
  const [tested] = args;
  if (args.length !== 1 || tested === undefined)
    throw new QueryError('has takes one expression: `has(kernel.lockdown)`', at);
  return { tree: { kind: 'has', at, of: visit(pass, tested, place).tree }, type: simple('bool') };
}

function method(pass: Compilation, node: CelNode, place: Place): Typed {
  const [name, receiver, args] = node.args as readonly [string, CelNode, readonly CelNode[]];
  const at = spanOf(node);
  const namespace = receiver.op === 'id' && !place.bound.has(String(receiver.args)) ? String(receiver.args) : '';
  if (isMacro(name, namespace)) return compileMacro(pass, node, place);
  if (NAMESPACES.has(namespace) && !pass.types.has(namespace)) {
    const trees = args.map((arg) => visit(pass, arg, place));
    return apply(pass, `${namespace}.${name}`, trees, at);
  }
  if (!pass.functions.has(name)) throw noFunction(pass, name, { start: receiver.end + 1, end: node.end });
  const trees = [receiver, ...args].map((arg) => visit(pass, arg, place));
  return apply(pass, name, trees, at, (overload) => overload.isMethod);
}

function noFunction(pass: Compilation, name: string, at: Span): QueryError {
  const names = [...pass.functions.keys()].filter((each) => /^[a-z]/.test(each));
  return new QueryError(`unknown function \`${name}\`${suggestion(name, [...names, ...MACRO_NAMES])}`, at);
}

function apply(
  pass: Compilation,
  name: string,
  args: readonly Typed[],
  at: Span,
  isWanted: (overload: Overload) => boolean = () => true,
): Typed {
  const definition = pass.functions.get(name);
  const overloads = definition === undefined ? [] : overloadsOf(definition).filter(isWanted);
  if (definition === undefined || overloads.length === 0) throw noFunction(pass, name, at);
  const given = args.map(({ type }) => type);
  if (given.some((type) => type.kind === 'map' && type.keys?.isNamedOnly === true))
    throw new QueryError(NAME_THE_KEY, at);
  const results = overloads.flatMap((overload) => resultOf(overload, given));
  if (results.length === 0) throw noOverload(given, at, name);
  const pattern = args.at(-1)?.tree;
  if (name === 'matches' && pattern?.kind === 'value' && typeof pattern.value === 'string')
    assertPattern(pattern.value, pattern.at);
  const tree: Tree = { kind: 'apply', at, name, overloads, args: args.map((arg) => arg.tree) };
  return { tree, type: commonType(results) };
}

/** The type of the result where the arguments fit, otherwise nothing. */
function resultOf(overload: Overload, given: readonly CelType[]): readonly CelType[] {
  const { parameters, isVariadic, result } = overload;
  if (isVariadic ? given.length === 0 : given.length !== parameters.length) return [];
  const bindings = new Map<string, CelType>();
  const last = parameters.at(-1) ?? DYN;
  const areFit = given.every((type, position) => fits(parameters[position] ?? last, type, bindings));
  return areFit ? [substitute(result, bindings)] : [];
}

function noOverload(given: readonly CelType[], at: Span, name: string): QueryError {
  return new QueryError(`no such overload: ${overloadText(name, given.map(typeText))}`, at);
}
