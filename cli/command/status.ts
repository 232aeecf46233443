import { join } from 'node:path';
import { safeJson } from '../../api/safe.ts';
import { collectorStatus } from '../../api/status.ts';
import type { FleetStatus } from '../../api/status.ts';
import { lockHolder } from '../../service/lock.ts';
import { sleep } from '../../service/clock.ts';
import { connect } from '../api/connect.ts';
import { isFinal } from '../api/watch.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';
import { defineCommand, EXIT_OK, EXIT_ISSUES, OUTPUT_OPTION } from '../command.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import { renderStatus } from '../status/render.ts';

/** How often a watched status is asked for. */
const WATCH_MS = 5_000;
/** ECMA-48: cursor to the upper left corner (CUP), erase from there (ED). */
const CLEAR = '\u001b[H\u001b[2J';

export const status = defineCommand({
  name: 'status',
  summary: 'what works and what does not',
  usage: ['status [options]', 'status --watch [options]'],
  description: [
    'Asks the collector how it is doing: since when it runs and where it listens, its store and sinks, and which agents are connected. Then it names what does not work, each with what to do: a node that is offline or whose heartbeats are missing, an agent that had to drop changes or is over its budget, a sink that does not get rid of its events, a store that fails, was damaged or runs out of room.',
    'Where the collector does not answer, plimsoll doctor examines this machine without it.',
  ],
  operands: { min: 0, max: 0 },
  options: [{ name: 'watch', summary: 'show it again every 5 s, until Ctrl-C' }, OUTPUT_OPTION],
  settings: ['client'],
  issue: 'something does not work; it is named with what to do',
  examples: [
    { line: 'plimsoll status', meaning: 'one look' },
    { line: 'plimsoll status --output json', meaning: 'for a program; issues is empty if everything works' },
    { line: 'plimsoll status >/dev/null || echo see to it', meaning: 'in a periodic job' },
  ],
  run: async (context) => {
    const isWatched = context.args.has('watch');
    const signal = isWatched ? context.listenForShutdown() : new AbortController().signal;
    const client = await connect(context.settings, signal);
    if (!client.ok) return complainOf(context, client.problem);
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
  if (!answer.ok) return complainOf(context, answer.problem);
  await print(context, answer.value);
  return answer.value.issues.length === 0 ? EXIT_OK : EXIT_ISSUES;
}

async function print(context: Context, answer: FleetStatus): Promise<void> {
  const { args, stdout, width, paint } = context;
  switch (args.value('output') ?? 'table') {
    case 'json':
      return stdout.write(`${safeJson(answer, 2)}\n`);
    case 'ndjson':
      return stdout.write(`${safeJson(answer)}\n`);
    default: {
      const clear = args.has('watch') && stdout.isTerminal ? CLEAR : '';
      return stdout.write(`${clear}${renderStatus(answer, { width, paint }).join('\n')}\n`);
    }
  }
}

/** What was tried, what is known about it here, and what to do. */
async function complainOf(context: Context, { kind, message, hint }: RequestFailure): Promise<number> {
  const { dataDir, tokenFile } = context.settings;
  const holder = isFinal(kind) ? undefined : lockHolder(join(dataDir, 'collector.lock'));
  const running =
    holder === undefined
      ? undefined
      : `a collector (process ${String(holder)}) uses ${dataDir}: it is starting, hangs, or listens elsewhere (--api)`;
  return printError(
    context,
    message,
    running ?? hint,
    `tried with the token in ${tokenFile}`,
    'plimsoll doctor examines this machine and says what is wrong',
  );
}
