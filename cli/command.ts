import type { Program } from '../service/config/setting.ts';
import type { Context } from './context.ts';

/** One command of the program: its documentation and what it does. One file a command, in `cli/command/`. */
export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What stands after `plimsoll` on the command line, one line a form. */
  readonly usage: readonly string[];
  /** Paragraphs for `--help`. */
  readonly description: readonly string[];
  /** Arguments that are no options: how many, and what completes them. */
  readonly operands: Operands;
  readonly options: readonly Option[];
  /** Whose settings it uses: those are options too. Empty: no setting is loaded. */
  readonly settings: readonly Program[];
  /** Runs also where settings are wrong, with defaults in their place: it is what finds out about them. */
  readonly examinesSettings?: true;
  readonly examples: readonly Example[];
  /** What exit status 1 means, where the command answers it without `--fail-on`. */
  readonly issue?: string;
  /** Does it, and answers the exit code. Expected failures are told on standard error, not thrown. */
  readonly run: (context: Context) => Promise<number>;
}

/** Arguments that are no options. */
export interface Operands {
  readonly min: number;
  readonly max: number;
  readonly completes?: 'check' | 'command' | 'benchmark' | 'shell' | 'directory' | 'nodeAction' | 'joinTokenAction';
}

/** One option of a command that is no setting. */
export interface Option {
  readonly name: string;
  /** What the value is called, `DIR`; without it the option takes none. */
  readonly value?: string;
  /** The only values that are allowed. */
  readonly choices?: readonly string[];
  /** May be given several times, or once with commas. */
  readonly repeated?: boolean;
  /** What completes its value, where that is no choice. */
  readonly completes?: 'check' | 'benchmark' | 'directory';
  readonly summary: string;
}

/** One line of shell, and what it is good for. */
export interface Example {
  readonly line: string;
  readonly meaning: string;
}

/** Nothing to complain about. */
export const EXIT_OK = 0;
/** Findings at or over the threshold that was asked for. */
export const EXIT_FINDINGS = 1;
/** What was looked at is not in order. */
export const EXIT_ISSUES = 1;
/** The command could not be understood, or something outside did not work. */
export const EXIT_FAILURE = 2;

/** `--output`, for commands that print data. */
export const OUTPUT_OPTION: Option = Object.freeze({
  name: 'output',
  value: 'FORMAT',
  choices: ['table', 'json', 'ndjson'],
  summary: 'table: for people (default); json: one document; ndjson: one object a line',
});

/** Freezes a command. */
export function defineCommand(command: Command): Command {
  return Object.freeze(command);
}
