import { valueText } from './functions/conversions.ts';
import { QueryError } from './query-error.ts';
import type { Run } from './evaluation-run.ts';
import { Unread } from './unread.ts';
import { kindOf, mapEntries } from './values.ts';

/** A JSON value, its objects without a prototype. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Levels of an answer. */
const MAX_DEPTH = 64;

/**
 * `value` in JSON as CEL converts it ("JSON Data Conversion"): integers beyond what JSON holds exactly as decimal
 * strings, numbers that JSON lacks as `NaN` and `Infinity`, timestamps in RFC 3339, durations as `90s`. What could not
 * be read or computed is null, and noted.
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
  const kind = kindOf(value);
  // A time, a span of time, an address or a type is its text.
  if (kind === 'uint') return integerJson(BigInt(valueText(value)));
  if (kind !== 'map') return valueText(value);
  const entries = mapEntries(value);
  run.budget.spendMap(entries.length);
  const fields = Object.create(null) as Record<string, Json>;
  for (const [key, item] of entries) {
    run.budget.spendString(String(key).length);
    fields[String(key)] = toJson(item, run, depth + 1);
  }
  return fields;
}
