import type { Program } from '../service/config/setting.ts';
import type { Context } from './context.ts';

/** One command of the program: its documentation and what it does. One file per command, in `cli/command/`. */
export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What follows `plimsoll` on the command line, one line per form. */
  readonly usage: readonly string[];
  /** Paragraphs for `--help`. */
  readonly description: readonly string[];
  /** Arguments that are not options: how many, and what completes them. */
  readonly operands: Operands;
  readonly options: readonly Option[];
  /** Whose settings it uses: those are options too. Empty: it loads none. */
  readonly settings: readonly Program[];
  /** Runs also with wrong settings, with defaults in their place: it reports them itself. */
  readonly examinesSettings?: true;
  readonly examples: readonly Example[];
  /** What exit status 1 means, where the command answers it without `--fail-on`. */
  readonly issue?: string;
  /** What each exit status means, one per line, in place of the usual lines. */
  readonly exits?: readonly string[];
  /** Runs it and returns the exit code. Expected failures are printed on standard error, not thrown. */
  readonly run: (context: Context) => Promise<number>;
}

/** Arguments that are not options. */
export interface Operands {
  readonly min: number;
  readonly max: number;
  readonly completes?:
    | 'check'
    | 'command'
    | 'benchmark'
    | 'benchmarkAction'
    | 'shell'
    | 'directory'
    | 'file'
    | 'nodeAction'
    | 'joinTokenAction'
    | 'tokenAction'
    | 'policyAction'
    | 'checksAction'
    | 'imageAction'
    | 'rolloutAction'
    | 'agentAction'
    | 'authzAction'
    | 'vulndbAction'
    | 'sinkAction'
    | 'waiverAction'
    | 'deadLetterAction';
}

/** One option of a command that is not a setting. */
export interface Option {
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What the value is called, `DIR`; without it the option takes none. */
  readonly value?: string;
  /** The only values that are allowed, in upper or lower case. One that ends in `=` is followed by any text. */
  readonly choices?: readonly string[];
  /** Options that cannot be given together with this one. */
  readonly excludes?: readonly string[];
  /** The option that this one belongs to: without it, it is an error. */
  readonly needs?: string;
  /** May be given several times, or once with commas. */
  readonly repeated?: boolean;
  /** What completes its value, where that is no choice. */
  readonly completes?: 'check' | 'benchmark' | 'scanBenchmark' | 'directory' | 'file' | 'node' | 'subject';
  readonly summary: string;
}

/** One line of shell, and what it does. */
export interface Example {
  readonly line: string;
  readonly meaning: string;
}

/** Success. */
export const EXIT_OK = 0;
/** A finding reaches the threshold of `--fail-on`. */
export const EXIT_FINDINGS = 1;
/** The command found an issue. */
export const EXIT_ISSUES = 1;
/** Wrong usage, or an external failure. */
export const EXIT_FAILURE = 2;

const FORMATS = Object.freeze({
  table: 'table: for people (default)',
  wide: 'wide: a table with more columns',
  json: 'json: one document',
  ndjson: 'ndjson: one object per line',
  sarif: 'sarif: SARIF 2.1.0',
  junit: 'junit: JUnit XML',
  gitlab: 'gitlab: code quality report of GitLab',
  ocsf: 'ocsf: OCSF 1.8, one event per line',
  asff: 'asff: findings of AWS Security Hub',
  html: 'html: one page for people who audit',
  csv: 'csv: RFC 4180, with a header',
  name: 'name: one name per line',
  'jsonpath=': "jsonpath=TEMPLATE: as in kubectl, such as jsonpath='{.items[*].id}'",
});

/** `--output` with some of the formats. */
export function outputOption(...formats: readonly (keyof typeof FORMATS)[]): Option {
  return Object.freeze({
    name: 'output',
    short: 'o',
    value: 'FORMAT',
    choices: formats,
    summary: formats.map((format) => FORMATS[format]).join('; '),
  });
}

/** `--output` of commands that print a list. */
export const OUTPUT_OPTION = outputOption('table', 'wide', 'json', 'ndjson', 'csv', 'name', 'jsonpath=');

/** `--output` of commands that print findings. */
export const FINDINGS_OUTPUT = outputOption(
  'table',
  'wide',
  'json',
  'ndjson',
  'csv',
  'name',
  'sarif',
  'junit',
  'html',
  'ocsf',
  'asff',
  'jsonpath=',
);

/** `--quiet`, for commands whose exit status is an answer. */
export const QUIET_OPTION: Option = Object.freeze({
  name: 'quiet',
  short: 'q',
  summary: 'print nothing, only set the exit status',
  excludes: ['output'],
});

/** `--node`, for commands that choose nodes. */
export function nodeOption(summary: string): Option {
  return Object.freeze({
    name: 'node',
    short: 'n',
    value: 'NODE',
    repeated: true,
    completes: 'node',
    summary: `${summary}, by name or id; an id may be shortened`,
  });
}

/** Freezes a command. */
export function defineCommand(command: Command): Command {
  return Object.freeze(command);
}
