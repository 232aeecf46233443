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

Every setting has one name. It can be given in four ways; the first that is there counts:

1. a flag: \`--data-dir /srv/plimsoll\`
2. an environment variable: \`PLIMSOLL_DATA_DIR=/srv/plimsoll\`
3. a key in the configuration file: \`data-dir: /srv/plimsoll\`
4. the default.

The file is YAML, one setting a line: \`${DEFAULT_CONFIG_FILE}\` if it exists, or the one that \`--config\` or
\`${CONFIG_VARIABLE}\` names. A key that is not known, or a value of another kind, stops the program with the line and
what is allowed. \`plimsoll config\` shows every value and where it comes from.
`;

function section(name: string, setting: SettingDefinition<unknown>): string {
  const rows = [
    `- environment: \`${environmentName(name)}\``,
    `- value: ${setting.kind.expects}`,
    `- default: ${defaultText(setting)}`,
    `- used by: ${setting.programs.map(programText).join(', ')}`,
  ];
  if (setting.borrowed !== undefined) rows.push(`- also honoured, before the default: \`${setting.borrowed.name}\``);
  return `## ${name}\n\n${setting.description}\n\n${rows.join('\n')}\n`;
}

function defaultText({ default: value }: SettingDefinition<unknown>): string {
  if (typeof value !== 'string') return value.text;
  return value === '' ? 'none' : `\`${value}\``;
}

function programText(program: SettingDefinition<unknown>['programs'][number]): string {
  return program === 'client' ? 'commands that ask a collector' : `\`plimsoll ${program}\``;
}
