import { join } from 'node:path';
import { safe } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import { within } from '../../service/clock.ts';
import { usesApiTls } from '../../service/config/api-url.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { errorCode, makePrivateDirectory } from '../../service/files.ts';
import { takeLock } from '../../service/lock.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { askConsoleLink } from '../api/console-link.ts';
import { EXIT_FAILURE, EXIT_OK } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { agentArguments, collectorArguments } from './child-arguments.ts';
import { createReporter } from './reporter.ts';
import type { Reporter } from './reporter.ts';
import { supervise } from './supervise.ts';
import type { Supervised, SupervisedEnd } from './supervise.ts';
import { hiddenFailures, readSummary, summaryLines } from './summary.ts';
import { watchChanges } from './watch.ts';

/** How long the agent has to read this node before the summary is shown without it. */
const AGENT_DEADLINE_MS = 90_000;

/** A collector and an agent as two processes, until a signal ends them or one cannot run. Answers the exit code. */
export async function runUp(context: Context): Promise<number> {
  const { settings } = context;
  const signal = context.listenForShutdown();
  const lock = await lockDirectory(settings.dataDir);
  if (typeof lock === 'string') return printError(context, lock, OTHER_DIRECTORY);
  try {
    return await runBoth(context, signal);
  } finally {
    lock.release();
  }
}

const OTHER_DIRECTORY = 'give this one places of its own: --data-dir DIR --listen HOST:PORT --api HOST:PORT';

/** The lock of the data directory, or why it cannot be had. */
async function lockDirectory(dataDir: string): Promise<{ readonly release: () => void } | string> {
  try {
    await makePrivateDirectory(join(dataDir, 'log'));
    const lock = takeLock(join(dataDir, 'up.lock'));
    return lock.ok ? lock : `plimsoll up already runs on ${dataDir} (${lock.holder})`;
  } catch (error) {
    return `${dataDir} cannot be used: ${errorCode(error)}`;
  }
}

async function runBoth(context: Context, signal: AbortSignal): Promise<number> {
  const reporter = createReporter(context);
  const [stopCollector, stopAgent] = [new AbortController(), new AbortController()];
  const collector = startCollector(context, reporter, stopCollector.signal);
  let agent: Supervised | undefined;
  try {
    reporter.progress('starting the collector');
    const ready = await untilAborted(collector.ready, signal);
    if (signal.aborted) return EXIT_OK;
    const listening = collectorReady.parse(ready);
    if (!listening.ok) return await complainOfEnd(context, 'collector', await collector.over);
    const { api, listen } = listening.value;
    reporter.progress(`the collector listens on ${formatAddress(listen)}; starting the agent`);
    agent = startAgent(context, reporter, listen, stopAgent.signal);
    const client = await connect({ ...context.settings, api }, signal);
    if (!client.ok) return await printFailure(context, client.problem);
    const both = { collector, agent, client: client.value, api };
    return await watchBoth(context, reporter, both, signal);
  } finally {
    // The agent first: its node is then known to have left in good order.
    if (signal.aborted) reporter.progress('stopping');
    stopAgent.abort();
    await agent?.over;
    stopCollector.abort();
    await collector.over;
    await reporter.close();
  }
}

interface Both {
  readonly collector: Supervised;
  readonly agent: Supervised;
  readonly client: CliClient;
  readonly api: Address;
}

async function watchBoth(context: Context, reporter: Reporter, both: Both, signal: AbortSignal): Promise<number> {
  const { collector, agent, client } = both;
  reporter.progress('reading this node');
  const ready = await untilAborted(
    within(context.clock, AGENT_DEADLINE_MS, agent.ready, () => 'late'),
    signal,
  );
  if (signal.aborted) return EXIT_OK;
  if (ready === undefined) return complainOfEnd(context, 'agent', await agent.over);
  const watched = new AbortController();
  const until = AbortSignal.any([signal, watched.signal]);
  const node = agentReady.parse(ready);
  if (!node.ok)
    await printError(context, 'the agent has not reported this node yet', `its log: ${reporter.logOf('agent')}`);
  const changes = watchChanges(context, client, until, () =>
    printSummary(context, both, node.ok ? node.value.nodeId : undefined),
  );
  const failed = await Promise.race([
    collector.over.then((end) => ({ name: 'collector', end })),
    agent.over.then((end) => ({ name: 'agent', end })),
    changes.then(() => undefined),
    untilAborted(new Promise<undefined>(() => undefined), signal),
  ]);
  watched.abort();
  await changes;
  if (failed === undefined) return signal.aborted ? EXIT_OK : EXIT_FAILURE;
  return complainOfEnd(context, failed.name, failed.end);
}

