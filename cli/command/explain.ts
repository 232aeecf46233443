import { compareByName } from '../../api/finding-list.ts';
import { safe } from '../../api/safe.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { JUDGED_BY, severityText } from '../../posture/check/check.ts';
import { findBenchmark, indexControls } from '../../posture/benchmark/benchmark.ts';
import { check as apiCheck } from '../../api/check.ts';
import { FACT_SCHEMAS } from '../../posture/fact/facts.ts';
import type { FactName } from '../../posture/fact/facts.ts';
import { connect } from '../api/connect.ts';
import { ANY_FINDING, readFindings } from '../api/findings.ts';
import { nodeList } from '../../api/node.ts';
import { isFindingUid, printUnknownFinding, readFinding } from '../findings/show-finding.ts';
import { resolveNodes } from '../nodes/choose.ts';
import { isTable, printDocument } from '../output/listing.ts';
import type { Result } from '../../api/client.ts';
import { defineCommand, EXIT_OK, nodeOption, outputOption } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { findingBlock } from '../render/finding.ts';
import { wrap } from '../render/width.ts';
import { commandsFor, familyOf } from '../../posture/remediation/commands.ts';
import type { Family } from '../../posture/remediation/commands.ts';
import { documentCheck } from '../scan/document-check.ts';
import { familyOfThisHost } from '../scan/host-family.ts';
import type { DocumentCheck } from '../scan/document-check.ts';
import { unknownCheck } from '../scan/known.ts';
import { allChecks, exclusions, loadCatalog, problemsText } from '../../tailoring/catalog.ts';
import type { Catalog } from '../../tailoring/catalog.ts';

/** Most findings that are shown. */
const MAX_FINDINGS = 100;
const COLLECTOR_DEADLINE_MS = 5000;

export const explain = defineCommand({
  name: 'explain',
  summary: 'explain a check or a finding: why it matters, what to do',
  usage: ['explain CHECK [options]', 'explain FINDING [options]'],
  description: [
    'Prints when a check passes and fails, what decides the severity, why it matters, what to do, which facts it reads, its references and its benchmark controls.',
    'Where the distribution of this host has commands of its own (package manager, boot loader, names of services), they follow what to do.',
    'With --profile it shows the severity and the parameters that the profile sets, or why the profile excludes the check.',
    'With --node or --subject it also prints the current findings with all their evidence, read from the collector.',
    'FINDING is the uid of a finding, or at least 8 characters of it: its evidence comes first, then its check, with the commands for the distribution of its node.',
  ],
  operands: { min: 1, max: 1, completes: 'check' },
  options: [
    nodeOption('show its findings on this node'),
    {
      name: 'subject',
      value: 'NAME',
      completes: 'subject',
      summary: 'show its findings about this subject, by name or id',
    },
    outputOption('table', 'json', 'jsonpath='),
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll explain container.seccomp-filter', meaning: 'what to do about it' },
    {
      line: 'plimsoll explain container.seccomp-filter --subject shop-db',
      meaning: 'with the evidence for this container',
    },
    { line: 'plimsoll explain 3f2a9c81', meaning: 'what one finding saw, and what to do about it' },
    {
      line: 'plimsoll explain container.capabilities --profile production.yaml',
      meaning: 'as a profile has it judged',
    },
  ],
  run: async (context) => {
    const { args, stdout } = context;
    const [word = ''] = args.operands;
    const loaded = await loadCatalog(context.settings);
    if (!loaded.ok) return printError(context, problemsText(loaded.problems), 'see: docs/tailoring.md');
    if (isFindingUid(word)) return explainFinding(context, loaded.catalog, word);
    const document = await findCheck(context, loaded.catalog, word);
    if (document === undefined)
      return printError(
        context,
        unknownCheck(word, allChecks(loaded.catalog)) ?? `${word} is an area, not a check`,
        'see: plimsoll checks',
      );
    const read = await readCurrent(context, document.id);
    const findings = read?.ok === true ? read.value : undefined;
    if (!isTable(context)) await printDocument(context, findings === undefined ? document : { ...document, findings });
    else {
      const lines = [
        ...page(document, context, { name: 'this host', family: await familyOfThisHost() }),
        ...(findings ?? []).flatMap((one) => findingBlock(one, context)),
      ];
      if (findings?.length === 0) lines.push('', 'The collector has no matching finding.');
      await stdout.write(`${lines.join('\n')}\n`);
    }
    return read?.ok === false ? printFailure(context, read.problem) : EXIT_OK;
  },
});

