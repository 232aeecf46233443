import { overloadText } from './functions/definition.ts';
import type { Overload } from './functions/definition.ts';
import { MAX_LENGTH } from './budget.ts';
import { QueryError } from './query-error.ts';
import type { Run } from './evaluation-run.ts';
import type { Tree } from './tree.ts';
import { typeText } from './type.ts';
import type { CelType } from './type.ts';
import { Failure, Unread } from './unread.ts';
import { kindOf } from './values.ts';

type ApplyTree = Extract<Tree, { readonly kind: 'apply' }>;

/**
 * Carries out an operator or a function: what is missing passes through, the meaning is chosen by the types of the
 * values, and where it is not defined on them the result is a Failure. Throws where a limit is reached.
 */
export function applyFunction(tree: ApplyTree, args: readonly unknown[], run: Run): unknown {
  const missing = tree.name === 'type' ? firstUnread(args) : firstMissing(tree, args);
  if (missing !== undefined) return missing;
  const hidden = run.isStrict ? unreadWithin(args, run) : undefined;
  if (hidden !== undefined) return hidden;
  const overload = tree.overloads.find((each) => accepts(each, args));
  if (overload === undefined) {
    const types = args.map((arg) => typeText({ kind: kindOf(arg) ?? 'dyn' } as CelType));
    return new Failure(`no such overload: ${overloadText(tree.name, types)}`, tree.at);
  }
  try {
    const call = overload.run as (...values: readonly unknown[]) => unknown;
    const result = overload.isVariadic ? call(args, run.budget) : call(...args, run.budget);
    if (typeof result === 'string') run.budget.spendString(result.length);
    return result;
  } catch (error) {
    if (!(error instanceof QueryError) || error.final) throw error;
    return new Failure(error.message, tree.at);
  }
}

function firstUnread(values: readonly unknown[]): Unread | undefined {
  return values.find((value): value is Unread => value instanceof Unread);
}

/** The first item of a list, or of a list in it, that could not be read: its place, number and length are not known. */
function unreadWithin(values: readonly unknown[], run: Run): Unread | undefined {
  run.budget.spend(values.length);
  for (const value of values) {
    if (value instanceof Unread) return value;
    const within = Array.isArray(value) ? unreadWithin(value, run) : undefined;
    if (within !== undefined) return within;
  }
  return undefined;
}

/** What is missing among the arguments, or among the texts that `join` joins or the values that `format` writes. */
function firstMissing({ name }: ApplyTree, args: readonly unknown[]): null | Unread | undefined {
  const list = name === 'join' ? args[0] : name === 'format' ? args[1] : undefined;
  const items = Array.isArray(list) ? (list as readonly unknown[]).slice(0, MAX_LENGTH) : [];
  // `format` writes null as text.
  const isNull = args.includes(null) || (name === 'join' && items.includes(null));
  return firstUnread([...args, ...items]) ?? (isNull ? null : undefined);
}

function accepts({ parameters, isVariadic }: Overload, args: readonly unknown[]): boolean {
  if (!isVariadic && parameters.length !== args.length) return false;
  return args.every((arg, index) => isOfType(arg, parameters[index] ?? parameters.at(-1)));
}

function isOfType(value: unknown, type: CelType | undefined): boolean {
  if (type === undefined || type.kind === 'dyn' || type.kind === 'parameter') return true;
  if (type.kind === 'object') return kindOf(value) === 'map';
  return type.kind === kindOf(value);
}
