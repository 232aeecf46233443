import { QueryError } from './problem.ts';
import type { Run } from './run.ts';
import { Unread } from './unread.ts';

/** A JSON value, its objects without a prototype. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Levels of an answer. */
const MAX_DEPTH = 64;

/**
 * `value` in JSON as CEL converts it ("JSON Data Conversion"): integers beyond what JSON holds exactly as decimal
 * strings, numbers that JSON lacks as `NaN` and `Infinity`, timestamps in RFC 3339, durations as `90s`. What could not
 * be read is null, and noted.
 */
export function toJson(value: unknown, run: Run, depth = 0): Json {
  run.budget.spend(1);
  if (depth > MAX_DEPTH) throw new QueryError('the answer is nested too deep', undefined, true);
  if (value instanceof Unread) return noted(value, run);
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return integerJson(value);
  if (typeof value === 'string') {
    run.budget.spendString(value.length);
    return value;
  }
  if (Array.isArray(value)) {
    run.budget.spendItems(value.length);
    return value.map((item) => toJson(item, run, depth + 1));
  }
  return typeof value === 'object' ? objectJson(value, run, depth) : null;
}

function noted(unread: Unread, run: Run): null {
  run.note(unread);
  return null;
}

function integerJson(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function objectJson(value: object, run: Run, depth: number): Json {
  if (value instanceof Date) return value.toISOString();
  const entries = value instanceof Map ? (value as ReadonlyMap<unknown, unknown>).entries() : recordEntries(value);
  if (entries === undefined) return ownTypeJson(value);
  run.budget.spendMap(value instanceof Map ? value.size : Object.keys(value).length);
  const fields = Object.create(null) as Record<string, Json>;
  for (const [key, item] of entries) {
    run.budget.spendString(String(key).length);
    fields[String(key)] = toJson(item, run, depth + 1);
  }
  return fields;
}

function recordEntries(value: object): Iterable<[string, unknown]> | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? Object.entries(value) : undefined;
}

/** An unsigned integer is its value, a type its name, a duration its text. */
function ownTypeJson(value: object): Json {
  const own: unknown = value.valueOf();
  if (typeof own === 'bigint') return integerJson(own);
  if ('name' in value && typeof value.name === 'string') return value.name;
  const { toString } = value as { readonly toString: () => string };
  return toString.call(value).slice(0, 256);
}
