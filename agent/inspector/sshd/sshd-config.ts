/** One line of sshd_config: the keyword in lower case and its arguments. */
export interface Directive {
  readonly keyword: string;
  readonly args: readonly string[];
  /** From 1. */
  readonly line: number;
}

/** The lines of one file; or the first line that sshd would refuse, and why. */
export type ParsedConfig =
  | { readonly ok: true; readonly directives: readonly Directive[] }
  | { readonly ok: false; readonly line: number; readonly problem: string };

/** Names that mean the same as another, sshd_config(5) and its history. */
const ALIASES: Readonly<Record<string, string>> = Object.freeze({
  challengeresponseauthentication: 'kbdinteractiveauthentication',
  hostbasedacceptedkeytypes: 'hostbasedacceptedalgorithms',
  hostdsakey: 'hostkey',
  keepalive: 'tcpkeepalive',
  pubkeyacceptedkeytypes: 'pubkeyacceptedalgorithms',
  skeyauthentication: 'kbdinteractiveauthentication',
});

/** sshd_config(5): a keyword and arguments a line; lines that start with `#` and empty lines say nothing. */
export function parseSshdConfig(text: string): ParsedConfig {
  const directives: Directive[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const parsed = parseSshdLine(line);
    if (parsed === undefined) continue;
    if ('problem' in parsed) return { ok: false, line: index + 1, problem: parsed.problem };
    directives.push({ ...parsed, line: index + 1 });
  }
  return { ok: true, directives };
}

/**
 * One line, or what follows `-o`. Keywords ignore case. One `=` may stand between keyword and arguments. undefined: it
 * says nothing.
 */
export function parseSshdLine(line: string): Omit<Directive, 'line'> | { readonly problem: string } | undefined {
  const match = /^[ \t\r]*(?:"([^"]*)"[ \t\r]*|([^ \t\r\n="]+)[ \t\r]*=?[ \t\r]*)(.*)$/s.exec(
    line.replace(/[ \t\r\f\n]+$/, ''),
  );
  if (match === null) return line.trim() === '' ? undefined : { problem: 'there is no keyword' };
  const keyword = (match[1] ?? match[2] ?? '').toLowerCase();
  if (keyword === '' || keyword.startsWith('#')) return undefined;
  const args = splitArguments(match[3] ?? '');
  if (args === undefined) return { problem: 'a quotation mark is missing' };
  if (match[3] === '') return { problem: 'the keyword has no argument' };
  return { keyword: Object.hasOwn(ALIASES, keyword) ? (ALIASES[keyword] ?? keyword) : keyword, args };
}

/**
 * Arguments as sshd splits them: at spaces and tabs, `"` and `'` keep spaces together and may stand within a word, a
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
