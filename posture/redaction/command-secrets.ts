import { isHarmlessValue, secretNameKind } from './secret-name.ts';
import { READING_OPTION, READING_PROGRAM, SECRET_OPTIONS } from './secret-option.ts';
import type { SecretOptions } from './secret-option.ts';
import { shellCommands } from './shell-words.ts';
import type { ShellCommand, ShellWord } from './shell-words.ts';
import type { SecretSpan } from './span.ts';

const NONE: readonly SecretSpan[] = Object.freeze([]);
const OPTION_VALUE = 'a secret option of a command';
/** A shell in a shell in a shell. */
const MAX_DEPTH = 4;
/** A password is not longer than that. */
const MAX_HERE_DOCUMENT = 4096;
/** How many words behind a program still belong to it. */
const MAX_DISTANCE = 64;

/** Adds the secrets that the commands in `text` are given, also those of commands within quotes: `sh -c "mysql -p…"`. */
export function addSecretsOfCommands(found: SecretSpan[], text: string, start = 0, end = text.length, depth = 0): void {
  const commands = shellCommands(text, start, end);
  for (let index = 0; index < commands.length; index += 1) {
    const command = commands[index] as ShellCommand;
    addSecretsOfWords(found, text, command.words);
    add(found, secretsFromInput(text, command, commands[index + 1]));
    if (depth === MAX_DEPTH) continue;
    for (const word of command.words)
      for (const part of word.quoted)
        if (part.end - part.start < end - start && /\s/.test(text.slice(part.start, part.end)))
          addSecretsOfCommands(found, text, part.start, part.end, depth + 1);
  }
}

/** Adds the secrets among the words of one command, by the names of options and by the programs that they belong to. */
export function addSecretsOfWords(found: SecretSpan[], text: string, words: readonly ShellWord[]): void {
  let program: { readonly at: number; readonly options: readonly SecretOptions[] } | undefined;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] as ShellWord;
    const known = SECRET_OPTIONS.get(word.text.slice(word.text.lastIndexOf('/') + 1));
    if (known !== undefined && known !== program?.options) program = { at: index, options: known };
    add(found, assignedSecret(text, word));
    add(found, namedSecret(text, words, index));
    if (program === undefined || index === program.at) continue;
    for (const options of program.options) add(found, optionSecret(text, words, index, program.at, options));
  }
}

function add(found: SecretSpan[], spans: readonly SecretSpan[]): void {
  for (let index = 0; index < spans.length; index += 1) found.push(spans[index] as SecretSpan);
}

/** `--password=X`, `DB_PASSWORD=X`, `-DtrustPassword=X`, to the end of the word whatever it holds. */
function assignedSecret(text: string, word: ShellWord): readonly SecretSpan[] {
  const raw = text.slice(word.start, Math.min(word.end, word.start + 300));
  if (!raw.includes('=')) return NONE;
  const name = /^-{0,2}([A-Za-z_][\w.-]{0,255})=/.exec(raw);
  if (name === null) return NONE;
  return valueSpan(text, { ...word, start: word.start + name[0].length }, name[1] ?? '');
}

/** The value after `--password`, `ENV DB_PASSWORD`, `config set token`, `login bob password`. */
function namedSecret(text: string, words: readonly ShellWord[], index: number): readonly SecretSpan[] {
  const value = words[index + 1];
  const name = words[index]?.text ?? '';
  if (value === undefined || name.length > 256) return NONE;
  if (/^--?[A-Za-z_][\w.-]*$/.test(name)) return value.text.startsWith('--') ? NONE : valueSpan(text, value, name);
  const third = words[index + 2];
  if (name.startsWith('http-basic.') && third !== undefined) return valueSpan(text, third, 'password');
  const previous = words[index - 1]?.text ?? '';
  if (/^(?:ENV|ARG)$/.test(previous)) {
    const last = words.at(-1) ?? value;
    return valueSpan(text, { ...value, end: last.end }, name);
  }
  if (/^(?:set|config|--set|--global)$/.test(previous)) return valueSpan(text, value, name);
  if (/^(?:password|passwd|account)$/i.test(name) && words.slice(Math.max(0, index - 5), index).some(isAccountWord))
    return valueSpan(text, value, 'password');
  if (/^(?:requirepass|masterauth|bindpw|rootpw|olcRootPW)$/.test(name)) return valueSpan(text, value, 'password');
  return NONE;
}

