import { environmentName } from '../../service/config/setting.ts';
import type { Program, SettingDefinition } from '../../service/config/setting.ts';
import type { SettingName } from '../../service/config/settings.ts';
import { describeProblem } from '../../service/config/problem.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { settingsOf } from '../../service/config/load.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import { loadSettingsOf } from '../load-settings.ts';
import { printListing } from '../output/listing.ts';

const PROGRAMS = Object.freeze([
  'admission',
  'agent',
  'broker',
  'collector',
  'up',
  'scan',
  'client',
  'image',
  'login',
] as const satisfies readonly Program[]);

export const config = defineCommand({
  name: 'config',
  summary: 'show every setting with its value and source',
  usage: ['config [options]'],
  description: [
    'A setting has one name: as a flag (--data-dir DIR), as a variable (PLIMSOLL_DATA_DIR) and as a key in the configuration file (data-dir: DIR). The first of these takes precedence; otherwise the default applies. This command shows the value in effect and its source.',
    'If the configuration is invalid, it prints the file and line, or the variable, and exits with status 2.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    {
      name: 'for',
      value: 'PROGRAM',
      choices: PROGRAMS,
      summary: 'only settings that this part uses; client: client commands',
    },
    OUTPUT_OPTION,
  ],
  settings: PROGRAMS,
  examples: [
    { line: 'plimsoll config', meaning: 'all settings' },
    {
      line: 'plimsoll config --config ./plimsoll.yaml --for agent',
      meaning: 'the settings of an agent with this file',
    },
  ],
  run: async (context) => {
    const { args, paint } = context;
    const program = args.value('for') as Program | undefined;
    const loaded = await originsFor(context, program);
    if (!loaded.ok) return printError(context, loaded.problem);
    const items = [...loaded.origins].map(([name, { origin, from, text }]) => {
      const { description } = SETTINGS[name];
      return { setting: name, value: text, origin, from, variable: environmentName(name), description };
    });
    await printListing(context, {
      document: { settings: items },
      items,
      names: items.map(({ setting }) => setting),
      columns: [
        { title: 'SETTING', min: 12 },
        { title: 'VALUE', min: 16 },
        { title: 'FROM' },
        { title: 'VARIABLE', wide: true },
      ],
      rows: items.map(({ setting, value, origin, from, variable }) => [
        { text: setting },
        value === '' ? { text: emptyText(setting), paint: paint.dim } : { text: value },
        origin === 'default' ? { text: 'default', paint: paint.dim } : { text: from },
        { text: variable },
      ]),
      empty: 'No settings.',
    });
    return EXIT_OK;
  },
});

type Origins =
  { readonly ok: true; readonly origins: Context['origins'] } | { readonly ok: false; readonly problem: string };

/** Some defaults depend on the part: they are worked out as that part would. */
async function originsFor(context: Context, program: Program | undefined): Promise<Origins> {
  if (program === undefined) return { ok: true, origins: context.origins };
  const allowed = new Set<string>(['config', ...settingsOf([program])]);
  const flags = Object.fromEntries(Object.entries(context.settingFlags).filter(([name]) => allowed.has(name)));
  const loaded = await loadSettingsOf([program], flags, context);
  if (loaded.ok) return { ok: true, origins: loaded.origins };
  return { ok: false, problem: loaded.problems.map(describeProblem).join('; ') };
}

/** What nothing means: `(the host name)`. */
function emptyText(name: SettingName): string {
  const setting: SettingDefinition<unknown> = SETTINGS[name];
  return typeof setting.default === 'string' ? '(none)' : `(${setting.default.text.replaceAll('`', '')})`;
}
