import { safe } from '../../api/safe.ts';
import type { Severity } from '../../posture/verdict.ts';
import type { Outcome } from '../../policy/decide.ts';
import type { Reason } from '../../policy/reason.ts';
import type { VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import type { Context } from '../context.ts';
import { renderTable } from '../render/table.ts';
import type { Cell } from '../render/table.ts';
import { wrapHard } from '../render/width.ts';
import type { GateReport } from './report.ts';
import { timeText } from './report.ts';

type Style = Pick<Context, 'width' | 'tableWidth' | 'paint'>;

const VERDICTS: Readonly<Record<Outcome, string>> = Object.freeze({
  allow: 'ALLOWED',
  deny: 'REFUSED',
  couldNotTell: 'COULD NOT TELL',
});

/** The report as lines for people: the answer, every reason with what to do, what does not count, the answer again. */
export function reportLines(report: GateReport, style: Style): readonly string[] {
  const { decision, known } = report;
  const violations = decision.reasons.filter(({ kind }) => kind === 'violation');
  const unknowns = decision.reasons.filter(({ kind }) => kind === 'unknown');
  return [
    ...head(report, style),
    ...section('Why it is refused', violations, style),
    ...section('What could not be told', unknowns, style),
    ...section('Warnings', decision.warnings, style),
    ...section('Observed', decision.observed, style),
    '',
    ...notes(report).map((note) => style.paint.dim(note)),
    summary(report, violations.length, unknowns.length, known.length, style),
  ];
}

function head(
  { decision, target, subject, policies, evidence, decidedAt }: GateReport,
  style: Style,
): readonly string[] {
  const lines: string[] = [];
  const add = (name: string, value: string): void => {
    const [first = '', ...rest] = wrapHard(safe(value), Math.max(10, style.width - 14));
    lines.push(`${style.paint.dim(name.padEnd(13))} ${first}`, ...rest.map((line) => `${' '.repeat(14)}${line}`));
  };
  add('image', subject.reference ?? target);
  if (subject.reference !== undefined && subject.reference !== target) add('examined', target);
  if (subject.digest !== undefined) add('digest', subject.digest);
  const { inventory, distribution, database } = evidence;
  if (inventory.state === 'seen')
    add(
      'contents',
      `${distribution.state === 'seen' ? `${distribution.value.name}, ` : ''}${counted(inventory.value.packages.length, 'package')}${inventory.value.gaps.length > 0 ? `, ${counted(inventory.value.gaps.length, 'gap')}` : ''}`,
    );
  if (database.state === 'seen') add('database', `built ${timeText(database.value.builtAt)}`);
  add(
    policies.length === 1 ? 'policy' : 'policies',
    policies.length === 0 ? 'none applies' : decision.policies.join(', '),
  );
  add('decided', timeText(decidedAt));
  return [paintOutcome(decision.outcome, style), ...lines];
}

function paintOutcome(outcome: Outcome, { paint }: Style): string {
  const text = VERDICTS[outcome];
  return outcome === 'allow' ? paint.good(text) : outcome === 'deny' ? paint.bad(text) : paint.bold(text);
}

function section(title: string, reasons: readonly Reason[], style: Style): readonly string[] {
  if (reasons.length === 0) return [];
  const vulnerabilities = reasons.filter(isVulnerability);
  const others = reasons.filter((reason) => !isVulnerability(reason));
  return [
    '',
    style.paint.bold(`${title} (${String(reasons.length)})`),
    ...others.flatMap((reason) => block(reason, style)),
    ...vulnerabilityTable(vulnerabilities, style),
  ];
}

function isVulnerability({ vulnerability, package: one }: Reason): boolean {
  return vulnerability !== undefined && one !== undefined;
}

function block(reason: Reason, { width, paint }: Style): readonly string[] {
  const indent = '    ';
  const paragraph = (text: string): readonly string[] =>
    wrapHard(safe(text), width - indent.length).map((line) => indent + line);
  return [
    `  ${paint.severity(severityOf(reason.severity), reason.severity)} ${paint.bold(reason.code)} ${paint.dim(safe(`${reason.policy} ${reason.rule}`))}`,
    ...paragraph(reason.actual),
    ...paragraph(`expected: ${reason.expected}`),
    ...paragraph(reason.action),
    ...(reason.message === undefined ? [] : paragraph(reason.message)),
  ];
}

function vulnerabilityTable(reasons: readonly Reason[], { tableWidth, paint }: Style): readonly string[] {
  if (reasons.length === 0) return [];
  const rows = reasons.map((reason): readonly Cell[] => [
    { text: '' },
    { text: reason.severity, paint: (text) => paint.severity(severityOf(reason.severity), text) },
    { text: `${reason.vulnerability?.id ?? ''}${reason.vulnerability?.kev === undefined ? '' : ' (kev)'}` },
    { text: reason.package?.name ?? '' },
    { text: reason.package?.version ?? '' },
    { text: reason.fixedVersion === undefined ? 'no fix' : reason.fixedVersion },
  ]);
  const columns = [
    { title: '', min: 0 },
    { title: 'SEVERITY' },
    { title: 'VULNERABILITY', min: 14 },
    { title: 'PACKAGE' },
    { title: 'INSTALLED' },
    { title: 'FIXED IN' },
  ];
  return renderTable(columns, rows, tableWidth);
}

/** The colour of a severity; `unknown` is not shown as a mild one. */
function severityOf(severity: VulnerabilitySeverity): Severity {
  return severity === 'unknown' ? 'medium' : severity === 'negligible' ? 'info' : severity;
}

function isUnrated({ kind, vulnerability }: Reason): boolean {
  return kind === 'unknown' && vulnerability?.severity === 'unknown';
}

function notes({ decision, known }: GateReport): readonly string[] {
  const by = (kind: 'vex' | 'waiver'): number =>
    decision.suppressed.filter(({ suppressed }) => suppressed?.by === kind).length;
  const [vex, waivers] = [by('vex'), by('waiver')];
  const unrated = decision.reasons.filter(isUnrated).length;
  return [
    ...(unrated > 0
      ? [
          `${counted(unrated, 'vulnerability', 'vulnerabilities')} without a severity: unknownSeverity decides how they count`,
        ]
      : []),
    ...(known.length > 0 ? [`${counted(known.length, 'violation')} of the baseline not counted`] : []),
    ...(vex > 0 ? [`${counted(vex, 'vulnerability', 'vulnerabilities')} suppressed by VEX statements`] : []),
    ...(waivers > 0 ? [`${counted(waivers, 'vulnerability', 'vulnerabilities')} suppressed by waivers`] : []),
  ];
}

function summary({ decision }: GateReport, violations: number, unknowns: number, known: number, style: Style): string {
  const parts = [
    ...(violations > 0 ? [counted(violations, 'violation')] : []),
    ...(unknowns > 0 ? [`${String(unknowns)} could not be told`] : []),
    ...(decision.warnings.length > 0 ? [counted(decision.warnings.length, 'warning')] : []),
    ...(known > 0 ? [`${String(known)} known`] : []),
  ];
  return `${paintOutcome(decision.outcome, style)}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${String(count)} ${count === 1 ? noun : plural}`;
}
