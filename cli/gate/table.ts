import { safe } from '../../api/safe.ts';
import type { Outcome } from '../../policy/decide.ts';
import type { Reason } from '../../policy/reason.ts';
import { ignoredUnrated } from '../../policy/rule/vulnerability.ts';
import type { Context } from '../context.ts';
import { wrapHard } from '../render/width.ts';
import type { GateReport } from './report.ts';
import { timeText } from './report.ts';
import { isVulnerabilityReason, severityColour, vulnerabilityLines } from './vulnerability-rows.ts';
import type { VulnerabilityReason } from './vulnerability-rows.ts';

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
  const vulnerabilities = reasons.filter(isVulnerabilityReason);
  const undetermined = vulnerabilities.filter((reason) => reason.undetermined !== undefined);
  const determined = vulnerabilities.filter((reason) => reason.undetermined === undefined);
  return [
    '',
    style.paint.bold(`${title} (${String(reasons.length)})`),
    ...reasons.filter((reason) => !isVulnerabilityReason(reason)).flatMap((reason) => block(reason, style)),
    ...vulnerabilityLines(determined, style, MAX_ROWS),
    ...[...Map.groupBy(undetermined, groupKey).values()].flatMap((group) => undeterminedBlock(group, style)),
  ];
}

/** Rows of a table; what refuses an image is worth more of them than what could not be judged. */
const MAX_ROWS = 50;
const MAX_UNDETERMINED_ROWS = 10;

function groupKey({ policy, rule, undetermined }: Reason): string {
  return JSON.stringify([policy, rule, undetermined?.reason]);
}

/** Vulnerabilities of one rule that could not be judged for the same reason: what to do once, then which they are. */
function undeterminedBlock(reasons: readonly VulnerabilityReason[], style: Style): readonly string[] {
  const [first] = reasons;
  if (first === undefined) return [];
  const { reason = '', action = '' } = first.undetermined ?? {};
  const count = counted(reasons.length, 'vulnerability', 'vulnerabilities');
  return [
    ...block({ ...first, actual: `${count} undetermined: ${reason}`, action }, style),
    ...vulnerabilityLines(reasons, style, MAX_UNDETERMINED_ROWS),
  ];
}

function block(reason: Reason, { width, paint }: Style): readonly string[] {
  const indent = '    ';
  const paragraph = (text: string): readonly string[] =>
    wrapHard(safe(text), width - indent.length).map((line) => indent + line);
  // An objection that could not be judged has no severity.
  const label = reason.kind === 'unknown' ? 'undetermined' : reason.severity;
  return [
    `  ${paint.severity(severityColour(reason.severity), label)} ${paint.bold(reason.code)} ${paint.dim(safe(`${reason.policy} ${reason.rule}`))}`,
    ...paragraph(reason.actual),
    ...paragraph(`expected: ${reason.expected}`),
    ...paragraph(reason.action),
    ...(reason.message === undefined ? [] : paragraph(reason.message)),
  ];
}

function notes({ decision, known, policies, evidence, decidedAt }: GateReport): readonly string[] {
  const by = (kind: 'vex' | 'waiver'): number =>
    decision.suppressed.filter(({ suppressed }) => suppressed?.by === kind).length;
  const [vex, waivers] = [by('vex'), by('waiver')];
  const rules = policies.flatMap((policy) => policy.rules);
  const ignored = new Set(
    rules.flatMap((rule) => (rule.type === 'vulnerability' ? ignoredUnrated(rule, evidence, decidedAt) : [])),
  ).size;
  return [
    ...(ignored > 0
      ? [
          `${counted(ignored, 'vulnerability', 'vulnerabilities')} without a severity not counted (unknownSeverity: ignore)`,
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
