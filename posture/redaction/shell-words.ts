/** One word of a command line. */
export interface ShellWord {
  /** Where the word is in the text, quotes included. */
  readonly start: number;
  readonly end: number;
  /** The word as the program gets it: without quotes and backslashes. */
  readonly text: string;
  /** The places between the quotes of its quoted parts. */
  readonly quoted: readonly { readonly start: number; readonly end: number }[];
}

/** Words up to an operator of the shell, or the end of a line. */
export interface ShellCommand {
  readonly words: readonly ShellWord[];
  /** The operator that ends it: one character of `;&|()`, a backquote, the `#` of a comment or a line feed; empty at the end of the text. */
  readonly operator: string;
}

const NOTHING_QUOTED: ShellWord['quoted'] = Object.freeze([]);
const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13 && code !== 10) || code === 0;
const OPERATORS = new Set(';&|()\n`');

/**
 * Splits a text as a shell does (POSIX 2.3), without expanding anything: words, quotes, backslashes, continued lines.
 * A quote that is never closed is an ordinary character, so prose does no harm. The brackets and commas of a JSON array
 * of strings end a word too: `["mysql", "-p"]`. Time is in proportion to the length.
 */
export function shellCommands(text: string, start = 0, end = text.length): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  const scanner = createScanner(text, end);
  let words: ShellWord[] = [];
  let position = start;
  while (position < end) {
    const character = text.charAt(position);
    if (isSpace(text.charCodeAt(position))) position += 1;
    else if (character === '\\' && isLineEnd(text, position + 1))
      position += text.charAt(position + 1) === '\r' ? 3 : 2;
    else if (OPERATORS.has(character) || isComment(text, position)) {
      if (words.length > 0) commands.push({ words, operator: character });
      words = [];
      position += 1;
    } else if (scanner.isArrayMark(position)) position += 1;
    else {
      const word = scanner.word(position);
      words.push(word);
      position = word.end;
    }
  }
  if (words.length > 0) commands.push({ words, operator: '' });
  return commands;
}

interface Scanner {
  readonly word: (start: number) => ShellWord;
  /** Is here a bracket or comma beside the strings of an array? */
  readonly isArrayMark: (position: number) => boolean;
}

function createScanner(text: string, end: number): Scanner {
  // A quote that was not closed from here is not closed from further on either.
  const unclosedFrom: Record<string, number> = { '"': Infinity, "'": Infinity };
  const closing = (quote: string, open: number): number => {
    if (open >= (unclosedFrom[quote] ?? Infinity)) return -1;
    let at = open + 1;
    while (at < end) {
      const character = text.charAt(at);
      if (character === quote) return at;
      at += character === '\\' && quote === '"' ? 2 : 1;
    }
    unclosedFrom[quote] = open;
    return -1;
  };
  const isQuote = (position: number): boolean => position < end && isQuoteCode(text.charCodeAt(position));
  const isArrayMark = (position: number): boolean => {
    const character = text.charAt(position);
    if (character === '[') return isQuote(position + 1);
    return (character === ',' || character === ']') && position > 0 && isQuote(position - 1);
  };
  const word = (start: number): ShellWord => {
    let quoted: { start: number; end: number }[] | undefined;
    let plain = '';
    let position = start;
    while (position < end) {
      const character = text.charAt(position);
      if (character === '\\' && position + 1 < end) {
        // A shell would join what a continued line has on both sides. A line of other text that ends in a backslash must
        // not hide the command on the next one.
        if (isLineEnd(text, position + 1)) break;
        plain += text.charAt(position + 1);
        position += 2;
        continue;
      }
      const close = isQuote(position) ? closing(character, position) : -1;
      if (close !== -1) {
        (quoted ??= []).push({ start: position + 1, end: close });
        const inside = text.slice(position + 1, close);
        plain += character === '"' ? inside.replaceAll(/\\(["\\$`])/g, '$1') : inside;
        position = close + 1;
        if (isArrayMark(position) && ',]'.includes(text.charAt(position))) break;
        continue;
      }
      if (isSpace(text.charCodeAt(position)) || OPERATORS.has(character)) break;
      if (position > start && isArrayMark(position)) break;
      plain += character;
      position += 1;
    }
    return { start, end: Math.min(position, end), text: plain, quoted: quoted ?? NOTHING_QUOTED };
  };
  return { word, isArrayMark };
}

/** `# …`; what follows is read as another command, since comments contain secrets too. */
function isComment(text: string, position: number): boolean {
  return text.charAt(position) === '#' && isSpace(text.charCodeAt(position + 1));
}

const isQuoteCode = (code: number): boolean => code === 34 || code === 39;

function isLineEnd(text: string, position: number): boolean {
  return text.charAt(position) === '\n' || text.startsWith('\r\n', position);
}
