import { compareByName } from '../../api/finding-list.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { safe, safeJson } from '../../api/safe.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { severityText } from '../../posture/check/check.ts';
import type { Check } from '../../posture/check/check.ts';
import { findBenchmark } from '../../posture/benchmark/benchmark.ts';
import { FACT_SCHEMAS } from '../../posture/fact/facts.ts';
import type { FactName } from '../../posture/fact/facts.ts';
import { connect } from '../api/connect.ts';
import { readFindings } from '../api/findings.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { findingLabel } from '../render/finding.ts';
import { nodeLabel } from '../render/node-label.ts';
import { displayWidth, fit, wrap, wrapHard } from '../render/width.ts';
import { documentCheck } from '../scan/document-check.ts';
import type { DocumentCheck } from '../scan/document-check.ts';
import { unknownCheck } from '../scan/known.ts';

/** Present findings that are shown. */
const MAX_FINDINGS = 100;

export const explain = defineCommand({
  name: 'explain',
  summary: 'explain a check: when it fails, why it matters and what to do',
  usage: ['explain CHECK [options]'],
  description: [
    'Prints when a check passes and fails, what decides the severity, why it matters, what to do, which facts it reads, its references and its benchmark controls.',
    'With --node or --subject the present findings follow, with all their evidence, as the collector has them.',
  ],
  operands: { min: 1, max: 1, completes: 'check' },
  options: [
    { name: 'node', value: 'NODE', repeated: true, summary: 'show its findings on this node, by name or id' },
    { name: 'subject', value: 'NAME', summary: 'show its findings about this subject, by name or id' },
    {
      name: 'output',
      value: 'FORMAT',
      choices: ['table', 'json'],
      summary: 'table: for people (default); json: one document',
    },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll explain container.seccomp-filter', meaning: 'what to do about it' },
    {
      line: 'plimsoll explain container.seccomp-filter --subject shop-db',
      meaning: 'and what was seen on this container',
    },
  ],
  run: async (context) => {
    const { args, stdout } = context;
    const [id = ''] = args.operands;
    const check = CHECKS.find((known) => known.id === id);
    if (check === undefined)
      return printError(context, unknownCheck(id) ?? `${id} is an area, not a check`, 'see: plimsoll checks');
    const found = await presentFindings(context, check.id);
    const document = documentCheck(check);
    if (args.value('output') === 'json') {
      const whole = found === undefined ? document : { ...document, findings: found };
      await stdout.write(`${safeJson(whole, 2)}\n`);
      return EXIT_OK;
    }
    const lines = [...page(check, document, context), ...(found ?? []).flatMap((one) => findingLines(one, context))];
    if (found?.length === 0) lines.push('', 'The collector has no such finding.');
    await stdout.write(`${lines.join('\n')}\n`);
    return EXIT_OK;
  },
});

/** Findings of the collector; undefined without --node and --subject, or after an error, which is printed. */
async function presentFindings(context: Context, check: string): Promise<readonly FleetFinding[] | undefined> {
  const { args, settings } = context;
  if (!args.has('node') && !args.has('subject')) return undefined;
  const client = await connect(settings, new AbortController().signal);
  const query = {
    nodes: args.values('node'),
    checks: [check],
    verdicts: [],
    severities: [],
    kinds: [],
    subject: args.value('subject'),
    text: undefined,
  };
  const answer = client.ok ? await readFindings(client.value, query, MAX_FINDINGS) : client;
  if (answer.ok) return answer.value.findings.toSorted(compareByName);
  await printFailure(context, answer.problem);
  return undefined;
}

function page(check: Check, document: DocumentCheck, { width, paint }: Context): readonly string[] {
  const paragraph = (title: string, text: string): readonly string[] => [
    '',
    paint.bold(title),
    ...wrap(text, width - 2).map((line) => `  ${line}`),
  ];
  return [
    `${paint.bold(check.id)}  ${paint.severity(check.severity, severityText(check).toUpperCase())}`,
    ...wrap(`Passes: ${check.title}`, width),
    ...wrap(`Fails: ${check.failTitle}`, width),
    ...severityLines(check, width, paint.bold('Severity')),
    ...paragraph('Why', check.rationale),
    ...paragraph('What to do', check.remediation),
    '',
    paint.bold('What is read'),
    ...readLines(check, width),
    '',
    paint.bold('Where to read more'),
    ...check.references.map((url) => `  ${url}`),
    ...controlLines(document, width, paint.bold('Benchmarks')),
  ];
}

/** What decides the severity of a failure; nothing where there is one severity. */
function severityLines({ severityLevels, judges }: Check, width: number, title: string): readonly string[] {
  if (severityLevels === undefined) return [];
  const levels = severityLevels.map(({ severity, when }) => `${severity}: ${when}`);
  if (judges === 'container')
    levels.push('A container that does not run is judged by its declaration, one level milder.');
  return ['', title, ...levels.flatMap((level) => wrap(level, width - 2).map((line) => `  ${line}`))];
}

/** The facts that a check reads: its subject, then the others. */
function readLines(check: Check, width: number): readonly string[] {
  const judged: Readonly<Record<Check['judges'], FactName>> = {
    node: 'node',
    docker: 'docker',
    sshd: 'sshd',
    container: 'containers',
    image: 'images',
    file: 'files',
    listener: 'listeners',
  };
  const names = new Set<FactName>([...(check.judges === 'node' ? [] : [judged[check.judges]]), ...check.needs]);
  return [...names].flatMap((name) =>
    wrap(`${name}: ${FACT_SCHEMAS[name].shape.doc.replaceAll('`', '')}`, width - 2).map((line) => `  ${line}`),
  );
}

function controlLines({ controls }: DocumentCheck, width: number, title: string): readonly string[] {
  if (controls.length === 0) return [];
  const lines = controls.flatMap(({ benchmark, control }) => {
    const entry = findBenchmark(benchmark)?.controls.find(({ id }) => id === control);
    return wrap(`${benchmark} ${control} ${entry?.title ?? ''}`, width - 2).map((line) => `  ${line}`);
  });
  return ['', title, ...lines];
}

function findingLines(finding: FleetFinding, { paint, width }: Context): readonly string[] {
  const { text, paint: colour } = findingLabel(finding, paint);
  const word = text.trimEnd();
  const node = nodeLabel(finding.nodeName, finding.nodeId);
  // Both names are to be seen, however long the first is.
  const room = width - word.length - ' on '.length - 2;
  const shownNode = fit(safe(node), Math.max(16, room - displayWidth(safe(finding.subject.name))));
  const shownSubject = fit(safe(finding.subject.name), room - displayWidth(shownNode));
  const head = `${colour?.(word) ?? word}  ${paint.bold(shownSubject)} on ${shownNode}`;
  const reason = finding.reason ?? '';
  return [
    '',
    head,
    ...(reason === '' ? [] : wrapHard(safe(reason), width - 2).map((line) => `  ${line}`)),
    ...finding.evidence.flatMap(({ source, seen, expected }) => [
      ...wrapHard(`${safe(source)}: ${safe(seen)}`, width - 2).map((line) => `  ${line}`),
      ...(expected === '' ? [] : wrapHard(`expected: ${safe(expected)}`, width - 4).map((line) => `    ${line}`)),
    ]),
  ];
}
