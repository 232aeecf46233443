import type { Budget } from './budget.ts';
import { QueryError } from './query-error.ts';
import { Cidr, Duration, IpAddress, kindOf, mapEntries, mapEntry, Timestamp, TypeValue, Uint } from './values.ts';
import { Unread } from './unread.ts';

/**
 * Are two values equal? Numbers of all types are on one line, values of different types are not equal: CEL, "Equality".
 * The first part that is not known, where the rest does not decide.
 */
export function equal(left: unknown, right: unknown, budget: Budget): boolean | Unread {
  budget.spend(1);
  if (left instanceof Unread) return left;
  if (right instanceof Unread) return right;
  if (typeof left === 'string' && typeof right === 'string') {
    if (left.length === right.length) budget.spendString(left.length);
    return left === right;
  }
  if (typeof left === 'string' || typeof right === 'string') return false;
  if (left === right) return typeof left !== 'object' || !Array.isArray(left) ? true : equalLists(left, left, budget);
  const one = numberOf(left);
  const other = numberOf(right);
  // Between a bigint and a number the comparison of JavaScript is exact.
  // oxlint-disable-next-line eqeqeq
  if (one !== undefined && other !== undefined) return one == other;
  if (Array.isArray(left)) return Array.isArray(right) && equalLists(left, right, budget);
  const kind = kindOf(left);
  if (kind !== kindOf(right)) return false;
  return kind === 'map' ? equalMaps(left, right, budget) : scalarKey(left) === scalarKey(right);
}

function equalLists(left: readonly unknown[], right: readonly unknown[], budget: Budget): boolean | Unread {
  if (left.length !== right.length) return false;
  let open: boolean | Unread = true;
  for (const [index, item] of left.entries()) {
    const same = equal(item, right[index], budget);
    if (same === false) return false;
    if (same !== true) open = same;
  }
  return open;
}

function equalMaps(left: unknown, right: unknown, budget: Budget): boolean | Unread {
  const entries = mapEntries(left);
  budget.spend(entries.length);
  if (entries.length !== mapEntries(right).length) return false;
  let open: boolean | Unread = true;
  for (const [key, item] of entries) {
    const other = mapEntry(right, key);
    const same = other === undefined ? false : equal(item, other, budget);
    if (same === false) return false;
    if (same !== true) open = same;
  }
  return open;
}

/** The number that a value is, of whatever type. */
export function numberOf(value: unknown): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof Uint ? value.value : undefined;
}

/** A text that is the same for equal values of one type, and of all numbers; undefined for lists and maps. */
function scalarKey(value: unknown): string | undefined {
  const number = numberOf(value);
  if (typeof number === 'number') return Number.isInteger(number) ? `n${String(BigInt(number))}` : `n${String(number)}`;
  if (number !== undefined) return `n${String(number)}`;
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'boolean' || value === null) return String(value);
  if (value instanceof Timestamp) return `t${String(value.nanos)}`;
  if (value instanceof Duration) return `d${String(value.nanos)}`;
  if (value instanceof TypeValue) return `y${value.name}`;
  if (value instanceof IpAddress) return `i${value.bytes.join('.')}`;
  return value instanceof Cidr ? `c${value.address.bytes.join('.')}/${String(value.prefix)}` : undefined;
}

/** A text that is the same for equal values, so that they are found in a set; the first part that is not known. */
export function keyOf(value: unknown, budget: Budget): string | Unread {
  budget.spend(1);
  if (value instanceof Unread) return value;
  const scalar = scalarKey(value);
  if (scalar !== undefined) {
    budget.spendString(scalar.length);
    return scalar;
  }
  const parts: string[] = [];
  const items = Array.isArray(value) ? value.map((item): readonly unknown[] => [item]) : sortedEntries(value);
  for (const item of items.flat()) {
    const key = keyOf(item, budget);
    if (key instanceof Unread) return key;
    parts.push(`${String(key.length)}:${key}`);
  }
  const key = `${Array.isArray(value) ? 'l' : 'm'}${parts.join('')}`;
  budget.spendString(key.length);
  return key;
}

function sortedEntries(map: unknown): readonly (readonly unknown[])[] {
  return mapEntries(map)
    .map(([key, item]) => [key, item] as const)
    .sort(([left], [right]) => (String(left) < String(right) ? -1 : 1));
}

/** Types that have an order of their own. */
const ORDERED: ReadonlySet<unknown> = new Set([
  'bool',
  'int',
  'uint',
  'double',
  'string',
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
]);

/**
 * Below 0 where `left` comes first, above 0 where `right` does; NaN if one of them is NaN. Text is in the order of its
 * code points, and costs as much as is read of it. Throws a QueryError for types that have no order, or for two of different types.
 */
export function compare(left: unknown, right: unknown, budget: Budget): number {
  const one = numberOf(left);
  const other = numberOf(right);
  if (one !== undefined && other !== undefined) return one < other ? -1 : one > other ? 1 : equalOrNan(one, other);
  const kind = kindOf(left);
  if (kind !== kindOf(right) || !ORDERED.has(kind))
    throw new QueryError(`${kind ?? 'unread'} and ${kindOf(right) ?? 'unread'} have no order`);
  if (typeof left === 'string' && typeof right === 'string') {
    budget.spendString(Math.min(left.length, right.length));
    return compareText(left, right);
  }
  const [first, second] = [left, right].map((value) =>
    value instanceof Timestamp || value instanceof Duration ? value.nanos : Number(value),
  ) as [bigint, bigint];
  return first < second ? -1 : first > second ? 1 : 0;
}

function equalOrNan(one: bigint | number, other: bigint | number): number {
  return Number.isNaN(one) || Number.isNaN(other) ? Number.NaN : 0;
}

/** UTF-16 units are in the order of code points but for surrogates, which come before U+E000 to U+FFFF. */
function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  let at = 0;
  while (at < length && left.charCodeAt(at) === right.charCodeAt(at)) at += 1;
  if (at === length) return left.length - right.length;
  return rank(left.charCodeAt(at)) - rank(right.charCodeAt(at));
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