/** Prints a finding of the collector, its check, and what to do on its node. Returns the exit code. */
async function explainFinding(context: Context, catalog: Catalog, word: string): Promise<number> {
  const { args, settings, stdout } = context;
  if (args.has('node') || args.has('subject'))
    return printError(context, '--node and --subject choose findings of a check, and this is one finding');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const read = await readFinding(client.value, word);
  if (!read.ok) return printFailure(context, read.problem);
  const { finding, entries } = read.value;
  const { check, nodeId } = finding ?? entries[0] ?? {};
  if (check === undefined) return printUnknownFinding(context, word);
  const document = await findCheck(context, catalog, check);
  if (document === undefined)
    return printError(context, `the check ${check} of this finding does not exist any more`, 'see: plimsoll checks');
  if (!isTable(context)) {
    await printDocument(context, { ...document, findings: finding === undefined ? [] : [finding] });
    return EXIT_OK;
  }
  const nodes = await client.value.get('/v1/nodes', nodeList);
  if (!nodes.ok) return printFailure(context, nodes.problem);
  const node = nodes.value.nodes.find(({ id }) => id === nodeId);
  const host = { name: safe(node?.name ?? ''), family: node && familyOf(node.operatingSystem) };
  const lines = [
    ...(finding === undefined
      ? [`Resolved: ${word} is no longer among the findings.`]
      : findingBlock(finding, context).slice(1)),
    '',
    ...page(document, context, host),
  ];
  await stdout.write(`${lines.join('\n')}\n`);
  return EXIT_OK;
}

/** A check of the catalog with what the profile does with it, or a custom one that only the collector has the file of. */
async function findCheck(context: Context, catalog: Catalog, id: string): Promise<ExplainedCheck | undefined> {
  const found = await documentOf(context, catalog, id);
  const profile = found && (await profileEffect(context.settings, catalog, found));
  return found && profile ? { ...found, profile } : found;
}

async function documentOf({ settings }: Context, catalog: Catalog, id: string): Promise<DocumentCheck | undefined> {
  const [checks, benchmarks] = [allChecks(catalog), catalog.benchmarks];
  const known = checks.find((check) => check.id === id);
  if (known !== undefined) return documentCheck(known, indexControls(benchmarks));
  // In an area of Plimsoll, it is a typing error that needs no collector.
  if (!id.includes('.') || checks.some((check) => check.id.split('.', 1)[0] === id.split('.', 1)[0])) return undefined;
  const client = await connect(settings, AbortSignal.timeout(COLLECTOR_DEADLINE_MS));
  const read = client.ok ? await client.value.get(`/v1/checks/${encodeURIComponent(id)}`, apiCheck) : client;
  return read.ok ? ({ ...read.value, parameters: [] } as DocumentCheck) : undefined;
}

/** What a profile does with a check. */
interface ProfileEffect {
  readonly name: string;
  /** Why the check is not judged; null: it is. */
  readonly excluded: string | null;
  /** Severities without the profile, where it sets another one; otherwise null. */
  readonly defaultSeverity: string | null;
}

/** A check as it is judged with the profile. */
interface ExplainedCheck extends DocumentCheck {
  /** Left out without a profile. */
  readonly profile?: ProfileEffect;
}

/** What the profile of the settings does with a check; undefined without a profile. */
async function profileEffect(
  settings: Context['settings'],
  catalog: Catalog,
  check: DocumentCheck,
): Promise<ProfileEffect | undefined> {
  if (catalog.profile === undefined) return undefined;
  const plain = await loadCatalog({ ...settings, profile: 'none' });
  const original = plain.ok ? plain.catalog.checks.find(({ id }) => id === check.id) : undefined;
  const before = original === undefined ? undefined : severityText(original);
  return {
    name: catalog.profile,
    excluded: exclusions(catalog).get(check.id) ?? null,
    defaultSeverity: before === undefined || before === severityText(levelsOf(check)) ? null : before,
  };
}

/** The findings that the collector has; undefined where none were asked for. */
async function readCurrent(context: Context, check: string): Promise<Result<readonly FleetFinding[]> | undefined> {
  const { args, settings } = context;
  if (!args.has('node') && !args.has('subject')) return undefined;
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return client;
  const nodes = await resolveNodes(client.value, args.values('node'));
  if (!nodes.ok) return nodes;
  const query = { ...ANY_FINDING, nodes: nodes.value, checks: [check], subject: args.value('subject') };
  const read = await readFindings(client.value, query, MAX_FINDINGS);
  return read.ok ? { ok: true, value: read.value.findings.toSorted(compareByName) } : read;
}

