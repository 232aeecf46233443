import { RE2JS } from 're2js';
import type { Budget } from '../budget.ts';
import { QueryError } from '../query-error.ts';
import type { Span } from '../query-error.ts';
import { define } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';

/** UTF-16 units of a regular expression: what compiles it takes time and memory with its length. */
const MAX_PATTERN = 1024;
/** Work to compile a regular expression, for each of its places: a character, or one that is repeated. */
const UNITS_PER_PLACE = 4;
/** Work for a character that is searched and a place that it is held against; at worst there are that many of both. */
const UNITS_PER_COMPARISON = 1 / 512;

/**
 * A regular expression in the syntax of RE2, found in time that grows with the text only: there are no references back
 * and no look-around. Throws a QueryError for one that is too long or not valid.
 */
function compileRegex(pattern: string, at?: Span): RE2JS {
  if (pattern.length > MAX_PATTERN)
    throw new QueryError(`a regular expression has at most ${String(MAX_PATTERN)} characters`, at, true);
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    throw new QueryError(
      `\`${pattern.slice(0, 80)}\` is not a regular expression of RE2: ${message.slice(0, 120)}`,
      at,
    );
  }
}

/** Throws a QueryError for a pattern that an expression contains as a constant and that is not valid. */
export function assertPattern(pattern: string, at: Span): void {
  compileRegex(pattern, at);
}

/** Upper bound of the states of a pattern, unless a repetition is nested in another. */
function countPlaces(pattern: string): number {
  let places = pattern.length;
  for (const [, count = '0'] of pattern.matchAll(/(\d{1,4}),?\}/g)) places += Number(count);
  return places;
}

/** `matches`, which compiles a pattern once for as long as it stays the same. */
export function matchFunction(): FunctionDefinition {
  let last: { readonly pattern: string; readonly places: number; readonly regex: RE2JS } | undefined;
  const matches = (text: string, pattern: string, budget: Budget): boolean => {
    if (last?.pattern !== pattern) {
      const places = countPlaces(pattern.slice(0, MAX_PATTERN));
      budget.spend(places * UNITS_PER_PLACE);
      last = { pattern, places, regex: compileRegex(pattern) };
    }
    budget.spend(Math.ceil(text.length * last.places * UNITS_PER_COMPARISON));
    return last.regex.test(text);
  };
  return define(
    'matches',
    { 'string.matches(string): bool': matches, 'matches(string, string): bool': matches },
    'Does the regular expression match a part of the text? The syntax is that of RE2.',
    ['"nginx:1.27".matches("^nginx:1[.]")', 'true'],
  );
}
