import { CONFIG_VARIABLE, DEFAULT_CONFIG_FILE } from './load.ts';
import { environmentName } from './setting.ts';
import type { SettingDefinition } from './setting.ts';
import { SETTING_NAMES, SETTINGS } from './settings.ts';

/** The page docs/configuration.md, Markdown, derived from the table of settings. */
export function renderConfigurationPage(): string {
  return [INTRODUCTION, ...SETTING_NAMES.map((name) => section(name, SETTINGS[name]))].join('\n');
}

const INTRODUCTION = `# Configuration

<!-- Generated from service/config/settings.ts. Do not edit. -->

Every setting has one name. The first of these sources that sets it takes precedence:

1. a flag: \`--data-dir /srv/plimsoll\`
2. an environment variable: \`PLIMSOLL_DATA_DIR=/srv/plimsoll\`
3. a key in the configuration file: \`data-dir: /srv/plimsoll\`
4. the default.

The configuration file is YAML with one setting per line: the file that \`--config\` or \`${CONFIG_VARIABLE}\` names,
otherwise \`${DEFAULT_CONFIG_FILE}\` if it exists. An unknown key or an invalid value stops the program with a message that
names the line and the allowed values. \`plimsoll config\` shows every value and its source.
`;

function section(name: string, setting: SettingDefinition<unknown>): string {
  const rows = [
    `- environment: \`${environmentName(name)}\``,
    `- value: ${setting.kind.expects}`,
    `- default: ${defaultText(setting)}`,
    `- used by: ${setting.programs.map(programText).join(', ')}`,
  ];
  if (setting.borrowed !== undefined) rows.push(`- fallback before the default: \`${setting.borrowed.name}\``);
  return `## ${name}\n\n${setting.description}\n\n${rows.join('\n')}\n`;
}

/** The default of a setting, as Markdown. */
export function defaultText({ default: value }: SettingDefinition<unknown>): string {
  if (typeof value !== 'string') return value.text;
  return value === '' ? 'none' : `\`${value}\``;
}

function programText(program: SettingDefinition<unknown>['programs'][number]): string {
  if (program === 'client') return 'client commands';
  return program === 'image' ? 'commands about images' : `\`plimsoll ${program}\``;
}
