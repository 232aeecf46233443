/**
 * Does a pattern of ssh_config(5), section PATTERNS (`*` any text, `?` one character), match all of `text`? Takes time
 * in proportion to both lengths, whatever the pattern.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  let position = 0;
  let index = 0;
  let star = -1;
  let resume = 0;
  while (index < text.length) {
    const wanted = pattern[position];
    if (wanted === '*') {
      star = position;
      resume = index;
      position += 1;
    } else if (wanted === '?' || wanted === text[index]) {
      position += 1;
      index += 1;
    } else if (star >= 0) {
      // Let the last star take one character more.
      position = star + 1;
      resume += 1;
      index = resume;
    } else return false;
  }
  while (pattern[position] === '*') position += 1;
  return position === pattern.length;
}
