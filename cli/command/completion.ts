import { defineCommand, EXIT_OK } from '../command.ts';
import { printError } from '../print-error.ts';

const SHELLS = Object.freeze(['bash', 'zsh', 'fish'] as const);

export const completion = defineCommand({
  name: 'completion',
  summary: 'print a completion script for bash, zsh or fish',
  usage: ['completion bash|zsh|fish'],
  description: [
    'Prints a script that completes commands, options, their values, and the ids of checks and benchmarks. It asks the collector for the names of nodes and containers (plimsoll completion names node|container), with the settings of the environment and the configuration file. The script is made for this version: print it again after an update.',
  ],
  operands: { min: 1, max: 2, completes: 'shell' },
  options: [],
  settings: [],
  examples: [
    { line: 'source <(plimsoll completion bash)', meaning: 'bash, for this shell; put it into ~/.bashrc to keep it' },
    { line: 'plimsoll completion zsh > "${fpath[1]}/_plimsoll"', meaning: 'zsh' },
    { line: 'plimsoll completion fish > ~/.config/fish/completions/plimsoll.fish', meaning: 'fish' },
  ],
  run: async (context) => {
    const [word, kind] = context.args.operands;
    if (word === 'names' && (kind === 'node' || kind === 'container')) {
      const { printNames } = await import('../completion/names.ts');
      return printNames(context, kind);
    }
    const shell = SHELLS.find((known) => known === word);
    if (shell === undefined || kind !== undefined)
      return printError(context, `no script for ${JSON.stringify(word)}; give one of: ${SHELLS.join(', ')}`);
    const [{ renderCompletion }, { describeProgram }] = await Promise.all([
      import('../completion/script.ts'),
      import('../completion/describe.ts'),
    ]);
    await context.stdout.write(renderCompletion(shell, await describeProgram()));
    return EXIT_OK;
  },
});
