import { compareByName } from '../../api/finding-list.ts';
import { findBenchmark } from '../../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../posture/benchmark/compliance.ts';
import type { BenchmarkResult } from '../../posture/benchmark/compliance.ts';
import { chooseKubernetesBenchmark } from '../../posture/benchmark/kubernetes-benchmark.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { allChecks, exclusions, loadCatalog, problemsText } from '../../tailoring/catalog.ts';
import type { Catalog } from '../../tailoring/catalog.ts';
import { loadWaiverFiles } from '../../image/policy/waiver-files.ts';
import { unknownBenchmark, unknownCheck } from '../scan/known.ts';
import { applyWaivers, findingWaiver, waiverText } from '../../policy/waiver.ts';
import type { Waiver, WaiverScope, WaiverState, WaiverUse } from '../../policy/waiver.ts';
import { resolve } from 'node:path';
import { defineCommand, EXIT_FAILURE, EXIT_FINDINGS, EXIT_OK } from '../command.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import type { ScanOutcome } from '../programs.ts';
import type { ScanReportContent } from '../scan/scan-report.ts';
import { missingAccount, printEvents } from '../output/finding-events.ts';
import { isReportFormat } from '../report/print-report.ts';
import { findingLines, printFindings } from '../output/finding-listing.ts';
import { errorCode } from '../../service/files.ts';
import { isTable, printListing } from '../output/listing.ts';
import { writeOutput } from '../output/output-file.ts';
import { createPaint } from '../render/paint.ts';
import { wrap } from '../render/width.ts';
import { knownFailures } from '../report/baseline.ts';
import type { Baseline } from '../report/baseline.ts';
import type { PeerReport } from '../report/peer-report.ts';
import { controlListing, controlResults, scoreLine } from '../report/control-listing.ts';
import { hasJoined } from '../render/finding-list.ts';
import { SCAN_OPTIONS } from '../scan/options.ts';
import { describeNode } from '../scan/node.ts';
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
  options: SCAN_OPTIONS,
  settings: ['scan'],
  examples: [
    { line: 'sudo plimsoll scan', meaning: 'every failure of this machine' },
    {
      line: 'plimsoll scan --fail-on high --output json > posture.json',
      meaning: 'for a pipeline: exit status 1 if a finding is critical or high',
    },
    { line: 'plimsoll scan --verdict unknown', meaning: 'what could not be judged, and why' },
    {
      line: 'plimsoll scan --waivers waivers.yaml --fail-on high',
      meaning: 'accepted failures do not count, until their day',
    },
    { line: 'plimsoll scan --container shop-db', meaning: 'every failure of one container' },
    { line: 'plimsoll scan --recorded ./web-3', meaning: 'a recorded machine' },
    {
      line: 'sudo plimsoll scan --compare docker-bench-security.sh.log.json',
      meaning: 'where docker-bench-security answers otherwise, and why',
    },
    {
      line: 'sudo plimsoll scan --benchmark cis-docker-1.8.0 --level 1 --by control',
      meaning: 'the result of each control',
    },
    {
      line: 'plimsoll scan --benchmark cis-docker-1.8.0 -o html > report.html',
      meaning: 'a page for auditors',
    },
    {
      line: 'plimsoll scan --baseline posture.json --fail-on high',
      meaning: 'exit status 1 only if a failure is new',
    },
  ],
  run: async (context: Context): Promise<number> => {
    const { args, settings, programs, workingDirectory } = context;
    const noAccount = missingAccount(context);
    if (noAccount !== undefined) return printError(context, noAccount.problem, noAccount.hint);
    const loaded = await loadCatalog(settings);
    if (!loaded.ok) return printError(context, problemsText(loaded.problems), 'see: docs/tailoring.md');
    const { catalog } = loaded;
    const asked = await scopeOf(context, catalog);
    if (!asked.ok) return printError(context, asked.problem, asked.hint);
    const accepted = await loadWaiverFiles(
      args.values('waivers').map((file) => resolve(workingDirectory, file)),
      context.clock.now(),
    );
    if (!accepted.ok) return printError(context, problemsText(accepted.problems));
    const recorded = args.value('recorded');
    const signal = context.listenForShutdown();
    const outcome = await programs.scan({
      settings,
      checks: catalog.checks,
      recorded: recorded === undefined ? undefined : resolve(workingDirectory, recorded),
      signal,
    });
    if (!outcome.ok) return printError(context, outcome.problem, outcome.hint);
    const scope = withKubernetesBenchmark(asked, outcome.facts, catalog);
    if (scope === undefined)
      return printError(
        context,
        'no kubelet of this host was found, so no Kubernetes benchmark fits it',
        SEE_BENCHMARKS,
      );
    const judged = outcome.findings.filter(({ check }) => scope.checks?.has(check) ?? true).toSorted(compareByName);
    const silent =
      recorded === undefined ? unansweredEngines(outcome.facts, [settings.dockerHost, settings.runtimeEndpoint]) : [];
    const missing = unknownSubject(context.args, judged, unlistedReason(outcome.facts, silent));
    if (missing !== undefined) return printError(context, missing);
    const scanned = {
      ...outcome,
      judged,
      known: knownFailures(scope.baseline, judged),
      ...applyWaivers(judged, accepted.findingWaivers, waiverScope(outcome.facts, context.clock.now())),
      scope,
      catalog,
    };
    const problem = await print(context, scanned);
    if (problem !== undefined) return printError(context, problem);
    for (const { endpoint, reason } of silent)
      await printError(
        context,
        `${endpoint} could not be read: ${reason}`,
        'docker-host, runtime-endpoint or DOCKER_HOST names it',
      );
    if (silent.length > 0) return EXIT_FAILURE;
    const threshold = args.value('fail-on') as Severity | undefined;
    return threshold === undefined ? EXIT_OK : exitCodeFor(context, threshold, scanned);
  },
});

