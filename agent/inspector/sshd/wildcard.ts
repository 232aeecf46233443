import { matchesWildcard } from '../../../posture/check/ssh/wildcard.ts';

/** A comma-separated list of patterns; one with `!` before it that matches refuses, whatever else matches. */
export function matchesPatternList(list: string, text: string): boolean {
  let matches = false;
  for (const pattern of list.split(',')) {
    if (pattern.startsWith('!')) {
      if (matchesWildcard(pattern.slice(1), text)) return false;
    } else if (matchesWildcard(pattern, text)) matches = true;
  }
  return matches;
}
