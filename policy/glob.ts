import type { Schema } from '../posture/schema.ts';

const MAX_PATTERN = 512;

/** A pattern in which `*` stands for any characters and `?` for one. */
export function globPattern(doc: string): Schema<string> {
  return {
    shape: { kind: 'string', doc, maximum: MAX_PATTERN },
    parse: (value, at = '') =>
      typeof value === 'string' && value !== '' && value.length <= MAX_PATTERN
        ? { ok: true, value }
        : { ok: false, problem: `${at}: expected a pattern of 1 to ${String(MAX_PATTERN)} characters` },
  };
}

/**
 * Does `text` match `pattern` as a whole? Case counts. Takes at most `pattern.length × text.length` steps: after a
 * mismatch only the last `*` takes one character more.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let [at, star, taken] = [0, -1, 0];
  let position = 0;
  while (position < text.length) {
    const expected = pattern[at];
    if (expected === '*') {
      [star, taken] = [at, position];
      at += 1;
    } else if (expected !== undefined && (expected === '?' || expected === text[position])) {
      at += 1;
      position += 1;
    } else if (star >= 0) {
      at = star + 1;
      taken += 1;
      position = taken;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/** Is there a text that both patterns match? */
export function globsOverlap(one: string, other: string): boolean {
  return sequencesOverlap(one.split(''), other.split(''), {
    isAny: (character) => character === '*',
    overlap: (a, b) => a === b || a === '?' || b === '?',
  });
}

/** What the elements of two patterns mean. */
export interface PatternElements {
  /** Whether the element stands for any number of elements. */
  readonly isAny: (element: string) => boolean;
  /** Whether two elements that are not `isAny` can mean the same. */
  readonly overlap: (one: string, other: string) => boolean;
}

/** Is there a sequence that both patterns match? Takes `one.length × other.length` steps. */
export function sequencesOverlap(
  one: readonly string[],
  other: readonly string[],
  { isAny, overlap }: PatternElements,
): boolean {
  // Row i, column j: have the first i elements of `one` and the first j of `other` a sequence in common?
  let row = [true];
  for (const [j, element] of other.entries()) row.push(row[j] === true && isAny(element));
  for (const element of one) {
    const next = [row[0] === true && isAny(element)];
    for (const [j, counterpart] of other.entries()) {
      const [above, left, diagonal] = [row[j + 1] === true, next[j] === true, row[j] === true];
      if (isAny(element) || isAny(counterpart)) next.push(above || left);
      else next.push(diagonal && overlap(element, counterpart));
    }
    row = next;
  }
  return row.at(-1) === true;
}
