import { sinkTest } from '../../api/sink-test.ts';
import type { SinkTestResult } from '../../api/sink-test.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_ISSUES, EXIT_OK, OUTPUT_OPTION, QUIET_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { listSinks } from '../sinks/list-sinks.ts';

const SEE = 'see: plimsoll sink --help';
/** The collector gives a test no more than this, beside the usual deadline. */
const PATIENCE_MS = 60_000;

export const sink = defineCommand({
  name: 'sink',
  summary: 'test a sink, or show its delivery status',
  usage: ['sink status [NAME] [options]', 'sink test NAME [options]'],
  description: [
    'status is plimsoll sinks, for one sink where NAME is given: how many events wait and since when, the rate of the last minute (--output wide), dead letters, what was dropped, and the last error.',
    'test lets the collector resolve the name of the receiver, connect, do the TLS handshake, and send one event, and prints what happened at each step and what to do about a failure. The texts of the event say that it is a test; it is of a finding that is resolved. The test has a connection of its own: events that wait are neither sent nor held up. It needs the role operator and is in the audit log.',
  ],
  operands: { min: 1, max: 2, completes: 'sinkAction' },
  options: [OUTPUT_OPTION, QUIET_OPTION],
  issue: 'a sink is retrying or paused, or the test failed',
  settings: ['client'],
  examples: [
    { line: 'plimsoll sink test syslog', meaning: 'does the receiver accept events?' },
    { line: 'plimsoll sink status splunk -o wide', meaning: 'everything about one sink' },
  ],
  run: async (context) => {
    const [action, name] = context.args.operands;
    if (action === 'status') return listSinks(context, name);
    if (action === 'test' && name !== undefined) return test(context, name);
    return printError(context, action === 'test' ? 'test needs the name of a sink' : 'use status or test', SEE);
  },
});

async function test(context: Context, name: string): Promise<number> {
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const path = `/v1/sinks/${encodeURIComponent(name)}/test`;
  const answer = await client.value.post(path, sinkTest, { body: {}, patienceMs: PATIENCE_MS });
  if (!answer.ok) return printFailure(context, answer.problem);
  await print(context, answer.value);
  return answer.value.ok ? EXIT_OK : EXIT_ISSUES;
}

async function print(context: Context, result: SinkTestResult): Promise<void> {
  const { paint } = context;
  await printListing(context, {
    document: result,
    items: result.steps,
    names: result.steps.map(({ step }) => step),
    columns: [{ title: 'STEP' }, { title: 'RESULT' }, { title: 'DETAIL', min: 20 }],
    rows: result.steps.map(({ step, ok, detail }) => [
      { text: step },
      { text: ok ? 'ok' : 'failed', paint: ok ? paint.good : paint.bad },
      { text: detail },
    ]),
    empty: '',
  });
  const advice = result.steps.find(({ ok }) => !ok)?.advice ?? '';
  const output = context.args.value('output') ?? 'table';
  if (advice !== '' && (output === 'table' || output === 'wide'))
    await context.stdout.write(`\nWhat to do: ${safe(advice)}\n`);
}
