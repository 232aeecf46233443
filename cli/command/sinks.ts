import { sinkList } from '../../api/status.ts';
import type { FleetSink } from '../../api/status.ts';
import { ago } from '../../api/format.ts';
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
        { title: 'SINCE' },
        { title: 'PER SECOND', align: 'right', wide: true },
        { title: 'DELIVERED', align: 'right' },
        { title: 'REJECTED', align: 'right', wide: true },
        { title: 'DEAD', align: 'right' },
        { title: 'DROPPED', align: 'right', wide: true },
        { title: 'POSITION', align: 'right', wide: true },
        { title: 'LAST ERROR', min: 20 },
      ],
      rows: items.map((sink) => sinkRow(sink, context)),
      empty: 'Events are shipped nowhere: all sinks are off.',
    });
    return items.every(({ state }) => state === 'ok') ? EXIT_OK : EXIT_ISSUES;
  },
});

function sinkRow(sink: FleetSink, { paint, clock }: Context): readonly Cell[] {
  const {
    name,
    state,
    behind,
    oldestMs,
    ratePerSecond,
    delivered,
    rejected,
    deadLetters,
    dropped,
    position,
    lastError,
  } = sink;
  const nowMs = clock.now();
  return [
    { text: name, paint: paint.bold },
    { text: state, paint: state === 'ok' ? paint.good : paint.bad },
    { text: String(behind) },
    { text: oldestMs === null ? '-' : ago(oldestMs, nowMs) },
    { text: ratePerSecond.toFixed(1), value: ratePerSecond },
    { text: String(delivered) },
    { text: String(rejected), ...(rejected > 0 && { paint: paint.bad }) },
    { text: String(deadLetters), ...(deadLetters > 0 && { paint: paint.bad }) },
    { text: String(dropped), ...(dropped > 0 && { paint: paint.bad }) },
    { text: String(position) },
    { text: lastError },
  ];
}
