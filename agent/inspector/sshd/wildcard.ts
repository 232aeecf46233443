/**
 * A pattern of ssh_config(5), section PATTERNS: `*` stands for any text, `?` for one character. Takes time in
 * proportion to both lengths, whatever the pattern.
 */
export function matchesPattern(pattern: string, text: string): boolean {
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
      position = star + 1;
      resume += 1;
      index = resume;
    } else return false;
  }
  while (pattern[position] === '*') position += 1;
  return position === pattern.length;
}

/** A comma-separated list of patterns; one with `!` before it that matches refuses, whatever else matches. */
export function matchesPatternList(list: string, text: string): boolean {
  let matches = false;
  for (const pattern of list.split(',')) {
    if (pattern.startsWith('!')) {
      if (matchesPattern(pattern.slice(1), text)) return false;
    } else if (matchesPattern(pattern, text)) matches = true;
  }
  return matches;
}
