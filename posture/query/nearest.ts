/**
 * The known name that `word` was most likely meant to be; undefined if none is close. As `service/nearest.ts`, which
 * this layer may not import, but in any case, and stricter with short words: names of fields are short.
 */
function nearestOf(word: string, known: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase().slice(0, 64);
  // A third of the letters may be wrong, or two of four: more is guessing.
  let best = Math.max(wanted.length > 3 ? 2 : 1, Math.floor(wanted.length / 3)) + 1;
  let nearest: string | undefined;
  for (const name of known) {
    const changes = distance(wanted, name.toLowerCase());
    if (changes < best) [best, nearest] = [changes, name];
  }
  return nearest;
}

/** `; did you mean …?`, or nothing where no known name is close. */
export function suggestion(word: string, known: Iterable<string>): string {
  const nearest = nearestOf(word, known);
  return nearest === undefined ? '' : `; did you mean \`${nearest}\`?`;
}

/** Levenshtein distance: single letters put in, taken out or replaced. */
function distance(one: string, other: string): number {
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