/** What is known of a check, and its commands for a host. */
function page(
  check: ExplainedCheck,
  { width, paint }: Context,
  { name, family }: { readonly name: string; readonly family: Family | undefined },
): readonly string[] {
  const commands = family === undefined ? [] : commandsFor(check.id, family);
  const paragraph = (title: string, text: string): readonly string[] => [
    '',
    paint.bold(title),
    ...wrap(text, width - 2).map((line) => `  ${line}`),
  ];
  return [
    `${paint.bold(check.id)}  ${paint.severity(check.severity, severityText(levelsOf(check)).toUpperCase())}`,
    ...wrap(`Passes: ${check.title}`, width),
    ...wrap(`Fails: ${check.failTitle}`, width),
    ...wrap(`Judged by: ${JUDGED_BY[check.judgedBy]}`, width),
    ...profileLines(check).flatMap((line) => wrap(line, width)),
    ...severityLines(check, width, paint.bold('Severity')),
    ...paragraph('Why', check.rationale),
    ...paragraph('What to do', check.remediation),
    ...(commands.length === 0 ? [] : ['', paint.bold(`On ${name} (${family ?? ''})`)]),
    ...commands.flatMap((command) => wrap(command, width - 2).map((line) => `  ${line}`)),
    '',
    paint.bold('What is read'),
    ...readLines(check, width),
    ...(check.references.length === 0 ? [] : ['', paint.bold('Where to read more')]),
    ...check.references.map((url) => `  ${url}`),
    ...parameterLines(check, width, paint.bold(`Parameters of ${check.profile === undefined ? 'a' : 'the'} profile`)),
    ...controlLines(check, width, paint.bold('Benchmarks')),
  ];
}

/** What decides the severity of a failure; nothing where there is one severity whatever the subject. */
function severityLines({ severityLevels, judges }: DocumentCheck, width: number, title: string): readonly string[] {
  const levels = severityLevels.map(({ severity, when }) => `${severity}: ${when}`);
  if (judges === 'container')
    levels.push(
      'A container that does not run is judged by its declaration, one level milder unless it is restarting; a failure of severity low is then not applicable.',
    );
  if (levels.length === 0) return [];
  return ['', title, ...levels.flatMap((level) => wrap(level, width - 2).map((line) => `  ${line}`))];
}

const COLLECTOR_READS = {
  clusterNode: 'the nodes of the Kubernetes cluster, by the collector; a scan does not contain it',
  imageTags: 'the registries of running images, by the collector (setting registries); a scan does not contain it',
  imageRules:
    'what image policies say about running images, by the collector (setting policies); a scan does not contain it',
  admittedContainer: 'what admission webhooks reported to the collector; a scan does not contain it',
  cluster: 'the admission webhook of the Kubernetes cluster, by the collector; a scan does not contain it',
} as const;

/** The facts that a check reads: its subject, then the others. */
function readLines(check: DocumentCheck, width: number): readonly string[] {
  if (
    check.judges === 'clusterNode' ||
    check.judges === 'imageTags' ||
    check.judges === 'imageRules' ||
    check.judges === 'cluster' ||
    check.judges === 'admittedContainer'
  )
    return wrap(COLLECTOR_READS[check.judges], width - 2).map((line) => `  ${line}`);
  const judged: Readonly<Record<typeof check.judges, FactName>> = {
    node: 'node',
    docker: 'docker',
    kubelet: 'kubelet',
    sshd: 'sshd',
    container: 'containers',
    image: 'images',
    file: 'files',
    listener: 'listeners',
  };
  const names = new Set<string>([...(check.judges === 'node' ? [] : [judged[check.judges]]), ...check.needs]);
  return [...names].flatMap((name) =>
    wrap(`${name}: ${factText(name).replaceAll('`', '')}`, width - 2).map((line) => `  ${line}`),
  );
}

function profileLines({ severity, profile }: ExplainedCheck): readonly string[] {
  if (profile === undefined) return [];
  const { name, excluded, defaultSeverity } = profile;
  if (excluded !== null) return [`Not judged: the profile ${name} excludes it: ${excluded}`];
  return defaultSeverity === null
    ? []
    : [`The profile ${name} sets the severity of every failure: ${severity} (default: ${defaultSeverity})`];
}

function parameterLines({ parameters, profile }: ExplainedCheck, width: number, title: string): readonly string[] {
  if (parameters.length === 0) return [];
  const lines = parameters.map(({ name, doc, default: preset, value }) => {
    const [own, other] = [JSON.stringify(value), JSON.stringify(preset)];
    const set = profile === undefined || own === other ? '' : `${own} in the profile ${profile.name}, `;
    return `${name}: ${doc}; ${set}default ${other}`;
  });
  return ['', title, ...lines.flatMap((line) => wrap(line, width - 2).map((part) => `  ${part}`))];
}

function factText(name: string): string {
  return Object.hasOwn(FACT_SCHEMAS, name) ? FACT_SCHEMAS[name as FactName].shape.doc : '';
}

/** `severityText` says `up to` where there are several. */
function levelsOf({ severity, severityLevels }: DocumentCheck): Parameters<typeof severityText>[0] {
  return severityLevels.length === 0 ? { severity } : { severity, severityLevels };
}

function controlLines({ controls }: DocumentCheck, width: number, title: string): readonly string[] {
  if (controls.length === 0) return [];
  const lines = controls.flatMap(({ benchmark, control }) => {
    const entry = findBenchmark(benchmark)?.controls.find(({ id }) => id === control);
    return wrap(`${benchmark} ${control} ${entry?.title ?? ''}`, width - 2).map((line) => `  ${line}`);
  });
  return ['', title, ...lines];
}