/** A scan with what is reported of it. */
interface Scanned extends Extract<ScanOutcome, { ok: true }> {
  /** The findings of the checks that were asked for, worst first. */
  readonly judged: readonly Finding[];
  /** Ids of failures that the baseline has. */
  readonly known: ReadonlySet<string>;
  /** The waivers of findings, by id. */
  readonly waived: ReadonlyMap<string, Waiver>;
  /** What each waiver did. */
  readonly uses: readonly WaiverUse[];
  readonly scope: Scope;
  readonly catalog: Catalog;
}

function waiverScope({ node, containers }: Facts, nowMs: number): WaiverScope {
  const images = new Map(containers.state === 'seen' ? containers.value.map(({ id, imageId }) => [id, imageId]) : []);
  return { nodeNames: [node.name], imageIdOf: (id) => images.get(id), nowMs };
}

/** The exit code for `--fail-on`. What could not be read may fail too: that is not a pass. */
async function exitCodeFor(context: Context, threshold: Severity, scanned: Scanned): Promise<number> {
  const { facts, judged, known, waived } = scanned;
  const meant = judged.filter((finding) => isAbout(selectionOf(context.args), finding));
  if (
    reaches(
      threshold,
      meant.filter(({ id }) => !known.has(id) && !waived.has(id)),
    )
  )
    return EXIT_FINDINGS;
  if (!isGateOpen(threshold, facts, meant)) return EXIT_OK;
  return printError(
    context,
    `no finding reaches ${threshold}, but not everything could be read`,
    'see: plimsoll scan --verdict unknown --verdict fail --check runtime --check container',
  );
}

/** Prints as `--output` and `--output-file` ask; answers what prevented it. */
async function print(context: Context, scanned: Scanned): Promise<string | undefined> {
  const { args } = context;
  const file = args.value('output-file');
  if (file === undefined) {
    await printTo(context, scanned);
    return undefined;
  }
  const parts: string[] = [];
  const stdout = {
    ...context.stdout,
    write: (text: string) => {
      parts.push(text);
      return Promise.resolve();
    },
  };
  const paint = createPaint({ color: 'never', isTerminal: false, terminal: undefined });
  await printTo({ ...context, stdout, paint, tableWidth: Infinity }, scanned);
  try {
    await writeOutput(context, file, parts.join(''));
  } catch (error) {
    return `--output-file ${file}: cannot be written (${errorCode(error)})`;
  }
  await printTable(context, scanned, selectFindings(context, scanned, ['fail']));
  return undefined;
}

