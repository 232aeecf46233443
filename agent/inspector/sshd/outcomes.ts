import { MAX_PATTERN_LENGTH, patternsOf } from './wildcard.ts';

/** Lists of patterns and what a text makes of each: -1 (excluded), 0 or 1, as `matchPatternList` says. */
export type Outcome = readonly (-1 | 0 | 1)[];

/** One pattern of a list. */
interface Pattern {
  readonly list: number;
  readonly isNegated: boolean;
  readonly text: string;
}

/** Steps of the search for outcomes, about 0.2 s of them; more are not made. */
const MAX_STEPS = 500_000;
const MAX_GROUP_SETS = 4096;

/**
 * All that texts which are not empty can make of some lists of patterns, each outcome once: one text may match several
 * lists, or none. Follows all patterns at once, one character at a time. undefined: that takes too many steps.
 */
export function stringOutcomes(lists: readonly string[]): readonly Outcome[] | undefined {
  const patterns = lists.flatMap((list, index) => readPatterns(list, index));
  const alphabet = [...new Set(patterns.flatMap(({ text }) => text.replaceAll(/[*?]/g, '').split(''))), undefined];
  const start = skipStars(
    patterns.map((_, index) => ({ index, position: 0 })),
    patterns,
  );
  // The empty text is none, unless its state comes again.
  const seen = new Set<string>();
  const outcomes = new Map<string, Outcome>();
  const queue = [start];
  let steps = 0;
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    steps += (state.length + 1) * alphabet.length;
    if (steps > MAX_STEPS) return undefined;
    for (const character of alphabet) {
      const next = advance(state, patterns, character);
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  for (const key of seen) {
    const outcome = outcomeOf(key, patterns, lists.length);
    outcomes.set(outcome.join(), outcome);
  }
  return [...outcomes.values()];
}

/** Patterns after one that is too long do not count: the list never matches. */
function readPatterns(list: string, index: number): readonly Pattern[] {
  const patterns = patternsOf(list).map((written) => {
    const isNegated = written.startsWith('!');
    return { list: index, isNegated, text: (isNegated ? written.slice(1) : written).replaceAll(/\*+/g, '*') };
  });
  return patterns.some(({ text }) => text.length > MAX_PATTERN_LENGTH) ? [] : patterns;
}

/** Where in which pattern the text so far may be. */
interface Place {
  readonly index: number;
  readonly position: number;
}

function advance(
  state: readonly Place[],
  patterns: readonly Pattern[],
  character: string | undefined,
): readonly Place[] {
  const next: Place[] = [];
  for (const { index, position } of state) {
    const piece = patterns[index]?.text[position];
    if (piece === '*') next.push({ index, position });
    else if (piece !== undefined && (piece === '?' || piece === character))
      next.push({ index, position: position + 1 });
  }
  return skipStars(next, patterns);
}

/** A star may also stand for nothing. */
function skipStars(places: readonly Place[], patterns: readonly Pattern[]): readonly Place[] {
  return places.flatMap((place) =>
    patterns[place.index]?.text[place.position] === '*' ? [place, { ...place, position: place.position + 1 }] : [place],
  );
}

function keyOf(state: readonly Place[]): string {
  return [...new Set(state.map(({ index, position }) => `${String(index)}:${String(position)}`))].sort().join();
}

function outcomeOf(key: string, patterns: readonly Pattern[], lists: number): Outcome {
  const outcome = Array.from({ length: lists }, (): -1 | 0 | 1 => 0);
  for (const place of key.split(',')) {
    const [index = '', position = ''] = place.split(':');
    const pattern = patterns[Number(index)];
    if (pattern === undefined || place === '' || pattern.text.length !== Number(position)) continue;
    if (pattern.isNegated) outcome[pattern.list] = -1;
    else if (outcome[pattern.list] === 0) outcome[pattern.list] = 1;
  }
  return outcome;
}

/**
 * What the groups of one user can make of some lists: a user has any set of groups; one that a list excludes, excludes
 * the user. undefined: there are too many.
 */
export function groupOutcomes(lists: readonly string[]): readonly Outcome[] | undefined {
  const single = stringOutcomes(lists);
  if (single === undefined) return undefined;
  const none: Outcome = lists.map(() => 0);
  const found = new Map([[none.join(), none]]);
  for (const group of single)
    for (const before of found.values()) {
      const both = before.map((outcome, index) => join(outcome, group[index] ?? 0));
      found.set(both.join(), both);
      if (found.size > MAX_GROUP_SETS) return undefined;
    }
  return [...found.values()];
}

function join(a: -1 | 0 | 1, b: -1 | 0 | 1): -1 | 0 | 1 {
  return a === -1 || b === -1 ? -1 : a === 1 || b === 1 ? 1 : 0;
}
