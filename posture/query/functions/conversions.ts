import { numberOf } from '../comparison.ts';
import { QueryError } from '../query-error.ts';
import { Cidr, Duration, IpAddress, kindOf, Timestamp, TypeValue } from '../values.ts';
import type { Uint } from '../values.ts';
import type { Budget } from '../budget.ts';
import { define } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { cidrText, ipText } from './network.ts';
import { toInt, toUint } from './operators.ts';
import { durationText, floorSeconds, parseDuration, parseTimestamp, checkTimestamp, timestampText } from './time.ts';

const same = (value: unknown): unknown => value;

function notA(type: string, value: string): QueryError {
  return new QueryError(`${type}() cannot convert \`${value.slice(0, 40)}\``);
}

function wholeNumber(text: string, type: string): bigint {
  if (!/^[+-]?\d{1,20}$/.test(text)) throw notA(type, text);
  return BigInt(text.replace('+', ''));
}

function truncated(value: number, type: string): bigint {
  if (!Number.isFinite(value)) throw notA(type, String(value));
  return BigInt(Math.trunc(value));
}

/** A double has fewer digits than an int: those around the largest int are not known to fit. */
function intOfDouble(value: number): bigint {
  const whole = truncated(value, 'int');
  if (Math.abs(value) >= 2 ** 63) throw new QueryError('integer overflow');
  return whole;
}

const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

function parseDouble(text: string): number {
  const trimmed = text.slice(0, 400);
  if (DOUBLE.test(trimmed) && trimmed === text) return Number(text);
  if (/^nan$/i.test(text)) return Number.NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite === null) throw notA('double', text);
  return infinite[1] === '-' ? -Infinity : Infinity;
}

/** Go's `strconv.ParseBool`. */
const BOOLEANS: Readonly<Record<string, boolean>> = Object.assign(
  Object.create(null) as Record<string, boolean>,
  Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true])),
  Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false])),
);

function parseBoolean(text: string): boolean {
  const value = BOOLEANS[text];
  if (value === undefined) throw notA('bool', text);
  return value;
}

/** A double as `string` and `%s` write it: the shortest decimal text, exponents with two digits. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

/** What `string` makes of a value that is no list and no map. */
export function valueText(value: unknown): string {
  if (typeof value === 'number') return doubleText(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof IpAddress) return ipText(value);
  if (value instanceof Cidr) return cidrText(value);
  return String(numberOf(value) ?? value);
}

/** Conversions between types. */
export const CONVERSIONS: readonly FunctionDefinition[] = [
  define(
    'int',
    {
      'int(int): int': same,
      'int(uint): int': (value: Uint) => toInt(value.value),
      'int(double): int': intOfDouble,
      'int(string): int': (text: string) => toInt(wholeNumber(text, 'int')),
      'int(timestamp): int': ({ nanos }: Timestamp) => floorSeconds(nanos),
    },
    'A whole number; of a time, the seconds since 1970.',
    ['int("42")', '42'],
    ['int(timestamp("2009-02-13T23:31:30Z"))', '1234567890'],
  ),
  define(
    'uint',
    {
      'uint(uint): uint': same,
      'uint(int): uint': toUint,
      'uint(double): uint': (value: number) => toUint(truncated(value, 'uint')),
      'uint(string): uint': (text: string) => toUint(wholeNumber(text, 'uint')),
    },
    'A whole number that is not negative.',
    ['uint("42")', '42u'],
  ),
  define(
    'double',
    {
      'double(double): double': same,
      'double(int): double': Number,
      'double(uint): double': (value: Uint) => Number(value.value),
      'double(string): double': parseDouble,
    },
    'A number with a fraction.',
    ['double("1.5")', '1.5'],
  ),
  define(
    'bool',
    { 'bool(bool): bool': same, 'bool(string): bool': parseBoolean },
    'True or false, from the words of configuration files.',
    ['bool("true")', 'true'],
  ),
  define(
    'string',
    Object.fromEntries(
      ['string', 'bool', 'int', 'uint', 'double', 'timestamp', 'duration', 'net.IP', 'net.CIDR'].map((type) => [
        `string(${type}): string`,
        valueText,
      ]),
    ),
    'The text of a value.',
    ['string(42)', '"42"'],
    ['string(timestamp("2026-01-31T12:00:00+01:00"))', '"2026-01-31T11:00:00Z"'],
  ),
  define(
    'timestamp',
    {
      'timestamp(timestamp): timestamp': same,
      'timestamp(string): timestamp': parseTimestamp,
      'timestamp(int): timestamp': (seconds: bigint) => checkTimestamp(seconds * 1_000_000_000n),
    },
    'A time, from RFC 3339 or from seconds since 1970.',
    ['timestamp("2026-01-31T12:00:00Z") - duration("12h")', 'timestamp("2026-01-31T00:00:00Z")'],
  ),
  define(
    'duration',
    { 'duration(duration): duration': same, 'duration(string): duration': parseDuration },
    'A span of time: `d` (24 hours), `h`, `m`, `s`, `ms`, `us`, `ns`.',
    ['duration("90d")', 'duration("2160h")'],
  ),
  define('dyn', { 'dyn(A): dyn': same }, 'The value, its type not checked before the evaluation.', [
    'dyn(1) == dyn("1")',
    'false',
  ]),
  define(
    'type',
    { 'type(A): type': (value: unknown, _budget: Budget) => new TypeValue(kindOf(value) ?? 'dyn') },
    'The type of a value.',
    ['type(1) == int', 'true'],
  ),
];
