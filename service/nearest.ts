/**
 * The known name that `word` was most likely meant to be; undefined if none is close. For "did you mean". Names of facts
 * have a twin of it, `posture/query/nearest.ts`: neither of the two layers may import the other.
 */
export function nearestName(word: string, known: Iterable<string>): string | undefined {
  // A third of the letters may be wrong, at least two: more is guessing.
  let best = Math.max(2, Math.floor(word.length / 3)) + 1;
  let nearest: string | undefined;
  for (const name of known) {
    // Of two that are as close, the one of the same length: letters are swapped more often than left out.
    const distance = editDistance(word.slice(0, 64), name) + (name.length === word.length ? 0 : 0.1);
    if (distance < best) [best, nearest] = [distance, name];
  }
  return nearest;
}

/** `; did you mean web-3?`, the end of a message about an unknown `word`; empty if no known name is close. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = nearestName(word, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** Levenshtein distance: single letters put in, taken out or replaced. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[other.length] ?? 0;
}