/** The benchmark over everything that was judged, within the scope of the scan. */
function assess(benchmark: Benchmark, { judged, waived, scope: { level }, catalog }: Scanned): BenchmarkResult {
  const findings = judged.map((finding) =>
    waived.has(finding.id) ? Object.assign({ waived: true }, finding) : finding,
  );
  return assessBenchmark<Finding>(benchmark, findings, { level, excluded: exclusions(catalog) });
}

async function printTo(context: Context, scanned: Scanned): Promise<void> {
  const { args, stdout } = context;
  const { facts, judged, known, waived, uses, scope, durationMs, catalog } = scanned;
  const format = args.value('output') ?? 'table';
  const node = describeNode(facts);
  const benchmark = scope.benchmark === undefined ? undefined : assess(scope.benchmark, scanned);
  if (isReportFormat(format)) {
    const { formatReport } = await import('../report/print-report.ts');
    const { scanReport } = await import('../scan/scan-report.ts');
    return stdout.write(await formatReport(scanReport(contentOf(context, scanned)), format));
  }
  if (format === 'ocsf' || format === 'asff') {
    const { listedFindings } = await import('../scan/scan-report.ts');
    return printEvents(context, listedFindings(contentOf(context, scanned)));
  }
  if (scope.peer !== undefined && benchmark !== undefined) {
    const { compareWithPeer, printComparison } = await import('../report/comparison.ts');
    return printComparison(context, compareWithPeer(benchmark, scope.peer));
  }
  if (args.value('by') === 'control' && benchmark !== undefined) {
    const results = controlResults(benchmark);
    await printListing(context, controlListing(results, context.paint));
    const chosen = scope.isForKubelet === true ? chooseKubernetesBenchmark(facts.kubelet, facts.containers) : undefined;
    const because = chosen === undefined ? '' : `${chosen.id}, because of ${chosen.reason}\n`;
    if (isTable(context)) await stdout.write(`\n${scoreLine(results)}\n${because}`);
    return;
  }
  if (format === 'table' && !args.has('by'))
    return printTable(context, scanned, selectFindings(context, scanned, ['fail']));
  const preset: readonly Verdict[] = !isTable(context) ? ALL_VERDICTS : args.has('by') ? COUNTED : ['fail'];
  const shown = selectFindings(context, scanned, preset);
  const { scanDocument } = await import('../scan/document.ts');
  const images = imagesOf(facts);
  const document = scanDocument({
    node,
    judged,
    shown,
    waived,
    uses,
    known,
    durationMs,
    catalog,
  });
  return printFindings(context, {
    findings: shown,
    document,
    items: document.findings,
    nameOf: ({ id }) => id,
    nodeOf: () => node.name,
    nodeIdOf: () => node.name,
    imageOf: ({ subject }) => images.get(subject.id) ?? '',
    acceptedOf: ({ id }) => {
      const waiver = waived.get(id);
      if (waiver !== undefined) return waiverText(findingWaiver(waiver));
      return known.has(id) ? 'in the baseline' : '';
    },
    empty: 'No matching findings.',
  });
}

/** What reports and events are made of. */
function contentOf(context: Context, scanned: Scanned): ScanReportContent {
  const { clock, version } = context;
  return {
    ...scanned,
    selected: selectFindings(context, scanned, ALL_VERDICTS),
    ...scanned.scope,
    madeAt: clock.now(),
    version,
  };
}

/** Verdicts that `--by` counts in a table. */
const COUNTED: readonly Verdict[] = ['fail', 'unknown', 'manual'];

/** The findings that the options choose; `preset`: the verdicts where none is chosen. */
function selectFindings(
  { args }: Context,
  { judged, waived }: Scanned,
  preset: readonly Verdict[],
): readonly Finding[] {
  const selection = selectionOf(args);
  const state = args.value('state');
  return judged.filter(
    (finding) =>
      isAbout(selection, finding) &&
      isAnswer(selection, finding, preset) &&
      (state === undefined || waived.has(finding.id) === (state === 'waived')),
  );
}

/** Images of the containers by id. */
function imagesOf({ containers }: Facts): ReadonlyMap<string, string> {
  return new Map(containers.state === 'seen' ? containers.value.map(({ id, image }) => [id, image]) : []);
}