const isAccountWord = ({ text }: ShellWord): boolean => /^(?:login|machine|user|username|default)$/i.test(text);

/** The secret in the word at `index`, for a program whose name is at `at`. */
function optionSecret(
  text: string,
  words: readonly ShellWord[],
  index: number,
  at: number,
  options: SecretOptions,
): readonly SecretSpan[] {
  const word = words[index] as ShellWord;
  const next = words[index + 1];
  if (index > at + MAX_DISTANCE) return NONE;
  if (options.after !== undefined && !hasBefore(words, at, index, options.after)) return NONE;
  if (options.operand !== undefined) return operandSecret(text, words, index, at, options);
  const letter = word.text.charAt(1);
  const isShort = /^-[A-Za-z]/.test(word.text);
  if (isShort && word.text.length > 2 && `${options.letters ?? ''}${options.glued ?? ''}`.includes(letter))
    return valueSpan(text, rest(text, word, 2));
  if (options.glued !== undefined && options.glued.length > 1 && word.text.startsWith(options.glued))
    return valueSpan(text, rest(text, word, options.glued.length));
  const account = options.accounts?.find((option) => startsOption(word.text, option));
  if (account !== undefined) {
    const isWhole = word.text === account || !word.text.startsWith(account);
    return isWhole ? accountSpan(text, next) : accountSpan(text, rest(text, word, account.length));
  }
  const isNamed = options.options?.includes(word.text) === true;
  if (
    next === undefined ||
    !(isNamed || (isShort && word.text.length === 2 && options.letters?.includes(letter) === true))
  )
    return NONE;
  if (next.text.startsWith('-')) return NONE;
  // openssl-passphrase-options(1).
  if (/^(?:env|file|fd):|^stdin$/.test(next.text)) return NONE;
  return valueSpan(text, next.text.startsWith('pass:') ? rest(text, next, 5) : next);
}

/** `-u`, `-uX`, `-fsSu`, `--user`, `--user=X`. */
function startsOption(word: string, option: string): boolean {
  if (word === option) return true;
  if (option.startsWith('--')) return word.startsWith(`${option}=`);
  return word.startsWith(option) || (/^-[A-Za-z]{1,8}$/.test(word) && word.endsWith(option.charAt(1)));
}

function hasBefore(words: readonly ShellWord[], at: number, index: number, wanted: string): boolean {
  // `-b` of htpasswd may be combined with other letters: `-nb`.
  const pattern = wanted.startsWith('-') ? new RegExp(`^-[A-Za-z]*${wanted.slice(1)}[A-Za-z]*$`) : undefined;
  for (let before = at + 1; before < index; before += 1) {
    const { text } = words[before] as ShellWord;
    if (pattern === undefined ? text === wanted : pattern.test(text)) return true;
  }
  return false;
}

function operandSecret(
  text: string,
  words: readonly ShellWord[],
  index: number,
  at: number,
  { after, operand = 0 }: SecretOptions,
): readonly SecretSpan[] {
  const word = words[index] as ShellWord;
  if (word.text.startsWith('-')) return NONE;
  if (operand === -1) return index === words.length - 1 ? valueSpan(text, word) : NONE;
  let from = at + 1;
  if (after !== undefined) from = at + 1 + words.slice(at + 1, index).findIndex(({ text: each }) => each === after) + 1;
  const operands = words.slice(from, from + 16).filter(({ text: each }) => !each.startsWith('-'));
  return operands[operand] === word ? valueSpan(text, word) : NONE;
}

/** `user:password`, `user%password`, `user,password`: what is behind the first separator. */
function accountSpan(text: string, word: ShellWord | undefined): readonly SecretSpan[] {
  if (word === undefined) return NONE;
  const separator = text.slice(word.start, word.end).search(/[:%,]/);
  return separator === -1 ? NONE : valueSpan(text, trimQuote(text, { ...word, start: word.start + separator + 1 }));
}

/** The word without its first `length` characters, not counting a quote before them. */
function rest(text: string, word: ShellWord, length: number): ShellWord {
  const quote = '"\''.includes(text.charAt(word.start)) ? 1 : 0;
  return trimQuote(text, { ...word, start: word.start + quote + length });
}

