import { FINDING_STATES } from '../../api/finding.ts';
import { waiverText } from '../../policy/waiver.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { isWaived } from '../../api/finding-list.ts';
import { safe } from '../../api/safe.ts';
import { waiverList } from '../../api/waiver.ts';
import { findBenchmark } from '../../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { SEVERITIES, severityRank, VERDICTS } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { parseDuration } from '../../service/duration.ts';
import { didYouMean } from '../../service/nearest.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { describeMissingSubject, readFindings } from '../api/findings.ts';
import type { FindingQuery } from '../api/findings.ts';
import { defineCommand, EXIT_FINDINGS, EXIT_OK, nodeOption, FINDINGS_OUTPUT, QUIET_OPTION } from '../command.ts';
import { resolveNodes } from '../nodes/choose.ts';
import { ASFF_OPTIONS, missingAccount } from '../output/finding-events.ts';
import { BY_OPTION, printFindings } from '../output/finding-listing.ts';
import { describeUnlistable, isTable } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { nodeLabel } from '../render/node-label.ts';
import { misspelledCheck, resolveChecks } from '../api/checks.ts';
import { unknownBenchmark } from '../scan/known.ts';

/** Default of `--limit`. */
const DEFAULT_LIMIT = 1_000;
const MAX_LIMIT = 100_000;

