import type { Budget } from '../budget.ts';
import { compare, numberOf } from '../comparison.ts';
import { QueryError } from '../query-error.ts';
import { Uint } from '../values.ts';
import { define } from './definition.ts';
import type { FunctionDefinition, Implementation } from './definition.ts';
import { toInt } from './operators.ts';

/** The largest or smallest of several numbers, or of those of one list. */
function extreme(sign: 1 | -1): Implementation {
  return (args: readonly unknown[], budget: Budget) => {
    const numbers = args.length === 1 && Array.isArray(args[0]) ? (args[0] as readonly unknown[]) : args;
    budget.spend(numbers.length);
    if (numbers.length === 0) throw new QueryError('there is no number to choose from');
    if (numbers.some((value) => numberOf(value) === undefined)) throw new QueryError('only numbers can be chosen from');
    return numbers.reduce((best, value) => (compare(value, best, budget) * sign > 0 ? value : best));
  };
}

/** Of numbers of several types it is not known which type the answer has. */
function extremes(name: string): Record<string, Implementation> {
  const run = extreme(name === 'math.greatest' ? 1 : -1);
  return {
    [`${name}(int...): int`]: run,
    [`${name}(uint...): uint`]: run,
    [`${name}(double...): double`]: run,
    [`${name}(dyn...): dyn`]: run,
  };
}

function onDouble(name: string, run: (value: number) => unknown): Record<string, Implementation> {
  return { [`${name}(double): double`]: run };
}

function questions(name: string, run: (value: number) => boolean): Record<string, Implementation> {
  return { [`${name}(double): bool`]: run };
}

/** Half away from zero. */
function round(value: number): number {
  return value % 1 === 0 ? value : Math.sign(value) * Math.round(Math.abs(value));
}

const UINT_BITS = 2n ** 64n - 1n;

function bits(name: string, run: (left: bigint, right: bigint) => bigint): Record<string, Implementation> {
  return {
    [`${name}(int, int): int`]: (left: bigint, right: bigint) => BigInt.asIntN(64, run(left, right)),
    [`${name}(uint, uint): uint`]: (left: Uint, right: Uint) => new Uint(run(left.value, right.value)),
  };
}

/** Shifts the 64 bits of a number; by 64 and more nothing is left. */
function shift(name: string, run: (value: bigint, by: bigint) => bigint): Record<string, Implementation> {
  const shifted = (value: bigint, by: bigint): bigint => {
    if (by < 0n) throw new QueryError('the number of bits to shift must not be negative');
    return by > 63n ? 0n : run(BigInt.asUintN(64, value), by) & UINT_BITS;
  };
  return {
    [`${name}(int, int): int`]: (value: bigint, by: bigint) => BigInt.asIntN(64, shifted(value, by)),
    [`${name}(uint, int): uint`]: (value: Uint, by: bigint) => new Uint(shifted(value.value, by)),
  };
}

function sign(value: bigint): bigint {
  return value > 0n ? 1n : value < 0n ? -1n : 0n;
}

/** The `math` extension of cel-go. */
export const MATH_FUNCTIONS: readonly FunctionDefinition[] = [
  define('math.greatest', extremes('math.greatest'), 'The largest of several numbers, or of a list.', [
    'math.greatest(1, 5, 3)',
    '5',
  ]),
  define('math.least', extremes('math.least'), 'The smallest of several numbers, or of a list.', [
    'math.least([4, 2])',
    '2',
  ]),
  define('math.ceil', onDouble('math.ceil', Math.ceil), 'Rounded up.', ['math.ceil(1.2)', '2.0']),
  define('math.floor', onDouble('math.floor', Math.floor), 'Rounded down.', ['math.floor(1.8)', '1.0']),
  define('math.round', onDouble('math.round', round), 'Rounded, half away from zero.', ['math.round(1.5)', '2.0']),
  define('math.trunc', onDouble('math.trunc', Math.trunc), 'Without its fraction.', ['math.trunc(-1.8)', '-1.0']),
  define(
    'math.sqrt',
    { 'math.sqrt(double): double': Math.sqrt, 'math.sqrt(int): double': (value: bigint) => Math.sqrt(Number(value)) },
    'The square root.',
    ['math.sqrt(81)', '9.0'],
  ),
  define(
    'math.abs',
    {
      'math.abs(int): int': (value: bigint) => toInt(value < 0n ? -value : value),
      'math.abs(uint): uint': (value: Uint) => value,
      'math.abs(double): double': Math.abs,
    },
    'Without its sign.',
    ['math.abs(-3)', '3'],
  ),
  define(
    'math.sign',
    {
      'math.sign(int): int': sign,
      'math.sign(uint): uint': ({ value }: Uint) => new Uint(sign(value)),
      'math.sign(double): double': Math.sign,
    },
    '-1, 0 or 1.',
    ['math.sign(-3)', '-1'],
  ),
  define('math.isNaN', questions('math.isNaN', Number.isNaN), 'Is it not a number (NaN)?', [
    'math.isNaN(0.0 / 0.0)',
    'true',
  ]),
  define(
    'math.isInf',
    questions('math.isInf', (value) => Math.abs(value) === Infinity),
    'Is it infinite?',
    ['math.isInf(1.0 / 0.0)', 'true'],
  ),
  define('math.isFinite', questions('math.isFinite', Number.isFinite), 'Is it a finite number?', [
    'math.isFinite(1.5)',
    'true',
  ]),
  define(
    'math.bitAnd',
    bits('math.bitAnd', (left, right) => left & right),
    'The bits that are set in both.',
    ['math.bitAnd(6, 3)', '2'],
  ),
  define(
    'math.bitOr',
    bits('math.bitOr', (left, right) => left | right),
    'The bits that are set in one of both.',
    ['math.bitOr(6, 3)', '7'],
  ),
  define(
    'math.bitXor',
    bits('math.bitXor', (left, right) => left ^ right),
    'The bits in which both differ.',
    ['math.bitXor(6, 3)', '5'],
  ),
  define(
    'math.bitNot',
    {
      'math.bitNot(int): int': (value: bigint) => ~value,
      'math.bitNot(uint): uint': ({ value }: Uint) => new Uint(value ^ UINT_BITS),
    },
    'Each bit the other way.',
    ['math.bitNot(0)', '-1'],
  ),
  define(
    'math.bitShiftLeft',
    shift('math.bitShiftLeft', (value, by) => value << by),
    'The bits moved to the left.',
    ['math.bitShiftLeft(1, 3)', '8'],
  ),
  define(
    'math.bitShiftRight',
    shift('math.bitShiftRight', (value, by) => value >> by),
    'The bits moved to the right; the sign is moved as a bit.',
    ['math.bitShiftRight(8, 3)', '1'],
  ),
];
