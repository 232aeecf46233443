import { parseArgs } from 'node:util';
import type { ParseArgsOptionsConfig } from 'node:util';
import { didYouMean, nearestName } from '../service/nearest.ts';
import type { Command, Option } from './command.ts';

/** The arguments of a command, as its description allows them. */
export interface Arguments {
  readonly operands: readonly string[];
  /** Was the option given? */
  readonly has: (name: string) => boolean;
  /** The value of an option that may be given once. */
  readonly value: (name: string) => string | undefined;
  /** The values of an option that may be repeated; commas separate values too. */
  readonly values: (name: string) => readonly string[];
}

/** The arguments, the flags of settings beside them, or what is wrong with the command line. */
export type ParsedArguments =
  | {
      readonly ok: true;
      readonly help: boolean;
      readonly args: Arguments;
      readonly settings: Readonly<Record<string, string>>;
    }
  | { readonly ok: false; readonly problem: string };

/** Options of every command. */
export const COMMON_OPTIONS: readonly Option[] = Object.freeze([
  { name: 'help', short: 'h', summary: 'show this page' },
]);

/** `--config`, for commands with settings. */
export const CONFIG_OPTION: Option = Object.freeze({
  name: 'config',
  value: 'FILE',
  summary: 'configuration file instead of /etc/plimsoll/config.yaml',
});

/**
 * Parses `argv` (without the command's name). `settings` are the names of settings that the command takes as flags;
 * their values are checked with all settings.
 */
export function parseArguments(
  command: Command,
  settings: readonly string[],
  argv: readonly string[],
): ParsedArguments {
  const own = [...command.options, ...COMMON_OPTIONS];
  const settingOptions = settings.map((name) => ({ name, value: 'VALUE', summary: '' }));
  const all: readonly Option[] = settings.length > 0 ? [...own, CONFIG_OPTION, ...settingOptions] : own;
  const { tokens } = parseArgs({
    args: [...argv],
    options: configOf(all),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = all.find(({ name }) => name === token.name);
    const problem = option === undefined ? unknownOption(command, token.rawName, all) : misuse(option, token, given);
    if (problem !== undefined) return { ok: false, problem };
    const values = option === undefined ? [] : valuesOf(option, token.value ?? '');
    given.set(token.name, [...(given.get(token.name) ?? []), ...values]);
  }
  const help = given.has('help');
  const problem = help ? undefined : (checkOperands(command, operands) ?? checkTogether(own, given));
  if (problem !== undefined) return { ok: false, problem };
  const flags: Record<string, string> = {};
  for (const name of ['config', ...settings]) if (given.has(name)) flags[name] = given.get(name)?.at(-1) ?? '';
  return { ok: true, help, args: argumentsOf(given, operands), settings: flags };
}

function argumentsOf(given: ReadonlyMap<string, readonly string[]>, operands: readonly string[]): Arguments {
  return {
    operands,
    has: (name) => given.has(name),
    value: (name) => given.get(name)?.at(-1),
    values: (name) => given.get(name) ?? [],
  };
}

function configOf(options: readonly Option[]): ParseArgsOptionsConfig {
  return Object.fromEntries(
    options.map(({ name, value, short }) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
}

interface OptionToken {
  readonly rawName: string;
  readonly name: string;
  readonly value: string | undefined;
}

function misuse(option: Option, token: OptionToken, given: ReadonlyMap<string, unknown>): string | undefined {
  const flag = `--${option.name}`;
  if (option.value === undefined) return token.value === undefined ? undefined : `${flag} takes no value`;
  if (token.value === undefined || wordsOf(option, token.value).every((word) => word === ''))
    return `${flag} needs a value: ${flag} ${option.value}`;
  if (option.repeated !== true && given.has(option.name)) return `${flag} is given twice`;
  const { choices } = option;
  if (choices === undefined) return undefined;
  const wrong = wordsOf(option, token.value).find((word) => choiceOf(choices, word) === undefined);
  if (wrong === undefined) return undefined;
  return `${flag}: ${JSON.stringify(wrong)} is not one of: ${choices.join(', ')}${didYouMean(wrong, choices)}`;
}

/** The values of one token: choices as they are written in the table, whatever their case. */
function valuesOf(option: Option, value: string): readonly string[] {
  const { choices } = option;
  const words = wordsOf(option, value);
  return choices === undefined ? words : words.map((word) => choiceOf(choices, word) ?? word);
}

function wordsOf({ value, repeated }: Option, text: string): readonly string[] {
  if (value === undefined) return [''];
  return repeated === true ? text.split(',').filter((part) => part !== '') : [text];
}

function choiceOf(choices: readonly string[], word: string): string | undefined {
  const found = choices.find((choice) =>
    choice.endsWith('=') ? word.startsWith(choice) : choice.toLowerCase() === word.toLowerCase(),
  );
  return found?.endsWith('=') === true ? word : found;
}

/** What is wrong with the combination of options. */
function checkTogether(options: readonly Option[], given: ReadonlyMap<string, unknown>): string | undefined {
  for (const { name, excludes = [], needs } of options) {
    if (!given.has(name)) continue;
    const other = excludes.find((one) => given.has(one));
    if (other !== undefined) return `--${name} and --${other} exclude each other`;
    if (needs !== undefined && !given.has(needs)) return `--${name} is for --${needs} only`;
  }
  return undefined;
}

function unknownOption(command: Command, rawName: string, options: readonly Option[]): string {
  const word = rawName.replace(/^-+/, '');
  const names = options.map(({ name }) => name);
  const nearest = nearestName(word, names) ?? nameWith(word, names);
  const meant = nearest === undefined ? `see: plimsoll ${command.name} --help` : `did you mean --${nearest}?`;
  return `${command.name} has no option ${JSON.stringify(rawName)}; ${meant}`;
}

/** The shortest name that contains the word: `--db` is meant as `--vulndb`. */
function nameWith(word: string, names: readonly string[]): string | undefined {
  if (word.length < 2) return undefined;
  return names.filter((name) => name.includes(word)).sort((one, other) => one.length - other.length)[0];
}

function checkOperands(
  { name, usage, operands: { min, max } }: Command,
  operands: readonly string[],
): string | undefined {
  if (operands.length >= min && operands.length <= max) return undefined;
  const usageText =
    usage.length > 2
      ? `see: plimsoll ${name} --help`
      : `usage: ${usage.map((form) => `plimsoll ${form}`).join(' or ')}`;
  if (operands.length < min)
    return `${name} needs ${min === 1 ? 'an argument' : `${String(min)} arguments`}; ${usageText}`;
  return `${name} does not take ${JSON.stringify(operands[max])}; ${usageText}`;
}
