import type { Budget } from '../budget.ts';
import { compare } from '../comparison.ts';
import { QueryError } from '../query-error.ts';
import { Uint } from '../values.ts';
import type { Duration, Timestamp } from '../values.ts';
import { define } from './definition.ts';
import type { FunctionDefinition, Implementation } from './definition.ts';
import { checkDuration, checkTimestamp } from './time.ts';

/** CEL's `int` is a signed, `uint` an unsigned number of 64 bits. */
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

/** `value` as an int; throws where it does not fit. */
export function toInt(value: bigint): bigint {
  if (value > MAX_INT || value < -MAX_INT - 1n) throw new QueryError('integer overflow');
  return value;
}

/** `value` as a uint; throws where it does not fit. */
export function toUint(value: bigint): Uint {
  if (value > MAX_UINT || value < 0n) throw new QueryError('unsigned integer overflow');
  return new Uint(value);
}

function divisor(value: bigint, operation: string): bigint {
  if (value === 0n) throw new QueryError(`${operation} by zero`);
  return value;
}

function integers(operator: string, run: (left: bigint, right: bigint) => bigint): Record<string, Implementation> {
  return {
    [`${operator}(int, int): int`]: (left: bigint, right: bigint) => toInt(run(left, right)),
    [`${operator}(uint, uint): uint`]: (left: Uint, right: Uint) => toUint(run(left.value, right.value)),
  };
}

function doubles(operator: string, run: (left: number, right: number) => number): Record<string, Implementation> {
  return { [`${operator}(double, double): double`]: run };
}

const joined: Record<string, Implementation> = {
  '+(string, string): string': (left: string, right: string, budget: Budget) => {
    budget.spendString(left.length + right.length);
    return left + right;
  },
  '+(list<A>, list<A>): list<A>': (left: readonly unknown[], right: readonly unknown[], budget: Budget) => {
    budget.spendItems(left.length + right.length);
    return [...left, ...right];
  },
};

const times: Record<string, Implementation> = {
  '+(duration, duration): duration': (left: Duration, right: Duration) => checkDuration(left.nanos + right.nanos),
  '+(timestamp, duration): timestamp': (left: Timestamp, right: Duration) => checkTimestamp(left.nanos + right.nanos),
  '+(duration, timestamp): timestamp': (left: Duration, right: Timestamp) => checkTimestamp(left.nanos + right.nanos),
};

const ORDERED_PAIRS = [
  ...['bool', 'int', 'uint', 'double', 'string', 'timestamp', 'duration'].map((type) => `${type}, ${type}`),
  'int, uint',
  'uint, int',
  'int, double',
  'double, int',
  'uint, double',
  'double, uint',
];

function ordering(name: string, accepts: (order: number) => boolean): FunctionDefinition {
  const run = (left: unknown, right: unknown, budget: Budget): boolean => accepts(compare(left, right, budget));
  return define(name, Object.fromEntries(ORDERED_PAIRS.map((pair) => [`${name}(${pair}): bool`, run])));
}

/** The operators of CEL but for `==`, `!=`, `in`, `&&`, `||` and `?:`, which also work on what is missing. */
export const OPERATORS: readonly FunctionDefinition[] = [
  define('+', { ...integers('+', (a, b) => a + b), ...doubles('+', (a, b) => a + b), ...joined, ...times }),
  define('-', {
    ...integers('-', (a, b) => a - b),
    ...doubles('-', (a, b) => a - b),
    '-(duration, duration): duration': (left: Duration, right: Duration) => checkDuration(left.nanos - right.nanos),
    '-(timestamp, timestamp): duration': (left: Timestamp, right: Timestamp) => checkDuration(left.nanos - right.nanos),
    '-(timestamp, duration): timestamp': (left: Timestamp, right: Duration) => checkTimestamp(left.nanos - right.nanos),
  }),
  define('*', { ...integers('*', (a, b) => a * b), ...doubles('*', (a, b) => a * b) }),
  define('/', { ...integers('/', (a, b) => a / divisor(b, 'division')), ...doubles('/', (a, b) => a / b) }),
  define(
    '%',
    integers('%', (a, b) => a % divisor(b, 'modulo')),
  ),
  define('-_', { '-_(int): int': (a: bigint) => toInt(-a), '-_(double): double': (a: number) => -a }),
  define('!_', { '!_(bool): bool': (a: boolean) => !a }),
  ordering('<', (order) => order < 0),
  ordering('<=', (order) => order <= 0),
  ordering('>', (order) => order > 0),
  ordering('>=', (order) => order >= 0),
];