async function printTable(context: Context, scanned: Scanned, selected: readonly Finding[]): Promise<void> {
  const { args, stdout } = context;
  const { facts, judged, known, waived, durationMs, scope } = scanned;
  const node = describeNode(facts);
  const isListed = args.value('state') === 'waived';
  const shown = selected.filter(({ id }) => !known.has(id) && (isListed || !waived.has(id)));
  const joined = !['check', 'subject', 'container'].some(args.has);
  const body = findingLines(context, { findings: shown, nodeOf: () => node.name }, joined);
  const score =
    scope.benchmark === undefined
      ? []
      : wrap(scoreLine(controlResults(assess(scope.benchmark, scanned))), context.width);
  const lines = [
    ...reportHead(node, judged, durationMs, context),
    ...score,
    '',
    ...(body.length > 0 ? [...body, ''] : []),
    ...hints(context, scanned, shown).flatMap((hint) => hintLines(asTyped(hint, context.invocation), context)),
  ];
  await stdout.write(`${lines.join('\n')}\n`);
}

function hints(
  { args }: Context,
  { facts, judged, known, waived, uses, scope, catalog }: Scanned,
  shown: readonly Finding[],
): string[] {
  const recorded = args.value('recorded');
  const again = `plimsoll scan${recorded === undefined ? '' : ` --recorded ${recorded}`}`;
  const verdicts = new Set(args.values('verdict'));
  const count = (verdict: Verdict): number => judged.filter((finding) => finding.verdict === verdict).length;
  const found: string[] = [];
  const kubernetes = chooseKubernetesBenchmark(facts.kubelet, facts.containers);
  if (kubernetes !== undefined)
    found.push(`Kubernetes: ${kubernetes.id}, because of ${kubernetes.reason}: ${again} --benchmark ${KUBERNETES}`);
  const failed = shown.find(({ verdict }) => verdict === 'fail') ?? shown[0];
  if (shown.length === 0) found.push(judged.length === 0 ? 'Nothing was judged.' : 'No matching findings.');
  if (catalog.profile !== undefined)
    found.push(
      `Profile ${catalog.profile}: ${String(catalog.excluded.length)} checks are excluded, not passed; -o json or html lists them.`,
    );
  if (waived.size > 0 && args.value('state') !== 'waived')
    found.push(`Waived findings are not shown: ${String(waived.size)}; --state waived lists them.`);
  for (const [state, text] of WAIVER_HINTS) {
    const names = uses
      .filter((use) => use.state === state)
      .map(({ waiver: { name, match } }) => {
        const problem = match.checks
          .map((check) => unknownCheck(check, allChecks(catalog)))
          .find((one) => one !== undefined);
        return problem === undefined ? name : `${name} (${problem})`;
      });
    if (names.length > 0) found.push(`Waivers that ${text}: ${names.slice(0, 20).join(', ')}`);
  }
  const other =
    scope.baseline?.node.id === facts.node.id ? '' : `, which is of another node, ${scope.baseline?.node.name ?? ''},`;
  if (known.size > 0) found.push(`${String(known.size)} failures are in the baseline${other} and not shown.`);
  if (scope.benchmark !== undefined)
    found.push(`The result of each control: ${again} --benchmark ${scope.benchmark.id} --by control`);
  if (count('unknown') > 0 && !verdicts.has('unknown'))
    found.push(
      `${String(count('unknown'))} could not be judged${facts.node.effectiveUid === 0 ? '' : ' (not root)'}: ${again} --verdict unknown`,
    );
  if (count('manual') > 0 && !verdicts.has('manual'))
    found.push(`${String(count('manual'))} need manual review: ${again} --verdict manual`);
  if (hasJoined(shown) && !['check', 'subject', 'container'].some(args.has))
    found.push(`All subjects of one check: ${again} --check CHECK`);
  if (failed !== undefined) found.push(`What to do about one: plimsoll explain ${failed.check}`);
  return found;
}

/** What is wrong with waivers, by state. */
const WAIVER_HINTS: readonly (readonly [WaiverState, string])[] = [
  ['expired', 'have expired'],
  ['pending', 'do not apply yet'],
  ['unused', 'match no failure'],
  ['broad', 'accept more than half of all failures'],
];

