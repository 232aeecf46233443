import { defineCommand, OUTPUT_OPTION, QUIET_OPTION } from '../command.ts';
import { listSinks } from '../sinks/list-sinks.ts';

export const sinks = defineCommand({
  name: 'sinks',
  summary: 'list the sinks and their delivery status',
  usage: ['sinks [options]'],
  description: [
    'Asks the collector for its sinks. For each it shows whether the sink accepts events, how many events wait and since when, how many were delivered and how many were rejected since the collector started, how many rejected events wait as dead letters (plimsoll deadletter), and the last error. With --output wide, POSITION is the last event that will not be sent again.',
  ],
  operands: { min: 0, max: 0 },
  options: [OUTPUT_OPTION, QUIET_OPTION],
  issue: 'a sink is retrying or paused',
  settings: ['client'],
  examples: [
    { line: 'plimsoll sinks', meaning: 'every sink' },
    { line: 'plimsoll sinks --output ndjson', meaning: 'one JSON object per sink' },
  ],
  run: (context) => listSinks(context),
});
