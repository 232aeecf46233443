import { safeJson } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { askConsoleLink } from '../api/console-link.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import { printFailure } from '../print-error.ts';
import { clockTime } from '../../api/format.ts';

export const console = defineCommand({
  name: 'console',
  summary: 'print a sign-in link for the web console',
  usage: ['console [options]'],
  description: [
    'Prints a link that opens the web console of the collector and signs in. It is valid once, for five minutes; the session lasts twelve hours, or until the operator token is changed. Anyone with the link can use it first: keep it secret.',
    'The console has the address of the operator API. From another machine, forward the port: ssh -L 7480:127.0.0.1:7480 HOST.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    {
      name: 'output',
      value: 'FORMAT',
      choices: ['text', 'json'],
      summary: 'text: for people (default); json: one document',
    },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll console', meaning: 'a new link' },
    { line: 'plimsoll console --output json', meaning: 'for a script' },
  ],
  run: async (context) => {
    const { args, settings, stdout, stderr } = context;
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const link = await askConsoleLink(client.value);
    if (!link.ok) return printFailure(context, link.problem);
    const { url, expiresMs } = link.value;
    if (args.value('output') === 'json') {
      await stdout.write(`${safeJson({ url, expiresMs }, 2)}\n`);
      return EXIT_OK;
    }
    await stdout.write(`${url}\n`);
    // Apart from the link, so that a pipe gets nothing else.
    await stderr.write(`opens once, until ${clockTime(expiresMs)}\n`);
    return EXIT_OK;
  },
});
