import { matchesWildcard } from '../../../posture/check/ssh/wildcard.ts';

/** Longer patterns of a list never match, and end it. */
export const MAX_PATTERN_LENGTH = 1022;

/**
 * A comma-separated list of patterns against a text: -1 where a pattern with `!` before it matches, whatever else
 * matches; 1 where another does; otherwise 0.
 */
export function matchPatternList(list: string, text: string): -1 | 0 | 1 {
  let matches: 0 | 1 = 0;
  for (const pattern of patternsOf(list)) {
    const isNegated = pattern.startsWith('!');
    const bare = isNegated ? pattern.slice(1) : pattern;
    if (bare.length > MAX_PATTERN_LENGTH) return 0;
    if (!matchesWildcard(bare, text)) continue;
    if (isNegated) return -1;
    matches = 1;
  }
  return matches;
}

/** The patterns of a list; a comma at the end adds none. */
export function patternsOf(list: string): readonly string[] {
  const patterns = list.split(',');
  if (patterns.at(-1) === '') patterns.pop();
  return patterns;
}

/** Does the text match the list? */
export function matchesPatternList(list: string, text: string): boolean {
  return matchPatternList(list, text) === 1;
}
