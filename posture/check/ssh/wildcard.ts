/**
 * Does a pattern of ssh_config(5), section PATTERNS (`*` any text, `?` one character), match all of `text`? Takes time
 * in proportion to both lengths, whatever the pattern.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  return fitsPattern(pattern, text, (wanted, character) => wanted === '?' || wanted === character);
}

/**
 * Does a pattern fit all of `text`? `*` in it stands for any number of characters, each other piece for one, as
 * `accepts` says. Takes time in proportion to both lengths, whatever the pattern.
 */
export function fitsPattern<Piece>(
  pieces: ArrayLike<Piece>,
  text: string,
  accepts: (piece: Piece, character: string) => boolean,
): boolean {
  let position = 0;
  let index = 0;
  let star = -1;
  let resume = 0;
  while (index < text.length) {
    const piece = pieces[position];
    if (piece === '*') {
      star = position;
      resume = index;
      position += 1;
    } else if (piece !== undefined && accepts(piece, text.charAt(index))) {
      position += 1;
      index += 1;
    } else if (star >= 0) {
      // Let the last star take one character more.
      position = star + 1;
      resume += 1;
      index = resume;
    } else return false;
  }
  while (pieces[position] === '*') position += 1;
  return position === pieces.length;
}