/** Selects the benchmark of Kubernetes that fits the scanned node. */
const KUBERNETES = 'cis-kubernetes';
const SEE_BENCHMARKS = 'see: plimsoll benchmarks';

/** What is judged at all. */
interface Scope {
  readonly ok: true;
  /** The benchmark is chosen once the node was read. */
  readonly isForKubelet?: boolean;
  /** Undefined: every check. */
  readonly checks: ReadonlySet<string> | undefined;
  readonly benchmark: Benchmark | undefined;
  readonly level: number;
  readonly baseline: Baseline | undefined;
  /** The report that the result is compared with. */
  readonly peer?: PeerReport | undefined;
}

/** Reads what the options choose; whatever does not exist is refused before anything is read. */
async function scopeOf(
  { args, workingDirectory }: Context,
  catalog: Catalog,
): Promise<Scope | { readonly ok: false; readonly problem: string; readonly hint: string }> {
  for (const wanted of args.values('check')) {
    const problem = unknownCheck(wanted, allChecks(catalog));
    if (problem !== undefined) return { ok: false, problem, hint: 'see: plimsoll checks' };
    const excluded = catalog.excluded.find(({ check }) => check.id === wanted);
    if (excluded !== undefined)
      return {
        ok: false,
        problem: `${wanted} is excluded by the profile ${catalog.profile ?? ''}: ${excluded.reason}`,
        hint: 'scan without it: --profile none',
      };
  }
  if (args.value('by') === 'control' && !args.has('benchmark'))
    return { ok: false, problem: '--by control needs --benchmark', hint: SEE_BENCHMARKS };
  let baseline: Baseline | undefined;
  const file = args.value('baseline');
  if (file !== undefined) {
    const { readBaseline } = await import('../report/baseline.ts');
    const read = await readBaseline(resolve(workingDirectory, file));
    if (!read.ok)
      return { ok: false, problem: `--baseline ${file}: ${read.problem}`, hint: 'make one: plimsoll scan -o json' };
    baseline = read.value;
  }
  let peer: PeerReport | undefined;
  const report = args.value('compare');
  if (report !== undefined) {
    const { readPeerReport } = await import('../report/peer-report.ts');
    const read = await readPeerReport(resolve(workingDirectory, report));
    if (!read.ok)
      return {
        ok: false,
        problem: `--compare ${report}: ${read.problem}`,
        hint: 'docker-bench-security writes it with -l FILE, kube-bench with --json',
      };
    peer = read.value;
    if (peer.benchmark === undefined && !args.has('benchmark'))
      return {
        ok: false,
        problem: `no benchmark here has the numbers of ${peer.tool}`,
        hint: 'name one: --benchmark ID',
      };
  }
  const id = args.value('benchmark') ?? peer?.benchmark;
  if (id === undefined) return { ok: true, checks: undefined, benchmark: undefined, level: Infinity, baseline };
  const level = Number(args.value('level') ?? Infinity);
  if (id === KUBERNETES)
    return { ok: true, checks: undefined, benchmark: undefined, level, baseline, peer, isForKubelet: true };
  const problem = unknownBenchmark(id);
  const benchmark = findBenchmark(id, catalog.benchmarks);
  if (problem !== undefined || benchmark === undefined)
    return { ok: false, problem: problem ?? 'unknown benchmark', hint: SEE_BENCHMARKS };
  return { ok: true, checks: checksOf(benchmark, level), benchmark, level, baseline, peer };
}

function checksOf({ controls }: Benchmark, level: number): ReadonlySet<string> {
  return new Set(controls.filter((control) => control.level <= level).flatMap((control) => control.checks));
}

/** The scope with the benchmark that fits the node, where that was asked for; undefined where none fits. */
function withKubernetesBenchmark(
  scope: Scope,
  { kubelet, containers }: Facts,
  { benchmarks }: Catalog,
): Scope | undefined {
  if (scope.isForKubelet !== true) return scope;
  const chosen = chooseKubernetesBenchmark(kubelet, containers);
  const benchmark = chosen && benchmarks.find(({ id }) => id === chosen.id);
  return benchmark && { ...scope, benchmark, checks: checksOf(benchmark, scope.level) };
}
