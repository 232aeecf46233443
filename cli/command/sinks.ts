import { sinkList } from '../../api/status.ts';
import type { FleetSink } from '../../api/status.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_ISSUES, EXIT_OK, OUTPUT_OPTION, QUIET_OPTION } from '../command.ts';
import { printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import type { Cell } from '../render/table.ts';

export const sinks = defineCommand({
  name: 'sinks',
  summary: 'list the sinks and their delivery status',
  usage: ['sinks [options]'],
  description: [
    'Asks the collector for its sinks. For each it shows whether the sink accepts events, how many events wait, how many were delivered and how many were rejected since the collector started, how many rejected events wait as dead letters, and the last error. With --output wide, POSITION is the last event that will not be sent again.',
  ],
  operands: { min: 0, max: 0 },
  options: [OUTPUT_OPTION, QUIET_OPTION],
  issue: 'a sink is retrying or paused',
  settings: ['client'],
  examples: [
    { line: 'plimsoll sinks', meaning: 'every sink' },
    { line: 'plimsoll sinks --output ndjson', meaning: 'one JSON object per sink' },
  ],
  run: async (context) => {
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const answer = await client.value.get('/v1/sinks', sinkList);
    if (!answer.ok) return printFailure(context, answer.problem);
    const { sinks: items } = answer.value;
    await printListing(context, {
      document: { sinks: items },
      items,
      names: items.map(({ name }) => name),
      columns: [
        { title: 'SINK' },
        { title: 'STATE' },
        { title: 'WAITING', align: 'right' },
        { title: 'DELIVERED', align: 'right' },
        { title: 'REJECTED', align: 'right' },
        { title: 'DEAD', align: 'right' },
        { title: 'POSITION', align: 'right', wide: true },
        { title: 'LAST ERROR', min: 20 },
      ],
      rows: items.map((sink) => sinkRow(sink, context)),
      empty: 'Events are shipped nowhere: all sinks are off.',
    });
    return items.every(({ state }) => state === 'ok') ? EXIT_OK : EXIT_ISSUES;
  },
});

/** `behind` is counted up to a batch: from there on it says only that there are more. */
const COUNTED_UP_TO = 500;

function sinkRow(sink: FleetSink, { paint }: Context): readonly Cell[] {
  const { name, state, behind, delivered, rejected, deadLetters, position, lastError } = sink;
  return [
    { text: name, paint: paint.bold },
    { text: state, paint: state === 'ok' ? paint.good : paint.bad },
    { text: behind < COUNTED_UP_TO ? String(behind) : `${String(behind)}+`, value: behind },
    { text: String(delivered) },
    { text: String(rejected), ...(rejected > 0 && { paint: paint.bad }) },
    { text: String(deadLetters), ...(deadLetters > 0 && { paint: paint.bad }) },
    { text: String(position) },
    { text: lastError },
  ];
}
