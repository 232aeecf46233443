import { environmentName } from '../../service/config/setting.ts';
import type { Program } from '../../service/config/setting.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { settingsOf } from '../../service/config/load.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printListing } from '../print.ts';

const PROGRAMS = Object.freeze(['agent', 'collector', 'up', 'scan', 'client'] as const satisfies readonly Program[]);

export const config = defineCommand({
  name: 'config',
  summary: 'show every setting, its value and where that comes from',
  usage: ['config [options]'],
  description: [
    'A setting has one name: as a flag (--data-dir DIR), as a variable (PLIMSOLL_DATA_DIR) and as a key in the configuration file (data-dir: DIR). The first that is there counts, in this order; otherwise the default. This command shows what counts, and where it was found.',
    'What is wrong with the configuration is said with its file, line or variable; exit status 2.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    {
      name: 'for',
      value: 'PROGRAM',
      choices: PROGRAMS,
      summary: 'only settings that this part uses; client: commands that ask a collector',
    },
    OUTPUT_OPTION,
  ],
  settings: PROGRAMS,
  examples: [
    { line: 'plimsoll config', meaning: 'all settings' },
    {
      line: 'plimsoll config --config ./plimsoll.yaml --for agent',
      meaning: 'what an agent with this file would run with',
    },
  ],
  run: async (context) => {
    const { args, origins, paint } = context;
    const program = args.value('for') as Program | undefined;
    const names = settingsOf(program === undefined ? PROGRAMS : [program]);
    const items = names.flatMap((name) => {
      const found = origins.get(name);
      if (found === undefined) return [];
      const { origin, from, text } = found;
      return [
        {
          setting: name,
          value: text,
          origin,
          from,
          variable: environmentName(name),
          description: SETTINGS[name].description,
        },
      ];
    });
    await printListing(context, {
      document: { settings: items },
      items,
      columns: [{ title: 'SETTING', min: 12 }, { title: 'VALUE', min: 16 }, { title: 'FROM' }],
      rows: items.map(({ setting, value, origin, from }) => [
        { text: setting },
        { text: value },
        origin === 'default' ? { text: 'default', paint: paint.dim } : { text: from },
      ]),
      empty: 'No setting.',
    });
    return EXIT_OK;
  },
});
