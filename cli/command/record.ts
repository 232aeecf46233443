import { resolve } from 'node:path';
import { safe } from '../../api/safe.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import { printError } from '../print-error.ts';

export const record = defineCommand({
  name: 'record',
  summary: 'record this node into a directory',
  usage: ['record DIR [options]'],
  description: [
    'Writes what a scan of this node reads into DIR: files, directory listings, replies of the container runtime and results of probes. Secrets are redacted as they are read. The recording can be judged on any machine with plimsoll scan --recorded DIR, attached to a bug report, or kept as a test.',
    'DIR must not exist, or must be an empty directory that you own. It is readable by its owner only.',
  ],
  operands: { min: 1, max: 1, completes: 'directory' },
  options: [],
  settings: ['scan'],
  examples: [
    { line: 'sudo plimsoll record ./web-3', meaning: 'record this machine' },
    { line: 'plimsoll scan --recorded ./web-3', meaning: 'judge it, on any machine' },
  ],
  run: async (context) => {
    const { args, settings, programs, stdout, workingDirectory } = context;
    const [given = ''] = args.operands;
    const directory = resolve(workingDirectory, given);
    const outcome = await programs.record({ settings, directory, signal: context.listenForShutdown() });
    if (!outcome.ok) return printError(context, outcome.problem, outcome.hint);
    const { results, bytes, dropped } = outcome;
    const left = dropped === 0 ? '' : `, ${String(dropped)} left out because they were too large`;
    await stdout.write(
      `recorded ${String(results)} results (${String(Math.ceil(bytes / 1024))} KiB) into ${safe(directory)}${left}\n` +
        `judge it: ${context.invocation} scan --recorded ${safe(given)}\n`,
    );
    return EXIT_OK;
  },
});
