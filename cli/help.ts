import type { SettingName } from '../service/config/settings.ts';
import { COMMON_OPTIONS, CONFIG_OPTION } from './arguments.ts';
import type { Command, Option } from './command.ts';
import { COMMAND_NAMES, loadCommand } from './command/registry.ts';
import { wrap } from './render/width.ts';

/** Help is written for a terminal of this width. */
const WIDTH = 80;

/** The page of `plimsoll --help`: what there is. */
export async function renderHelp(): Promise<string> {
  const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
  const longest = Math.max(...COMMAND_NAMES.map((name) => name.length));
  const lines = commands
    .filter((command) => command !== undefined)
    .map(({ name, summary }) => `  ${name.padEnd(longest)}  ${summary}`);
  return `${[
    'plimsoll - the security posture that the kernel enforces on container nodes',
    '',
    'USAGE',
    '  plimsoll COMMAND [options]',
    '  plimsoll [options] COMMAND',
    '',
    'COMMANDS',
    ...lines,
    '',
    ...section('COMMON OPTIONS', [
      '  -o, --output FORMAT    table, wide, json, ndjson, csv, name, jsonpath=TEMPLATE',
      '  -n, --node NODE        choose nodes by name or id',
      '  -v, --verdict VERDICT  choose findings by verdict',
      '  -w, --watch            print changes until Ctrl-C',
      '  -q, --quiet            print nothing, only set the exit status',
      '  -h, --help             describe a command, its options and examples',
    ]),
    ...section('EXIT STATUS', [
      '  0  success',
      '  1  findings reach --fail-on, or there are issues',
      '  2  wrong usage, or an external failure',
    ]),
    ...section('EXAMPLES', [
      '  plimsoll scan                judge this machine once',
      '  plimsoll up                  run a collector and an agent on this machine',
      '  plimsoll COMMAND --help      describe a command',
    ]),
  ].join('\n')}\n`;
}

/** The page of `plimsoll COMMAND --help`. */
export async function renderCommandHelp(command: Command): Promise<string> {
  const options = [...command.options, ...COMMON_OPTIONS];
  const description = command.description.flatMap((paragraph, index) => [
    ...(index === 0 ? [] : ['']),
    ...indent(paragraph, 2),
  ]);
  const examples = command.examples.flatMap(({ line, meaning }) => [`  ${line}`, ...indent(meaning, 6)]);
  return `${[
    ...indent(`plimsoll ${command.name} - ${command.summary}`, 0),
    '',
    ...section(
      'USAGE',
      command.usage.map((form) => `  plimsoll ${form}`),
    ),
    ...section('DESCRIPTION', description),
    ...section('OPTIONS', options.flatMap(describeOption)),
    ...(await settingsSection(command)),
    ...section('EXIT STATUS', exitLines(command)),
    ...section('EXAMPLES', examples),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

async function settingsSection(command: Command): Promise<readonly string[]> {
  if (command.settings.length === 0) return [];
  const [{ settingsOf }, { SETTINGS }, { environmentName }] = await Promise.all([
    import('../service/config/load.ts'),
    import('../service/config/settings.ts'),
    import('../service/config/setting.ts'),
  ]);
  const describe = (name: SettingName): readonly string[] => {
    const setting = SETTINGS[name];
    const preset: string =
      typeof setting.default === 'string' ? setting.default : setting.default.text.replaceAll('`', '');
    const note = preset === '' ? '' : ` Default: ${preset}.`;
    return [
      `  --${name} ${setting.kind.name.toUpperCase()}`,
      ...indent(setting.description.replaceAll('`', '') + note, 6),
    ];
  };
  const lines = settingsOf(command.settings).flatMap(describe);
  const sources = `Each is also a variable (${environmentName('data-dir')}) and a key in the configuration file.`;
  return section('SETTINGS', [...indent(sources, 2), ...lines, ...describeOption(CONFIG_OPTION)]);
}

function describeOption({ name, short, value, choices, repeated, summary }: Option): readonly string[] {
  const letter = short === undefined ? '' : `-${short}, `;
  const words = choices === undefined || name === 'output' ? '' : ` One of: ${choices.join(', ')}.`;
  const several = repeated === true ? ' May be repeated.' : '';
  const text = summary.endsWith('.') ? summary : `${summary}.`;
  return [`  ${letter}--${name}${value === undefined ? '' : ` ${value}`}`, ...indent(text + words + several, 6)];
}

/** What each exit status of `command` means, one per line. */
export function exitLines(command: Command): readonly string[] {
  if (command.exits !== undefined) return command.exits;
  const findings = command.options.some(({ name }) => name === 'fail-on')
    ? ['  1  a finding reaches the severity of --fail-on']
    : [];
  const unseen =
    findings.length === 0 || !command.settings.includes('scan')
      ? []
      : [
          '     or not everything could be read: a runtime that docker-host or',
          '     runtime-endpoint names does not answer, or (with --fail-on) running',
          '     containers could not be inspected',
        ];
  const issue = command.issue === undefined ? [] : [`  1  ${command.issue}`];
  return ['  0  success', ...findings, ...issue, '  2  wrong usage, or an external failure', ...unseen];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines, ''];
}

function indent(text: string, by: number): readonly string[] {
  return wrap(text, WIDTH - by).map((line) => ' '.repeat(by) + line);
}