export const findings = defineCommand({
  name: 'findings',
  summary: 'list the findings of the fleet, one finding, or changes',
  usage: ['findings [options]', 'findings UID [options]', 'findings --watch [options]', 'findings --history [options]'],
  description: [
    'Lists the findings that the collector has, worst first. Without --verdict a table shows failures that no waiver accepts, other formats show all. Different options are combined; the values of a repeated option are alternatives.',
    'With UID it shows one finding with all its evidence and its history, also after it was resolved. The UID may be shortened to its first 8 characters.',
    'With --watch it prints each matching change as it happens, until Ctrl-C. After a lost connection it continues without losing a change.',
    'With --history it lists what was opened, changed and resolved, newest first. The history knows subjects by name only.',
  ],
  operands: { min: 0, max: 1 },
  options: [
    nodeOption('findings of this node'),
    {
      name: 'check',
      value: 'CHECK',
      repeated: true,
      completes: 'check',
      summary: 'findings of this check, or of an area such as ssh',
    },
    {
      name: 'benchmark',
      value: 'ID',
      completes: 'benchmark',
      excludes: ['watch', 'history'],
      summary: 'findings of the checks that controls of this benchmark name',
    },
    {
      name: 'control',
      value: 'NUMBER',
      repeated: true,
      needs: 'benchmark',
      summary: 'only those of this control of the benchmark',
    },
    {
      name: 'verdict',
      short: 'v',
      value: 'VERDICT',
      choices: VERDICTS,
      repeated: true,
      summary: 'findings with this verdict',
    },
    {
      name: 'state',
      value: 'STATE',
      choices: FINDING_STATES,
      summary: 'findings that a waiver accepts (waived), or only the others (open); tables show open ones by default',
    },
    {
      name: 'waiver',
      value: 'NAME',
      repeated: true,
      excludes: ['state'],
      summary: 'findings that this waiver accepts',
    },
    { name: 'severity', value: 'SEVERITY', choices: SEVERITIES, repeated: true, summary: 'findings of this severity' },
    {
      name: 'kind',
      value: 'KIND',
      choices: SUBJECT_KINDS,
      repeated: true,
      summary: 'findings about this kind of subject',
    },
    {
      name: 'container',
      value: 'NAME',
      completes: 'subject',
      excludes: ['subject', 'kind'],
      summary: 'findings about this container, by name or id; the id may be shortened',
    },
    {
      name: 'subject',
      value: 'NAME',
      completes: 'subject',
      summary: 'findings about this subject of any kind, by name or id; the id may be shortened',
    },
    {
      name: 'text',
      value: 'TEXT',
      excludes: ['history'],
      summary:
        'findings that contain each of these words, anywhere in check, title, subject, reason and evidence together',
    },
    {
      name: 'limit',
      value: 'NUMBER',
      summary: `maximum number; default ${String(DEFAULT_LIMIT)} in a table, otherwise ${String(MAX_LIMIT)}`,
    },
    BY_OPTION,
    {
      name: 'fail-on',
      value: 'SEVERITY',
      choices: SEVERITIES,
      excludes: ['watch', 'history'],
      summary: 'exit with status 1 if a matching finding fails with this severity or a worse one',
    },
    { name: 'watch', short: 'w', excludes: ['history', 'limit'], summary: 'print changes as they happen' },
    { name: 'history', summary: 'list changes, newest first' },
    { name: 'since', value: 'DURATION', needs: 'history', summary: 'only changes within this time, such as 24h' },
    FINDINGS_OUTPUT,
    ...ASFF_OPTIONS,
    QUIET_OPTION,
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll findings --severity critical,high', meaning: 'the worst findings of the fleet' },
    { line: 'plimsoll findings -n web-3 -v unknown', meaning: 'what could not be judged on one node' },
    { line: 'plimsoll findings --state waived', meaning: 'what waivers accept' },
    { line: 'plimsoll findings --waiver legacy-report', meaning: 'what one waiver accepts' },
    { line: 'plimsoll findings --by image', meaning: 'which images have the worst findings' },
    { line: "plimsoll findings -o jsonpath='{.items[*].check}'", meaning: 'the checks, for a script' },
    {
      line: 'plimsoll findings --benchmark cis-docker-1.8.0 -o html > fleet.html',
      meaning: 'a page about the whole fleet for auditors',
    },
    { line: 'plimsoll findings --watch -o ndjson', meaning: 'a stream of changes for a script' },
    { line: 'plimsoll findings --history --since 24h --severity high', meaning: 'changes of the last day' },
  ],
  run: async (context) => {
    const misplaced = optionNotForOne(context);
    if (misplaced !== undefined) return printError(context, `--${misplaced} is not for one finding`, SEE);
    const form = unlistedForm(context);
    const unlistable = form === undefined ? undefined : describeUnlistable(context, form);
    if (unlistable !== undefined) return printError(context, unlistable, SEE);
    const noAccount = missingAccount(context);
    if (noAccount !== undefined) return printError(context, noAccount.problem, noAccount.hint);
    const wanted = readQuery(context);
    if (!wanted.ok) return printError(context, wanted.problem, SEE);
    const { args } = context;
    const signal = args.has('watch') ? context.listenForShutdown() : new AbortController().signal;
    const connected = await connect(context.settings, signal);
    if (!connected.ok) return printFailure(context, connected.problem);
    const client = connected.value;
    const [uid] = args.operands;
    if (uid !== undefined) {
      const { showFinding } = await import('../findings/show-finding.ts');
      return showFinding(context, client, uid);
    }
    const checks = await resolveChecks(client, wanted.query.checks);
    if (!checks.ok) return printFailure(context, checks.problem);
    const nodes = await resolveNodes(client, wanted.query.nodes);
    if (!nodes.ok) return printFailure(context, nodes.problem);
    const query = { ...wanted.query, nodes: nodes.value, checks: checks.value };
    if (args.has('watch')) {
      const { watchFindings } = await import('../watch/findings.ts');
      return watchFindings(context, client, query, signal);
    }
    if (args.has('history')) {
      const { printHistory } = await import('../watch/history.ts');
      return printHistory(context, client, { ...wanted, query });
    }
    return list(context, client, query, wanted.limit);
  },
});

const SEE = 'see: plimsoll findings --help';

/** The first option that is given together with a UID and has no meaning there. */
function optionNotForOne({ args }: Context): string | undefined {
  if (args.operands.length === 0) return undefined;
  const names = findings.options.map(({ name }) => name);
  return names.find((name) => args.has(name) && !['output', 'quiet'].includes(name));
}

