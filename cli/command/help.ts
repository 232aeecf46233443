import { defineCommand, EXIT_OK } from '../command.ts';
import { printError } from '../print-error.ts';
import { unknownCommandText } from '../unknown-command.ts';

export const help = defineCommand({
  name: 'help',
  summary: 'list the commands, or explain one',
  usage: ['help [COMMAND]'],
  description: ['Prints the list of commands, or the page of one: the same as plimsoll COMMAND --help.'],
  operands: { min: 0, max: 1, completes: 'command' },
  options: [],
  settings: [],
  examples: [{ line: 'plimsoll help scan', meaning: 'what scan does and its options' }],
  run: async (context) => {
    // Loaded here: the registry of commands imports this file.
    const [{ renderCommandHelp, renderHelp }, { COMMAND_NAMES, loadCommand }] = await Promise.all([
      import('../help.ts'),
      import('./registry.ts'),
    ]);
    const [name] = context.args.operands;
    if (name === undefined) {
      await context.stdout.write(await renderHelp());
      return EXIT_OK;
    }
    const command = await loadCommand(name);
    if (command === undefined)
      return printError(context, unknownCommandText(name, COMMAND_NAMES), 'see: plimsoll help');
    await context.stdout.write(await renderCommandHelp(command));
    return EXIT_OK;
  },
});
