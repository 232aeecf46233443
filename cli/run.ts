import type { SettingProblem } from '../service/config/problem.ts';
import { parseArguments } from './arguments.ts';
import type { ParsedArguments } from './arguments.ts';
import { EXIT_FAILURE, EXIT_OK } from './command.ts';
import type { Command } from './command.ts';
import { COMMAND_NAMES, loadCommand } from './command/registry.ts';
import { printError } from './print-error.ts';
import type { Context, CliEnvironment } from './context.ts';
import { renderCommandHelp, renderHelp } from './help.ts';
import { loadSettingsOf } from './load-settings.ts';
import type { Template } from './output/jsonpath.ts';
import { createPaint } from './render/paint.ts';
import { unknownCommandText } from './unknown-command.ts';

/** Default width of text, and the limits of a width that is given. */
const DEFAULT_COLUMNS = 80;
const MIN_COLUMNS = 40;
const MAX_COLUMNS = 500;

/** Runs the command that `argv` (without node and script) names. Answers the exit code. */
export async function runCli(argv: readonly string[], world: CliEnvironment): Promise<number> {
  const [word, ...rest] = await commandFirst(argv);
  if (word === undefined || word === '--help' || word === '-h') return print(world, await renderHelp());
  const name = word === '--version' || word === '-v' || word === '-V' ? 'version' : word;
  const command = await loadCommand(name);
  if (command === undefined) return printError(world, unknownCommandText(name, COMMAND_NAMES), 'see: plimsoll help');
  return runCommand(command, rest, world);
}

/** `argv` with the command before its options, where options come first: `-o json nodes`. */
async function commandFirst(argv: readonly string[]): Promise<readonly string[]> {
  const [first = ''] = argv;
  if (!first.startsWith('-') || argv.length === 1) return argv;
  const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
  const { settingsOf } = await import('../service/config/load.ts');
  const withValue = new Set<string>(['--config']);
  for (const { options, settings } of commands.filter((command) => command !== undefined)) {
    for (const name of settingsOf(settings)) withValue.add(`--${name}`);
    for (const { name, short, value } of options)
      if (value !== undefined) withValue.add(`--${name}`).add(`-${short ?? name}`);
  }
  let index = 0;
  while (argv[index]?.startsWith('-') === true) index += withValue.has(argv[index] ?? '') ? 2 : 1;
  const command = argv[index];
  return command === undefined ? argv : [command, ...argv.slice(0, index), ...argv.slice(index + 1)];
}

async function runCommand(command: Command, argv: readonly string[], world: CliEnvironment): Promise<number> {
  const settingNames = await settingNamesOf(command);
  const parsed = parseArguments(command, settingNames, argv);
  if (!parsed.ok) return printError(world, parsed.problem);
  if (parsed.help) return print(world, await renderCommandHelp(command));
  const template = await templateOf(parsed.args.value('output'));
  if (typeof template === 'string') return printError(world, `--output jsonpath: ${template}`);
  const silent = { ...world, stdout: { isTerminal: false, write: () => Promise.resolve() } };
  const context = await createContext(command, parsed, parsed.args.has('quiet') ? silent : world);
  return typeof context === 'number' ? context : command.run({ ...context, template });
}

/** The parsed template of `jsonpath=…`, or what is wrong with it. */
async function templateOf(output: string | undefined): Promise<Template | string | undefined> {
  if (output?.startsWith('jsonpath=') !== true) return undefined;
  const { parseTemplate } = await import('./output/jsonpath.ts');
  try {
    return parseTemplate(output.slice('jsonpath='.length));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The context, or the exit code where the settings are wrong. */
async function createContext(
  command: Command,
  { args, settings: flags }: Extract<ParsedArguments, { ok: true }>,
  world: CliEnvironment,
): Promise<Context | number> {
  const loaded = await loadSettingsOf(command.settings, flags, world);
  if (!loaded.ok && command.examinesSettings !== true) return complainOfSettings(world, loaded.problems);
  const { settings, origins, warnings: settingWarnings } = loaded.ok ? loaded : loaded.rest;
  const settingProblems = loaded.ok ? [] : loaded.problems;
  if (command.examinesSettings !== true)
    for (const warning of settingWarnings) await printError(world, `warning: ${warning}`);
  const paint = createPaint({
    color: settings.color,
    isTerminal: world.stdout.isTerminal,
    terminal: world.environment['TERM'],
  });
  const width = widthOf(world);
  const tableWidth = isWidthGiven(world) ? width : Infinity;
  const read = { settings, origins, settingProblems, settingWarnings, settingFlags: flags };
  return { ...world, args, ...read, width, tableWidth, paint, template: undefined };
}

async function complainOfSettings(world: CliEnvironment, problems: readonly SettingProblem[]): Promise<number> {
  const { describeProblem } = await import('../service/config/problem.ts');
  for (const problem of problems) await printError(world, describeProblem(problem));
  await world.stderr.write('  see: plimsoll config --help\n');
  return EXIT_FAILURE;
}

function isWidthGiven({ columns, environment }: CliEnvironment): boolean {
  return columns !== undefined || (environment['COLUMNS'] ?? '') !== '';
}

function widthOf({ columns, environment }: CliEnvironment): number {
  const asked = /^[1-9]\d{0,4}$/.test(environment['COLUMNS'] ?? '') ? Number(environment['COLUMNS']) : DEFAULT_COLUMNS;
  return Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, columns ?? asked));
}

async function settingNamesOf(command: Command): Promise<readonly string[]> {
  if (command.settings.length === 0) return [];
  const { settingsOf } = await import('../service/config/load.ts');
  return settingsOf(command.settings);
}

async function print(world: CliEnvironment, text: string): Promise<number> {
  await world.stdout.write(text);
  return EXIT_OK;
}