/** What does not print the findings themselves as the output asks; undefined: it does. */
function unlistedForm(context: Context): string | undefined {
  const { args } = context;
  if (args.operands.length > 0) return 'findings UID';
  if (args.has('watch')) return 'findings --watch';
  return (args.has('history') || args.has('by')) && isReport(context) ? 'findings --history or --by' : undefined;
}

async function list(context: Context, client: CliClient, query: FindingQuery, limit: number): Promise<number> {
  const { args } = context;
  const page = await readFindings(client, query, limit);
  if (!page.ok) return printFailure(context, page.problem);
  const { findings: found, more } = page.value;
  if (found.length === 0 && query.subject !== undefined) {
    const problem = await describeMissingSubject(client, query);
    if (problem !== undefined) return printError(context, problem);
  }
  const unknown = found.length > 0 ? undefined : await unknownWaiver(client, query.waivers);
  if (unknown !== undefined) return printError(context, unknown, 'see: plimsoll waivers');
  if (isReport(context)) {
    const { printFleetReport } = await import('../findings/fleet-report.ts');
    const benchmark = wholeBenchmark(context);
    const printed = await printFleetReport(context, client, {
      findings: found,
      nodes: query.nodes,
      benchmark,
      isComplete: !more,
    });
    if (!printed.ok) return printFailure(context, printed.problem);
    return exitCode(context, found, { more, limit });
  }
  const images = args.value('by') === 'image' ? await readImages(client, found) : new Map<string, string>();
  await printFindings(context, {
    findings: found,
    document: { findings: found, more },
    items: found,
    nameOf: ({ uid }) => uid,
    nodeOf: ({ nodeName, nodeId }) => nodeLabel(nodeName, nodeId),
    nodeIdOf: ({ nodeId }) => nodeId,
    imageOf: ({ nodeId, subject }) => images.get(`${nodeId} ${subject.id}`) ?? '',
    acceptedOf: ({ waiver }) => (waiver === null ? '' : waiverText(waiver)),
    empty: 'No matching findings.',
  });
  if (found.length === 0 && query.state === 'open' && isTable(context)) await hintAtWaived(context, client, query);
  return exitCode(context, found, { more, limit });
}

/** What is wrong with the names of waivers; undefined: the collector has all of them. */
async function unknownWaiver(client: CliClient, names: readonly string[]): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  const listed = await client.get('/v1/waivers', waiverList);
  if (!listed.ok) return undefined;
  const known = listed.value.waivers.flatMap(({ target, name }) => (target === 'findings' ? [name] : []));
  const unknown = listed.value.omitted > 0 ? undefined : names.find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  return `the collector has no waiver ${JSON.stringify(safe(unknown))} of findings${didYouMean(unknown, known)}`;
}

async function exitCode(
  { args, stderr }: Context,
  found: readonly FleetFinding[],
  { more, limit }: { readonly more: boolean; readonly limit: number },
): Promise<number> {
  if (more) await stderr.write(`plimsoll: more than ${String(limit)} findings match; raise --limit to see them\n`);
  const threshold = args.value('fail-on') as Severity | undefined;
  return threshold !== undefined && found.some((finding) => reaches(finding, threshold)) ? EXIT_FINDINGS : EXIT_OK;
}

/** Outputs for other tools, and for people who audit: they hold everything. */
const REPORTS: ReadonlySet<string> = new Set(['html', 'sarif', 'junit', 'ocsf', 'asff']);

function isReport({ args }: Context): boolean {
  return REPORTS.has(args.value('output') ?? '');
}

/** Options that choose among the findings of a benchmark. */
const SELECTING = ['check', 'verdict', 'state', 'waiver', 'severity', 'kind', 'container', 'subject', 'text'] as const;

