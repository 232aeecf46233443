import { CONVERSIONS } from './conversions.ts';
import { define } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { ITEM_PLACES, LIST_FUNCTIONS } from './lists.ts';
import { MATH_FUNCTIONS } from './math.ts';
import { NETWORK_FUNCTIONS } from './network.ts';
import { OPERATORS } from './operators.ts';
import { matchFunction } from './regex.ts';
import { STRING_FUNCTIONS } from './strings.ts';
import { TIME_FUNCTIONS } from './time.ts';

/** Functions by what they are about, for the documentation. */
export function functionGroups(): Readonly<Record<string, readonly FunctionDefinition[]>> {
  const strings = [matchFunction(), ...STRING_FUNCTIONS].map(({ name, overloads, doc, examples }) =>
    define(name, Object.assign({}, overloads, ITEM_PLACES[name]), doc, ...examples),
  );
  return {
    Text: strings,
    Lists: LIST_FUNCTIONS,
    Numbers: MATH_FUNCTIONS,
    Time: TIME_FUNCTIONS,
    'IP addresses': NETWORK_FUNCTIONS,
    Types: CONVERSIONS,
  };
}

/** All functions and operators by name. */
export function functionTable(): ReadonlyMap<string, FunctionDefinition> {
  const all = [...Object.values(functionGroups()).flat(), ...OPERATORS];
  return new Map(all.map((definition) => [definition.name, definition]));
}

/** First names of functions that belong to no value: `math.abs(…)`. */
export const NAMESPACES: ReadonlySet<string> = new Set(['ip', 'lists', 'math', 'sets', 'strings']);
