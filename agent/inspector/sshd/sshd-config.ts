/** One line of sshd_config: the keyword in lower case and what follows it. Text is one character a byte (latin1). */
export interface Directive {
  readonly keyword: string;
  /** What follows the keyword, as it is written. */
  readonly rest: string;
  readonly args: readonly string[];
  /** From 1. */
  readonly line: number;
}

/** The lines of one file; or the first line that sshd refuses, and why. */
export type ParsedConfig =
  | { readonly ok: true; readonly directives: readonly Directive[] }
  | { readonly ok: false; readonly line: number; readonly problem: string };

/** How arguments are split: `words` since OpenSSH 8.7; before, `"` quotes whole words and `'` is a letter like others. */
export type Splitting = 'words' | 'delimiters';
/** Release that brought `words`. */
export const WORDS_SINCE = 807;

const WHITESPACE = ' \t\r\n';

/**
 * A file as sshd loads it: leading white space of each line is dropped, and what follows a NUL in a line is dropped
 * together with the line's end, so that the next line continues it. Before 8.7, any `#` ends the line.
 */
export function parseSshdConfig(bytes: Buffer, splitting: Splitting): ParsedConfig {
  const directives: Directive[] = [];
  for (const [index, line] of loadedText(bytes, splitting).split('\n').entries()) {
    const parsed = parseSshdLine(line, splitting);
    if (parsed === undefined) continue;
    if ('problem' in parsed) return { ok: false, line: index + 1, problem: parsed.problem };
    directives.push({ ...parsed, line: index + 1 });
  }
  return { ok: true, directives };
}

function loadedText(bytes: Buffer, splitting: Splitting): string {
  const lines = bytes.toString('latin1').split(/(?<=\n)/);
  const read = lines.map((line) => line.split('\0', 1)[0] ?? '');
  const kept = splitting === 'words' ? read : read.map((line) => line.replace(/#.*$/s, '\n'));
  return kept.map((line) => line.replace(/^[ \t\r]+/, '')).join('');
}

/**
 * One line, or what follows `-o`. Keywords ignore case. One `=` may separate keyword and arguments. undefined: the line
 * has no effect; sshd also ignores a line whose keyword has no closing quotation mark.
 */
export function parseSshdLine(
  line: string,
  splitting: Splitting,
): Omit<Directive, 'line'> | { readonly problem: string } | undefined {
  let end = line.length;
  while (end > 1 && `${WHITESPACE}\f`.includes(line.charAt(end - 1))) end -= 1;
  let token = takeToken(line.slice(0, end));
  if (token?.word === '') token = token.rest === undefined ? undefined : takeToken(token.rest);
  if (token === undefined || token.word === '' || token.word.startsWith('#')) return undefined;
  const { word, rest = '' } = token;
  if (rest === '') return { problem: 'a keyword without an argument' };
  const keyword = lowerCase(word);
  const args = splitting === 'words' ? splitArguments(rest) : splitAtDelimiters(rest, keyword === 'setenv');
  if (args === undefined) return { problem: 'a missing quotation mark' };
  return { keyword, rest, args };
}

/** The next word up to white space or one `=`, possibly quoted; undefined where a quotation mark is not closed. */
function takeToken(text: string): { readonly word: string; readonly rest: string | undefined } | undefined {
  const position = text.search(/[ \t\r\n"=]/);
  if (position === -1) return { word: text, rest: undefined };
  if (text[position] === '"') {
    const close = text.indexOf('"', position + 1);
    if (close === -1) return undefined;
    const word = text.slice(0, position) + text.slice(position + 1, close);
    return { word, rest: skipWhitespace(text.slice(close + 1)) };
  }
  let rest = skipWhitespace(text.slice(position + 1));
  if (text[position] !== '=' && rest.startsWith('=')) rest = skipWhitespace(rest.slice(1));
  return { word: text.slice(0, position), rest };
}

/** Without leading white space. */
export function skipWhitespace(text: string): string {
  return text.replace(/^[ \t\r\n]+/, '');
}

/** SetEnv alone keeps its equals signs. */
function splitAtDelimiters(text: string, keepsEquals: boolean): readonly string[] {
  if (keepsEquals) return Array.from(text.matchAll(/(?:[^\s"]|"[^"]*")+/g), ([word]) => word.replaceAll('"', ''));
  const words: string[] = [];
  for (let rest: string | undefined = text; rest !== undefined;) {
    const token = takeToken(rest);
    if (token === undefined || token.word === '') break;
    words.push(token.word);
    rest = token.rest;
  }
  return words;
}

/**
 * Arguments as sshd splits them: at spaces and tabs, `"` and `'` keep spaces together and may be within a word, a
 * backslash protects quotes, itself, and a space outside of quotes. A word that starts with `#` ends the line.
 */
export function splitArguments(text: string): readonly string[] | undefined {
  const args: string[] = [];
  let index = 0;
  for (;;) {
    while (text[index] === ' ' || text[index] === '\t') index += 1;
    if (index >= text.length || text[index] === '#') return args;
    let word = '';
    let quote = '';
    for (; index < text.length; index += 1) {
      const character = text.charAt(index);
      const next = text[index + 1];
      if (character === '\\' && (next === '"' || next === "'" || next === '\\' || (quote === '' && next === ' '))) {
        word += next;
        index += 1;
      } else if (quote === '' && (character === ' ' || character === '\t')) break;
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (quote !== '' && character === quote) quote = '';
      else word += character;
    }
    if (quote !== '') return undefined;
    args.push(word);
  }
}

/** Lower case of ASCII letters alone, as in the C locale, in which sshd runs. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Text that has one character a byte as UTF-8; bytes that are none become U+FFFD. */
export function decodeBytes(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
