import { MAX_LENGTH } from '../budget.ts';
import type { Budget } from '../budget.ts';
import { numberOf } from '../comparison.ts';
import { QueryError } from '../query-error.ts';
import { Uint, kindOf, mapEntries } from '../values.ts';
import { Unread } from '../unread.ts';
import { doubleText, valueText } from './conversions.ts';
import { compareKeys } from '../../text-order.ts';

/** Digits behind the point that `%f` and `%e` may ask for, and how many they write where none is asked for. */
const MAX_PRECISION = 100;
const DEFAULT_PRECISION = 6;
/** Levels of lists and maps that `%s` writes. */
const MAX_DEPTH = 16;

/**
 * The `format` of the `strings` extension of cel-go. The text grows by at most what its arguments have; each piece is
 * paid for before the next one is made.
 */
export function formatText(format: string, args: readonly unknown[], budget: Budget): string {
  const pieces: string[] = [];
  let length = 0;
  let index = 0;
  const add = (piece: string): void => {
    length += piece.length;
    budget.spendString(piece.length);
    // Refuses a text that would be too long before it is made.
    if (length > MAX_LENGTH) budget.spendString(length);
    pieces.push(piece);
  };
  for (const [, text, percent, precision, verb] of format.matchAll(/([^%]+)|(%)(?:\.(\d{1,9}))?(.?)/gsu)) {
    if (text !== undefined) add(text);
    else if (percent !== undefined && verb === '%' && precision === undefined) add('%');
    else {
      if (index >= args.length) throw new QueryError(`format has no argument number ${String(index + 1)}`);
      add(formatOne(verb ?? '', precision, args[index], budget));
      index += 1;
    }
  }
  return pieces.join('');
}

function formatOne(verb: string, precision: string | undefined, value: unknown, budget: Budget): string {
  const digits = precision === undefined ? DEFAULT_PRECISION : Number(precision);
  if (digits > MAX_PRECISION) throw new QueryError(`format writes at most ${String(MAX_PRECISION)} digits`);
  switch (verb) {
    case 's':
      return anyText(value, budget, 0);
    case 'd':
      return decimal(value);
    case 'f':
    case 'e':
      return fraction(verb, value, digits);
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : radix(value, 2, verb);
    case 'o':
      return radix(value, 8, verb);
    case 'x':
      return hexadecimal(value, verb);
    case 'X':
      return hexadecimal(value, verb).toUpperCase();
    default:
      throw new QueryError(`format knows no \`%${verb}\`: use %s, %d, %f, %e, %b, %o, %x, %X or %%`);
  }
}

function refused(verb: string, value: unknown): QueryError {
  return new QueryError(`\`%${verb}\` cannot write a ${kindOf(value) ?? 'value'}`);
}

function decimal(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return infinityText(value);
  const integer = typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;
  if (integer !== undefined) return String(integer);
  if (typeof value === 'number') return doubleText(value);
  throw refused('d', value);
}

function infinityText(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

function fraction(verb: 'f' | 'e', value: unknown, digits: number): string {
  const number = numberOf(value);
  if (number === undefined) throw refused(verb, value);
  const double = Number(number);
  if (!Number.isFinite(double)) return infinityText(double);
  if (verb === 'e') return double.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
  return toFixedExact(double, digits);
}

/** `toFixed` rounds half up by the decimal text, Go half to even by the exact value of the double. */
function toFixedExact(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Math.abs(value) < 1e21 || !text.includes('e')) return halfToEven(value, text, digits);
  return String(BigInt(value)) + (digits > 0 ? `.${'0'.repeat(digits)}` : '');
}

/** Half-way values are exact in binary only where the value times a power of ten ends in exactly .5. */
function halfToEven(value: number, text: string, digits: number): string {
  const scaled = Math.abs(value) * 10 ** digits;
  if (digits > 15 || scaled % 1 !== 0.5 || scaled / 10 ** digits !== Math.abs(value)) return text;
  const even = 2 * Math.round(scaled / 2);
  return `${value < 0 ? '-' : ''}${(even / 10 ** digits).toFixed(digits)}`;
}

function radix(value: unknown, base: number, verb: string): string {
  const integer = typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;
  if (integer === undefined) throw refused(verb, value);
  return integer.toString(base);
}

function hexadecimal(value: unknown, verb: string): string {
  if (typeof value !== 'string') return radix(value, 16, verb);
  return Array.from(new TextEncoder().encode(value), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Any value as `%s` writes it: lists as `[1, two]`, maps as `{key: value}` in the order of their keys. */
function anyText(value: unknown, budget: Budget, depth: number): string {
  budget.spend(1);
  if (depth > MAX_DEPTH) throw new QueryError('a value is nested too deep for %s', undefined, true);
  if (value instanceof Unread) return 'unread';
  if (typeof value === 'number' && !Number.isFinite(value)) return infinityText(value);
  const kind = kindOf(value);
  if (kind !== 'list' && kind !== 'map') return valueText(value);
  const parts =
    kind === 'list'
      ? (value as readonly unknown[]).map((item) => anyText(item, budget, depth + 1))
      : mapEntries(value)
          .map(([key, item]) => [valueText(key), anyText(item, budget, depth + 1)] as const)
          .sort(compareKeys)
          .map(([key, item]) => `${key}: ${item}`);
  budget.spendString(parts.reduce((sum, part) => sum + part.length + 2, 2));
  return kind === 'list' ? `[${parts.join(', ')}]` : `{${parts.join(', ')}}`;
}