/** Shows the current findings once the stream of changes is open, so that no change is missed between the two. */
async function printSummary(context: Context, { client, api }: Both, nodeId: string | undefined): Promise<void> {
  const { stdout, settings, paint, width } = context;
  const summary = nodeId === undefined ? undefined : await readSummary(client, nodeId);
  if (summary?.ok === false) await printFailure(context, summary.problem);
  const again = clientFlags(context, api);
  const lines = summary?.ok === true ? [...summaryLines(summary.value, { width, paint })] : [];
  const hidden = summary?.ok === true ? hiddenFailures(summary.value) : 0;
  const blind = summary?.ok === true ? summary.value.counts.verdicts.unknown : 0;
  if (blind > 0)
    lines.push(
      paint.dim(
        `${String(blind)} could not be judged${context.uid === 0 ? '' : ' (not root)'}: ${context.invocation} findings --verdict unknown${again}`,
      ),
    );
  if (hidden > 0) lines.push(paint.dim(`${String(hidden)} more fail: ${context.invocation} findings${again}`));
  await stdout.write(
    `${[
      ...lines,
      '',
      ...(await consoleLines(context, client, again)),
      `operator API  ${usesApiTls({ ...settings, api }) ? 'https' : 'http'}://${formatAddress(api)}   token in ${safe(settings.tokenFile)}`,
      `ask it        ${context.invocation} findings${again}`,
      ...(context.invocation === 'plimsoll' ? [] : [pathHint(context)]),
      `logs          ${safe(join(settings.dataDir, 'log'))}`,
      'watching for changes, Ctrl-C ends it',
      '',
    ].join('\n')}\n`,
  );
}

/** How to have the program on the PATH. */
function pathHint({ installation }: Context): string {
  const script = join(installation.directory, 'bin', 'plimsoll.js');
  return `on the PATH   ln -s ${safe(script)} /usr/local/bin/plimsoll`;
}

/** The link to the console. It signs in whoever opens it first, so it is not for a journal that others read too. */
async function consoleLines(
  { environment, paint, invocation }: Context,
  client: CliClient,
  again: string,
): Promise<string[]> {
  const command = `${invocation} console${again}`;
  const link = environment['JOURNAL_STREAM'] === undefined ? await askConsoleLink(client) : undefined;
  if (link?.ok !== true) return [`console       ${command}   prints a link`];
  return [`console       ${link.value.url}`, paint.dim(`              opens once, within 5 min; another: ${command}`)];
}

/** Flags that a client command needs to find this collector. */
function clientFlags({ settingFlags }: Context, api: Address): string {
  const flags = ['data-dir', 'token-file', 'config', 'api-tls', 'api-tls-ca'].filter(
    (name) => settingFlags[name] !== undefined,
  );
  const given = flags.map((name) => ` --${name} ${safe(settingFlags[name] ?? '')}`).join('');
  return settingFlags['api'] === undefined ? given : `${given} --api ${formatAddress(api)}`;
}

function startCollector(context: Context, reporter: Reporter, signal: AbortSignal): Supervised {
  const { programs, clock, settings } = context;
  return supervise({
    name: 'collector',
    start: programs.start,
    args: (lastReady) => {
      // A restart listens where the first start did, also where the system had chosen the port.
      const known = collectorReady.parse(lastReady);
      return collectorArguments(context, known.ok ? known.value : { api: settings.api, listen: settings.listen });
    },
    clock,
    random: Math.random,
    signal,
    onLine: (line) => reporter.childLine('collector', line),
    onEvent: (text) => reporter.event(text),
  });
}

function startAgent(context: Context, reporter: Reporter, listen: Address, signal: AbortSignal): Supervised {
  const { programs, clock } = context;
  return supervise({
    name: 'agent',
    start: programs.start,
    args: () => agentArguments(context, listen),
    clock,
    random: Math.random,
    signal,
    onLine: (line) => reporter.childLine('agent', line),
    onEvent: (text) => reporter.event(text),
  });
}

const address = s.object({ host: s.string('', 256), port: s.integer() });
const collectorReady = s.object({ api: address, listen: address });
const agentReady = s.object({ nodeId: s.string('', 256) });

/** What a part said before it gave up is the reason: its own words are shown. */
async function complainOfEnd({ stderr }: Context, name: string, end: SupervisedEnd): Promise<number> {
  const said = end.outcome === 'failed' ? end.said : [];
  const lines = said.length > 0 ? said.map(safe) : [`plimsoll: the ${name} could not be started`];
  await stderr.write(`${lines.join('\n')}\n`);
  return EXIT_FAILURE;
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    promise.then(resolve, reject);
  });
}
