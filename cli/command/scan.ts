import { compareByName } from '../../api/finding-list.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { resolve } from 'node:path';
import { defineCommand, EXIT_FAILURE, EXIT_FINDINGS, EXIT_OK, OUTPUT_OPTION, QUIET_OPTION } from '../command.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import type { ScanOutcome } from '../programs.ts';
import { BY_OPTION, findingLines, printFindings } from '../output/finding-listing.ts';
import { isTable } from '../output/listing.ts';
import { hasJoined } from '../render/finding-list.ts';
import { describeNode } from '../scan/node.ts';
import type { ScannedNode } from '../scan/node.ts';
import { isGateOpen, unansweredEngines, unlistedReason } from '../scan/coverage.ts';
import { asTyped } from '../invocation.ts';
import { hintLines, reportHead } from '../scan/report.ts';
import { ALL_VERDICTS, isAbout, isAnswer, reaches, selectionOf, unknownSubject } from '../scan/select.ts';

export const scan = defineCommand({
  name: 'scan',
  summary: 'judge this machine once and print what fails',
  usage: ['scan [options]'],
  description: [
    'Reads the kernel, the container runtime, every running container, the SSH server and the files of this host, judges them, and prints the failures, worst first, with the decisive evidence. It writes nothing, starts no process and needs no collector.',
    'Anything unreadable is reported as unknown, never as a pass. Run it as root for full coverage. Counts include everything that was judged; the options below choose what is printed. Many subjects of one check of low or medium severity share a line, unless --check, --subject or --container selects them.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    {
      name: 'verdict',
      short: 'v',
      value: 'VERDICT',
      choices: VERDICTS,
      repeated: true,
      summary: 'print findings with this verdict; default: fail in a table, all in other formats',
    },
    {
      name: 'severity',
      value: 'SEVERITY',
      choices: SEVERITIES,
      repeated: true,
      summary: 'print findings of this severity',
    },
    {
      name: 'check',
      value: 'CHECK',
      repeated: true,
      completes: 'check',
      summary: 'print findings of this check, or of an area such as ssh',
    },
    {
      name: 'container',
      value: 'NAME',
      repeated: true,
      completes: 'subject',
      summary: 'print findings about this container, by name or id; the id may be shortened',
    },
    {
      name: 'subject',
      value: 'NAME',
      repeated: true,
      summary: 'print findings about this subject of any kind, by name or id',
    },
    {
      name: 'benchmark',
      value: 'ID',
      completes: 'benchmark',
      summary: 'judge only by the checks of this benchmark; see: plimsoll benchmarks',
    },
    {
      name: 'fail-on',
      value: 'SEVERITY',
      choices: SEVERITIES,
      summary: 'exit with status 1 if a selected finding fails with this severity or a worse one',
    },
    {
      name: 'recorded',
      value: 'DIR',
      completes: 'directory',
      summary: 'judge a recording of plimsoll record instead of this machine',
    },
    BY_OPTION,
    OUTPUT_OPTION,
    QUIET_OPTION,
  ],
  settings: ['scan'],
  examples: [
    { line: 'sudo plimsoll scan', meaning: 'every failure of this machine' },
    {
      line: 'plimsoll scan --fail-on high --output json > posture.json',
      meaning: 'for a pipeline: exit status 1 if a finding is critical or high',
    },
    { line: 'plimsoll scan --verdict unknown', meaning: 'what could not be judged, and why' },
    { line: 'plimsoll scan --container shop-db', meaning: 'every failure of one container' },
    { line: 'plimsoll scan --recorded ./web-3', meaning: 'a recorded machine' },
  ],
  run: async (context: Context): Promise<number> => {
    const { args, settings, programs, workingDirectory } = context;
    const scope = await scopeOf(context);
    if (!scope.ok) return printError(context, scope.problem, scope.hint);
    const recorded = args.value('recorded');
    const signal = context.listenForShutdown();
    const outcome = await programs.scan({
      settings,
      recorded: recorded === undefined ? undefined : resolve(workingDirectory, recorded),
      signal,
    });
    if (!outcome.ok) return printError(context, outcome.problem, outcome.hint);
    const judged = outcome.findings.filter(scope.includes).toSorted(compareByName);
    const silent =
      recorded === undefined ? unansweredEngines(outcome.facts, [settings.dockerHost, settings.runtimeEndpoint]) : [];
    const missing = unknownSubject(context.args, judged, unlistedReason(outcome.facts, silent));
    if (missing !== undefined) return printError(context, missing);
    await print(context, outcome, judged);
    for (const { endpoint, reason } of silent)
      await printError(
        context,
        `${endpoint} could not be read: ${reason}`,
        'docker-host, runtime-endpoint or DOCKER_HOST names it',
      );
    if (silent.length > 0) return EXIT_FAILURE;
    const threshold = args.value('fail-on') as Severity | undefined;
    return threshold === undefined ? EXIT_OK : exitCodeFor(context, threshold, outcome, judged);
  },
});

