import { connect } from '../api/connect.ts';
import { showIdentity } from '../api/show-identity.ts';
import { defineCommand, OUTPUT_OPTION } from '../command.ts';
import { printFailure } from '../print-error.ts';

export const whoami = defineCommand({
  name: 'whoami',
  summary: 'show who the collector takes you for, and your role',
  usage: ['whoami [options]'],
  description: [
    'Asks the collector for the identity behind the token that commands use: that of plimsoll login, or of the token file.',
  ],
  operands: { min: 0, max: 0 },
  options: [OUTPUT_OPTION],
  settings: ['client'],
  examples: [
    { line: 'plimsoll whoami', meaning: 'name, role, and until when the token is valid' },
    { line: 'plimsoll whoami -o json', meaning: 'also the operations that you may use' },
  ],
  run: async (context) => {
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    return showIdentity(client.value, context, 'whoami');
  },
});
