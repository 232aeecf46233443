/** A string literal in CEL. Escapes what could end it, and everything but printable ASCII. */
export function celString(text: string): string {
  const escaped = text.replaceAll(/[\\'"`]|[^ -~]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80 && character >= ' ' && character <= '~') return `\\${character}`;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `'${escaped}'`;
}

/** `TARGET.matches('PATTERN')`, for a regular expression of RE2 that also JavaScript reads in the same way. */
export function celMatches(target: string, pattern: string): string {
  return `${target}.matches(${celString(pattern)})`;
}

/** The text as a regular expression that matches only it. */
export function regexLiteral(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** A regular expression for a pattern of `matchesGlob`: `*` is any text, `?` one character. */
export function globRegex(pattern: string): string {
  const parts = Array.from(pattern, (character) => {
    if (character === '*') return '[\\s\\S]*';
    return character === '?' ? '[\\s\\S]' : regexLiteral(character);
  });
  return parts.join('');
}
