import { MAX_LENGTH } from './budget.ts';
import { decide } from './logic.ts';
import type { Truth } from './logic.ts';
import { QueryError } from './problem.ts';
import type { Run } from './run.ts';
import type { Program, Span } from './tree.ts';
import { isMissing, Unread } from './unread.ts';

/** Characters of a regular expression: nothing else bounds what compiles it. */
const MAX_PATTERN = 1024;
/** CEL's `int`. */
const MAX_INTEGER = 2n ** 63n - 1n;

/** What an operator or function is applied to, and where. */
export interface Application {
  readonly args: readonly unknown[];
  readonly at: Span;
  readonly run: Run;
}

/**
 * Carries out one operator or function: what is missing passes through, what would grow too large is refused before it
 * is made, and the rest is up to `program`, which knows values that are all there.
 */
export function apply(name: string, program: Program, application: Application): unknown {
  const { args, at, run } = application;
  if (name === '==' || name === '!=') return compare(args, program, name === '==', application);
  if (name === 'in') return isIn(args, program, application);
  const items = name === 'join' && Array.isArray(args[0]) ? (args[0] as readonly unknown[]) : [];
  const missing = firstMissing([...args, ...items]);
  if (missing !== undefined) return missing;
  refuseGrowth(name, args, at);
  const result = carryOut(program, args, at);
  if (typeof result === 'string') run.budget.spendString(result.length);
  if (Array.isArray(result)) run.budget.spendItems(result.length);
  if (typeof result === 'bigint' && (result > MAX_INTEGER || result < -MAX_INTEGER - 1n))
    throw new QueryError('integer overflow', at);
  return result;
}

/** Null equals null alone; whether something unread equals anything cannot be told. */
function compare(args: readonly unknown[], program: Program, whenEqual: boolean, { at, run }: Application): Truth {
  const [left, right] = args;
  const unread = findUnread(left, run) ?? findUnread(right, run);
  if (unread !== undefined) return unread;
  if (left === null || right === null) return (left === right) === whenEqual;
  return carryOut(program, args, at) === true;
}

/** Is it among the items of a list or the keys of a map? `program` is that of `==`. */
function isIn(args: readonly unknown[], program: Program, application: Application): Truth {
  const [item, among] = args;
  if (isMissing(among)) return among;
  if (Array.isArray(among))
    return decide(true, among as readonly unknown[], (other) => {
      application.run.budget.spend(1);
      return compare([item, other], program, true, application);
    });
  if (isMissing(item)) return item;
  if (among instanceof Map) return among.has(item);
  if (typeof among === 'object') return typeof item === 'string' && Object.hasOwn(among, item);
  throw new QueryError('`in` looks into a list or a map', application.at);
}

function firstMissing(values: readonly unknown[]): null | Unread | undefined {
  return values.find((value) => value instanceof Unread) ?? (values.includes(null) ? null : undefined);
}

/** The first unread part of a value. */
function findUnread(value: unknown, run: Run): Unread | undefined {
  if (value instanceof Unread) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = value instanceof Map ? (value as ReadonlyMap<unknown, unknown>).values() : Object.values(value);
  for (const part of parts) {
    run.budget.spend(1);
    const unread = findUnread(part, run);
    if (unread !== undefined) return unread;
  }
  return undefined;
}

/** What is made of strings and lists can be far larger than they are: refused before it is made. */
function refuseGrowth(name: string, args: readonly unknown[], at: Span): void {
  const [first, second] = args;
  if (name === '+' && lengthOf(first) + lengthOf(second) > MAX_LENGTH) throw tooLong(at);
  if (name === 'join' && joinedLength(first, second) > MAX_LENGTH) throw tooLong(at);
  if (name === 'matches' && lengthOf(second) > MAX_PATTERN)
    throw new QueryError('a regular expression is too long', at);
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' || Array.isArray(value) ? value.length : 0;
}

function joinedLength(list: unknown, separator: unknown): number {
  let characters = 0;
  if (Array.isArray(list)) for (const item of list) characters += lengthOf(item) + lengthOf(separator);
  return characters;
}

function tooLong(at: Span): QueryError {
  return new QueryError('a string or a list grows too long', at, true);
}

function carryOut(program: Program, args: readonly unknown[], at: Span): unknown {
  try {
    return program(args);
  } catch (error) {
    throw new QueryError(error instanceof Error ? error.message : 'it cannot be computed', at);
  }
}
