import type { FunctionDefinition } from './functions/definition.ts';
import type { Walk } from './tree.ts';

/** A macro: how it can be written, what it does, and examples as those of functions. */
export interface MacroDefinition extends Pick<FunctionDefinition, 'doc' | 'examples'> {
  /** Its arguments: `x`, `k`, `v` are names, `p` a condition, `t` what becomes of an item, `n` a number. */
  readonly forms: readonly string[];
}

/** Macros on lists and maps. With two names, they are the number and the item of a list, or a key and its value. */
export const MACROS: Readonly<Record<Walk, MacroDefinition>> = {
  filter: {
    forms: ['x, p'],
    doc: 'The items for which a condition is true.',
    examples: [['[1, 2, 3].filter(x, x > 1)', '[2, 3]']],
  },
  map: {
    forms: ['x, t', 'x, p, t'],
    doc: 'What an expression makes of each item, or of the items for which a condition is true.',
    examples: [['[1, 2, 3].map(x, x > 1, x * 10)', '[20, 30]']],
  },
  exists: {
    forms: ['x, p', 'k, v, p'],
    doc: 'Is a condition true for at least one item?',
    examples: [['{"a": 1, "b": 2}.exists(k, v, v > 1)', 'true']],
  },
  all: {
    forms: ['x, p', 'k, v, p'],
    doc: 'Is a condition true for all items?',
    examples: [['[2, 4].all(x, x % 2 == 0)', 'true']],
  },
  exists_one: {
    forms: ['x, p', 'k, v, p'],
    doc: 'Is a condition true for exactly one item?',
    examples: [['[1, 2, 3].exists_one(x, x > 2)', 'true']],
  },
  existsOne: {
    forms: ['x, p', 'k, v, p'],
    doc: 'The same as `exists_one`.',
    examples: [['["a", "b"].existsOne(i, x, x == "b" && i == 1)', 'true']],
  },
  groupBy: {
    forms: ['x, t'],
    doc: 'A map from each key that an expression gives to the list of its items.',
    examples: [['["a1", "b1", "a2"].groupBy(x, x.charAt(0))', '{"a": ["a1", "a2"], "b": ["b1"]}']],
  },
  sortBy: {
    forms: ['x, t'],
    doc: 'The items in the rising order of a key; those without one come last.',
    examples: [['["ccc", "a", "bb"].sortBy(x, x.size())', '["a", "bb", "ccc"]']],
  },
  topBy: {
    forms: ['x, t, n'],
    doc: 'The items with the largest keys, the largest first.',
    examples: [['["a", "ccc", "bb"].topBy(x, x.size(), 2)', '["ccc", "bb"]']],
  },
  transformList: {
    forms: ['k, v, t', 'k, v, p, t'],
    doc: 'A list of what an expression makes of each entry.',
    examples: [['[5, 6].transformList(i, x, i + x)', '[5, 7]']],
  },
  transformMap: {
    forms: ['k, v, t', 'k, v, p, t'],
    doc: 'A map with the same keys and what an expression makes of each value.',
    examples: [['{"a": [1, 2], "b": [3]}.transformMap(k, v, v.size())', '{"a": 2, "b": 1}']],
  },
  transformMapEntry: {
    forms: ['k, v, t', 'k, v, p, t'],
    doc: 'A map of the entries that an expression gives as maps.',
    examples: [['["x", "y"].transformMapEntry(i, x, {x: i})', '{"x": 0, "y": 1}']],
  },
};
