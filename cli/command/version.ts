import { safeJson } from '../../api/safe.ts';
import { defineCommand, EXIT_OK, outputOption } from '../command.ts';

export const version = defineCommand({
  name: 'version',
  summary: 'print the version',
  usage: ['version [options]'],
  description: ['Prints the version of this program and of the Node.js that it runs on.'],
  operands: { min: 0, max: 0 },
  options: [outputOption('table', 'json')],
  settings: [],
  examples: [{ line: 'plimsoll version --output json', meaning: 'for a script' }],
  run: async ({ args, stdout, version, platform }) => {
    const line = `plimsoll ${version} (node ${platform.node}, ${platform.system} ${platform.architecture})`;
    const { node, system, architecture } = platform;
    const asJson = safeJson({ version, node, system, architecture });
    await stdout.write(`${args.value('output') === 'json' ? asJson : line}\n`);
    return EXIT_OK;
  },
});