/** The exit code for `--fail-on`. What could not be read may fail too: that is not a pass. */
async function exitCodeFor(
  context: Context,
  threshold: Severity,
  { facts }: Scanned,
  judged: readonly Finding[],
): Promise<number> {
  const meant = judged.filter((finding) => isAbout(selectionOf(context.args), finding));
  if (reaches(threshold, meant)) return EXIT_FINDINGS;
  if (!isGateOpen(threshold, facts, meant)) return EXIT_OK;
  return printError(
    context,
    `no finding reaches ${threshold}, but not everything could be read`,
    'see: plimsoll scan --verdict unknown --verdict fail --check runtime --check container',
  );
}

type Scanned = Extract<ScanOutcome, { ok: true }>;

async function print(context: Context, { facts, durationMs }: Scanned, judged: readonly Finding[]): Promise<void> {
  const { args } = context;
  const selection = selectionOf(args);
  const preset: readonly Verdict[] = !isTable(context)
    ? ALL_VERDICTS
    : args.has('by')
      ? ['fail', 'unknown', 'manual']
      : ['fail'];
  const shown = judged.filter((finding) => isAbout(selection, finding) && isAnswer(selection, finding, preset));
  const node = describeNode(facts);
  if ((args.value('output') ?? 'table') === 'table' && !args.has('by'))
    return printTable(context, { node, judged, shown, durationMs });
  const { scanDocument } = await import('../scan/document.ts');
  const images = imagesOf(facts);
  const document = scanDocument(node, judged, shown, durationMs);
  return printFindings(context, {
    findings: shown,
    document,
    items: document.findings,
    nameOf: ({ id }) => id,
    nodeOf: () => node.name,
    nodeIdOf: () => node.name,
    imageOf: ({ subject }) => images.get(subject.id) ?? '',
    empty: 'No matching findings.',
  });
}

/** Images of the containers by id. */
function imagesOf({ containers }: Facts): ReadonlyMap<string, string> {
  return new Map(containers.state === 'seen' ? containers.value.map(({ id, image }) => [id, image]) : []);
}

interface Printed {
  readonly node: ScannedNode;
  readonly judged: readonly Finding[];
  readonly shown: readonly Finding[];
  readonly durationMs: number;
}

async function printTable(context: Context, { node, judged, shown, durationMs }: Printed): Promise<void> {
  const { args, stdout } = context;
  const joined = !['check', 'subject', 'container'].some(args.has);
  const body = findingLines(context, { findings: shown, nodeOf: () => node.name }, joined);
  const lines = [
    ...reportHead(node, judged, durationMs, context),
    '',
    ...(body.length > 0 ? [...body, ''] : []),
    ...hints(context, node, judged, shown).flatMap((hint) => hintLines(asTyped(hint, context.invocation), context)),
  ];
  await stdout.write(`${lines.join('\n')}\n`);
}

function hints({ args }: Context, node: ScannedNode, judged: readonly Finding[], shown: readonly Finding[]): string[] {
  const recorded = args.value('recorded');
  const again = `plimsoll scan${recorded === undefined ? '' : ` --recorded ${recorded}`}`;
  const verdicts = new Set(args.values('verdict'));
  const count = (verdict: Verdict): number => judged.filter((finding) => finding.verdict === verdict).length;
  const found: string[] = [];
  const failed = shown.find(({ verdict }) => verdict === 'fail') ?? shown[0];
  if (shown.length === 0) found.push(judged.length === 0 ? 'Nothing was judged.' : 'No matching findings.');
  if (count('unknown') > 0 && !verdicts.has('unknown'))
    found.push(
      `${String(count('unknown'))} could not be judged${node.effectiveUid === 0 ? '' : ' (not root)'}: ${again} --verdict unknown`,
    );
  if (count('manual') > 0 && !verdicts.has('manual'))
    found.push(`${String(count('manual'))} need manual review: ${again} --verdict manual`);
  if (hasJoined(shown) && !['check', 'subject', 'container'].some(args.has))
    found.push(`All subjects of one check: ${again} --check CHECK`);
  if (failed !== undefined) found.push(`What to do about one: plimsoll explain ${failed.check}`);
  return found;
}

type Scope =
  | { readonly ok: true; readonly includes: (finding: Finding) => boolean }
  | { readonly ok: false; readonly problem: string; readonly hint: string };

/** What is judged at all; checks and benchmarks that do not exist are refused before anything is read. */
async function scopeOf({ args }: Context): Promise<Scope> {
  const { unknownCheck } = await import('../scan/known.ts');
  for (const wanted of args.values('check')) {
    const problem = unknownCheck(wanted);
    if (problem !== undefined) return { ok: false, problem, hint: 'see: plimsoll checks' };
  }
  const benchmark = args.value('benchmark');
  if (benchmark === undefined) return { ok: true, includes: () => true };
  const { checksOfBenchmark, unknownBenchmark } = await import('../scan/known.ts');
  const problem = unknownBenchmark(benchmark);
  if (problem !== undefined) return { ok: false, problem, hint: 'see: plimsoll benchmarks' };
  const checks = checksOfBenchmark(benchmark);
  return { ok: true, includes: ({ check }) => checks.has(check) };
}
