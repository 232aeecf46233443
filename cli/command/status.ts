import { join } from 'node:path';
import { collectorStatus } from '../../api/status.ts';
import type { FleetStatus } from '../../api/status.ts';
import { lockHolder } from '../../service/lock.ts';
import { sleep } from '../../service/clock.ts';
import { connect } from '../api/connect.ts';
import { isFinal } from '../../api/client.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';
import { defineCommand, EXIT_OK, EXIT_ISSUES, outputOption, QUIET_OPTION } from '../command.ts';
import { isTable, printDocument } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import { renderStatus } from '../status/render.ts';

/** Interval of --watch. */
const WATCH_MS = 5_000;
/** ECMA-48: cursor to the upper left corner (CUP), erase from there (ED). */
const CLEAR = '\u001b[H\u001b[2J';

export const status = defineCommand({
  name: 'status',
  summary: 'show the health of the collector and its nodes',
  usage: ['status [options]', 'status --watch [options]'],
  description: [
    'Shows since when the collector runs and where it listens, its store, its sinks and the connected agents. Then it lists every issue with what to do: a node that is offline or whose heartbeats are missing, an agent that dropped changes or exceeds its budget, a sink whose delivery fails, a store that fails, was damaged or runs out of space.',
    'If the collector does not answer, plimsoll doctor examines this machine without it.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    { name: 'watch', short: 'w', summary: 'repeat every 5 s, until Ctrl-C' },
    outputOption('table', 'json', 'ndjson', 'jsonpath='),
    QUIET_OPTION,
  ],
  settings: ['client'],
  issue: 'at least one issue',
  examples: [
    { line: 'plimsoll status --watch', meaning: 'until Ctrl-C' },
    { line: "plimsoll status -o jsonpath='{.issues[*].code}'", meaning: 'codes of the issues, for a script' },
    { line: 'plimsoll status -q || echo look into it', meaning: 'in a periodic job' },
  ],
  run: async (context) => {
    const isWatched = context.args.has('watch');
    const signal = isWatched ? context.listenForShutdown() : new AbortController().signal;
    const client = await connect(context.settings, signal);
    if (!client.ok) return printUnreachable(context, client.problem);
    let code = await showOnce(context, client.value);
    while (isWatched && !signal.aborted) {
      await sleep(context.clock, WATCH_MS, signal);
      if (!signal.aborted) code = await showOnce(context, client.value);
    }
    return code;
  },
});

async function showOnce(context: Context, client: ApiClient): Promise<number> {
  const answer = await client.get('/v1/status', collectorStatus);
  if (!answer.ok) return printUnreachable(context, answer.problem);
  await print(context, answer.value);
  return answer.value.issues.length === 0 ? EXIT_OK : EXIT_ISSUES;
}

async function print(context: Context, answer: FleetStatus): Promise<void> {
  const { args, stdout, width, paint, invocation } = context;
  if (!isTable(context)) return printDocument(context, answer);
  const clear = args.has('watch') && stdout.isTerminal ? CLEAR : '';
  return stdout.write(`${clear}${renderStatus(answer, { width, paint, invocation }).join('\n')}\n`);
}

/** Prints what was tried, what is known about it on this machine, and what to do. */
async function printUnreachable(context: Context, { kind, message, hint }: RequestFailure): Promise<number> {
  const { dataDir, tokenFile } = context.settings;
  const holder = isFinal(kind) ? undefined : lockHolder(join(dataDir, 'collector.lock'));
  const running =
    holder === undefined
      ? undefined
      : `a collector (process ${String(holder)}) uses ${dataDir}: it is starting, hangs, or listens on another address (--api)`;
  return printError(
    context,
    message,
    running ?? hint,
    `tried with the token in ${tokenFile}`,
    'plimsoll doctor examines this machine and says what is wrong',
  );
}
