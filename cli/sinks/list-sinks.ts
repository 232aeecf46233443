import { sinkList } from '../../api/status.ts';
import type { FleetSink } from '../../api/status.ts';
import { ago } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Cell } from '../render/table.ts';

/** Lists the sinks with their delivery status, or the one with this name. Answers the exit code. */
export async function listSinks(context: Context, name?: string): Promise<number> {
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const answer = await client.value.get('/v1/sinks', sinkList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const items = answer.value.sinks.filter((sink) => name === undefined || sink.name === name);
  if (name !== undefined && items.length === 0)
    return printError(context, `no sink ${safe(name)} is on`, 'list the sinks: plimsoll sink status');
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
      { title: 'FILTERED', align: 'right', wide: true },
      { title: 'UNDECIDED', align: 'right', wide: true },
      { title: 'REJECTED', align: 'right', wide: true },
      { title: 'DEAD', align: 'right' },
      { title: 'DROPPED', align: 'right', wide: true },
      { title: 'POSITION', align: 'right', wide: true },
      { title: 'LAST SUCCESS', wide: true },
      { title: 'LAST ERROR', min: 20 },
    ],
    rows: items.map((sink) => sinkRow(sink, context)),
    empty: 'Events are shipped nowhere: all sinks are off.',
  });
  return items.every(({ state }) => state === 'ok') ? EXIT_OK : EXIT_ISSUES;
}

function sinkRow(sink: FleetSink, { paint, clock }: Context): readonly Cell[] {
  const {
    name,
    state,
    behind,
    oldestMs,
    ratePerSecond,
    delivered,
    filtered,
    undecided,
    rejected,
    deadLetters,
    dropped,
    position,
    lastSuccessMs,
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
    { text: String(filtered) },
    { text: String(undecided), ...(undecided > 0 && { paint: paint.bad }) },
    { text: String(rejected), ...(rejected > 0 && { paint: paint.bad }) },
    { text: String(deadLetters), ...(deadLetters > 0 && { paint: paint.bad }) },
    { text: String(dropped), ...(dropped > 0 && { paint: paint.bad }) },
    { text: String(position) },
    { text: lastSuccessMs === null ? '-' : ago(lastSuccessMs, nowMs) },
    { text: lastError },
  ];
}