/** `root:x"` without the quote at its end: the one before it was cut off. */
function trimQuote(text: string, word: ShellWord): ShellWord {
  const last = text.charAt(word.end - 1);
  const isHalf = (last === '"' || last === "'") && text.indexOf(last, word.start) === word.end - 1;
  return isHalf ? { ...word, end: word.end - 1 } : word;
}

/** The value as a span without the quotes around it; nothing where it is surely no secret. */
function valueSpan(text: string, word: ShellWord, name?: string): readonly SecretSpan[] {
  const kind = name === undefined ? 'certain' : secretNameKind(name);
  if (kind === undefined) return NONE;
  let { start, end } = word;
  const quote = text.charAt(start);
  if ((quote === '"' || quote === "'") && end - start > 1 && text.charAt(end - 1) === quote) {
    start += 1;
    end -= 1;
  }
  const value = text.slice(start, end);
  if (isHarmlessValue(value, kind, quote === "'") || start >= end) return NONE;
  // `$(` and a backquote begin a command of its own: what it prints is judged there.
  if (value === '$' && '(`'.includes(text.charAt(end))) return NONE;
  const plainName = name?.replace(/^-+/, '');
  return plainName === undefined
    ? [{ start, end, what: OPTION_VALUE }]
    : [{ start, end, what: `a value of ${plainName}`, name: plainName }];
}

/** What `echo` or `printf` hands to a program that reads a password, and lines that are handed to it in place. */
function secretsFromInput(text: string, command: ShellCommand, next: ShellCommand | undefined): readonly SecretSpan[] {
  const { words } = command;
  const what = 'a password on the standard input of a command';
  const here = words.find((word) => word.text.startsWith('<<'));
  if (here !== undefined) {
    if (!isReader(command)) return NONE;
    const isString = here.text.startsWith('<<<');
    const value = here.text === '<<<' ? words[words.indexOf(here) + 1] : rest(text, here, 3);
    const found = isString ? (value === undefined ? NONE : valueSpan(text, value)) : hereDocument(text, here);
    return found.map(({ start, end }) => ({ start, end, what }));
  }
  const echo = words.findIndex((word) => word.text === 'echo' || word.text === 'printf');
  if (echo === -1) return NONE;
  const given = words.slice(echo + 1).filter(({ text: each }) => !/^-[a-zA-Z]+$|^%s(?:\\?\\n)?$/.test(each));
  const isPiped = command.operator === '|' && next !== undefined && isReader(next);
  if (!isPiped && !isSubstituted(text, words)) return NONE;
  return given.flatMap((word) => {
    const colon = /^["']?[A-Za-z_][\w.-]{0,31}:(?=[^:\n]*$)/.exec(
      text.slice(word.start, Math.min(word.end, word.start + 300)),
    );
    const value = colon === null ? word : { ...word, start: word.start + colon[0].length };
    return valueSpan(text, trimQuote(text, value)).map(({ start, end }) => ({ start, end, what }));
  });
}

function isReader({ words }: ShellCommand): boolean {
  if (words[0]?.text === 'sudo' && words.some(({ text }) => text === '-S')) return true;
  return words.slice(0, 64).some(({ text }) => READING_OPTION.test(text) || READING_PROGRAM.test(text));
}

/** Is the command inside `PASSWORD=$(…)`? */
function isSubstituted(text: string, words: readonly ShellWord[]): boolean {
  const start = words[0]?.start ?? 0;
  if (!'(`'.includes(text.charAt(start - 1).trim())) return false;
  const before = /([A-Za-z_][\w.-]{0,127})=["']?(?:\$\(|`)\s{0,8}$/.exec(text.slice(Math.max(0, start - 160), start));
  return before !== null && secretNameKind(before[1] ?? '') !== undefined;
}

/** The lines between `<<EOF` and `EOF`. */
function hereDocument(text: string, here: ShellWord): readonly SecretSpan[] {
  const mark = here.text.replace(/^<<-?/, '');
  const start = text.indexOf('\n', here.end) + 1;
  if (mark === '' || start === 0) return NONE;
  const end = start - 1 + text.slice(start - 1, start + MAX_HERE_DOCUMENT).indexOf(`\n${mark}`);
  return start < end ? [{ start, end, what: OPTION_VALUE }] : NONE;
}