/** The benchmark that was chosen, with the controls that were; undefined where findings of it are left out. */
function wholeBenchmark({ args }: Context): Benchmark | undefined {
  const benchmark = findBenchmark(args.value('benchmark') ?? '');
  if (benchmark === undefined || SELECTING.some(args.has)) return undefined;
  const chosen = new Set(args.values('control'));
  return chosen.size === 0
    ? benchmark
    : { ...benchmark, controls: benchmark.controls.filter(({ id }) => chosen.has(id)) };
}

/** Images of running containers, by node and container id. */
async function readImages(client: CliClient, found: readonly FleetFinding[]): Promise<ReadonlyMap<string, string>> {
  const { readContainers } = await import('../findings/fleet-report.ts');
  const containers = await readContainers(client, found);
  return new Map(
    [...containers].flatMap(([nodeId, own]) =>
      own.map(({ id, image }): [string, string] => [`${nodeId} ${id}`, image]),
    ),
  );
}

/** Where nothing is open, something may be waived. */
async function hintAtWaived({ stderr }: Context, client: CliClient, query: FindingQuery): Promise<void> {
  const waived = await readFindings(client, { ...query, state: 'waived' }, 1);
  if (waived.ok && waived.value.findings.length > 0)
    await stderr.write('plimsoll: waived findings match; list them with: --state waived\n');
}

type Wanted =
  | { readonly ok: true; readonly query: FindingQuery; readonly limit: number; readonly sinceMs: number | undefined }
  | { readonly ok: false; readonly problem: string };

function readQuery(context: Context): Wanted {
  const { args, clock } = context;
  const since = args.value('since');
  const sinceMs = since === undefined ? 0 : parseDuration(since);
  if (sinceMs === undefined) return { ok: false, problem: '--since: expected a duration such as 30m or 24h' };
  const limitText = args.value('limit') ?? String(args.has('by') || !isTable(context) ? MAX_LIMIT : DEFAULT_LIMIT);
  const limit = /^\d{1,6}$/.test(limitText) ? Number(limitText) : 0;
  if (limit < 1 || limit > MAX_LIMIT)
    return { ok: false, problem: `--limit: expected a number from 1 to ${String(MAX_LIMIT)}` };
  for (const check of args.values('check')) {
    const problem = misspelledCheck(check);
    if (problem !== undefined) return { ok: false, problem };
  }
  const benchmark = args.value('benchmark');
  const unknown = benchmark === undefined ? undefined : unknownBenchmark(benchmark);
  if (unknown !== undefined) return { ok: false, problem: unknown };
  const verdicts = args.values('verdict');
  const waivers = args.values('waiver');
  const container = args.value('container');
  return {
    ok: true,
    limit,
    sinceMs: since === undefined ? undefined : Math.max(0, clock.now() - sinceMs),
    query: {
      nodes: args.values('node'),
      checks: args.values('check'),
      benchmark,
      controls: args.values('control'),
      verdicts: verdicts.length > 0 ? verdicts : presetVerdicts(context),
      state: args.value('state') ?? (waivers.length > 0 ? 'waived' : presetState(context)),
      waivers,
      severities: args.values('severity'),
      kinds: container === undefined ? args.values('kind') : ['container'],
      subject: container ?? args.value('subject'),
      text: args.value('text'),
    },
  };
}

/** The verdicts where none is chosen; empty: all. */
function presetVerdicts(context: Context): readonly string[] {
  const { args } = context;
  if (args.has('watch') || args.has('history') || args.has('waiver') || !isTable(context)) return [];
  return args.has('by') ? ['fail', 'unknown', 'manual'] : ['fail'];
}

/** As the verdicts: a table is about what is open; undefined: any state. */
function presetState(context: Context): string | undefined {
  const { args } = context;
  return args.has('watch') || args.has('history') || !isTable(context) ? undefined : 'open';
}

/** What a waiver accepts does not count. */
function reaches(finding: FleetFinding, threshold: Severity): boolean {
  const { verdict, severity } = finding;
  return !isWaived(finding) && verdict === 'fail' && severityRank(severity) <= severityRank(threshold);
}
