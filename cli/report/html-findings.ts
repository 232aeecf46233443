import { counted } from '../../api/format.ts';
import type { ControlVerdict } from '../../posture/benchmark/compliance.ts';
import { markup } from '../output/xml.ts';
import { evidenceLine } from '../render/finding.ts';
import { CONTROL_LABELS } from './control-listing.ts';
import type { ReportedCheck, ReportedFinding } from './finding-report.ts';

/** What all parts of a report need to know. */
export interface PartContext {
  readonly checks: ReadonlyMap<string, ReportedCheck>;
  readonly isFleet: boolean;
  /** What to run on the nodes for a check. */
  readonly commandsOf: (check: string) => readonly string[];
}

/** Subjects about which the same is said are named up to this number; of failures all are. */
const MAX_NAMED = 50;
/** Up to this number of subjects that pass, each is shown with what was read. */
const MAX_PROVEN = 5;

/** The findings of a check: all that is open with its evidence, what to do, and who passes. */
export function checkPart(id: string, findings: readonly ReportedFinding[], context: PartContext): string {
  const { checks, commandsOf, isFleet } = context;
  const check = checks.get(id);
  const open = findings.filter(({ verdict }) => verdict !== 'pass' && verdict !== 'notApplicable');
  const hasFailed = open.some(({ verdict }) => verdict === 'fail');
  return [
    `<h3>${markup(check?.title ?? id)} <code>${markup(id)}</code></h3>`,
    ...(open.length > 0 && check !== undefined ? [`<p>${markup(check.rationale)}</p>`] : []),
    ...[...Map.groupBy(open, contentOf).values()].map((same) => findingPart(same, isFleet)),
    ...(hasFailed && check !== undefined ? [remedyPart(check, commandsOf(id))] : []),
    ...passedPart(
      findings.filter(({ verdict }) => verdict === 'pass'),
      isFleet,
    ),
    ...notApplicablePart(
      findings.filter(({ verdict }) => verdict === 'notApplicable'),
      isFleet,
    ),
  ].join('\n');
}

/** What is said of a subject: two hundred containers that could not be read for one reason share an entry. */
function contentOf({ verdict, severity, reason, evidence, accepted, subject }: ReportedFinding): string {
  return JSON.stringify([verdict, severity, reason, evidence, accepted, subject.kind]);
}

function findingPart(same: readonly ReportedFinding[], isFleet: boolean): string {
  const [finding] = same;
  if (finding === undefined) return '';
  const { verdict, severity, subject, evidence, accepted } = finding;
  const rows = evidence.map(
    ({ source, seen, expected }) =>
      `<tr><td>${markup(source)}</td><td>${markup(seen)}</td><td>${markup(expected)}</td></tr>`,
  );
  const names = namesOf(same, isFleet, verdict === 'fail' ? Infinity : MAX_NAMED);
  const count = same.length === 1 ? '' : `, ${counted(same.length, 'subject')}`;
  const label = accepted === undefined ? badge(verdict) : waivedBadge(verdict);
  return [
    `<div class="finding"><p>${label}${verdict === 'fail' ? ` ${markup(severity)}` : ''} <strong>${markup(names)}</strong> (${markup(subject.kind)}${count})${accepted === undefined ? '' : `, ${markup(accepted)}`}: ${markup(finding.reason ?? evidenceLine(finding))}</p>`,
    ...(rows.length === 0
      ? []
      : [
          `<table><thead><tr><th scope="col">Source</th><th scope="col">Actual</th><th scope="col">Expected</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`,
        ]),
    '</div>',
  ].join('\n');
}

function remedyPart({ remediation }: ReportedCheck, commands: readonly string[]): string {
  const run = commands.length === 0 ? '' : `<pre>${markup(commands.join('\n'))}</pre>`;
  return `<div class="fix"><p><strong>What to do:</strong> ${markup(remediation)}</p>${run}</div>`;
}

function passedPart(passed: readonly ReportedFinding[], isFleet: boolean): readonly string[] {
  if (passed.length === 0) return [];
  if (passed.length > MAX_PROVEN) return [`<p>Passed: ${markup(namesOf(passed, isFleet, MAX_NAMED))}</p>`];
  return passed.map((finding) => {
    const proof = evidenceLine(finding);
    return `<p>Passed: ${markup(subjectName(finding, isFleet))}${proof === '' ? '' : `: ${markup(proof)}`}</p>`;
  });
}

function notApplicablePart(findings: readonly ReportedFinding[], isFleet: boolean): readonly string[] {
  return [...Map.groupBy(findings, ({ reason = '' }) => reason)].map(
    ([reason, same]) =>
      `<p>Not applicable: ${markup(namesOf(same, isFleet, MAX_NAMED))}${reason === '' ? '' : `: ${markup(reason)}`}</p>`,
  );
}

function namesOf(findings: readonly ReportedFinding[], isFleet: boolean, most: number): string {
  const names = findings.slice(0, most).map((finding) => subjectName(finding, isFleet));
  const rest = findings.length - names.length;
  return `${names.join(', ')}${rest > 0 ? ` and ${String(rest)} more` : ''}`;
}

function subjectName({ subject, node }: ReportedFinding, isFleet: boolean): string {
  const name = subject.name === '' ? subject.id : subject.name;
  return isFleet && subject.kind !== 'node' ? `${name} on ${node.name}` : name;
}

/** The result of a control, a check or a finding, as a word. */
export function badge(verdict: ControlVerdict): string {
  return `<span class="badge ${verdict}">${CONTROL_LABELS[verdict]}</span>`;
}

/** The same for what is accepted: `failed, accepted`. */
export function waivedBadge(verdict: ControlVerdict): string {
  return `<span class="badge notApplicable">${CONTROL_LABELS[verdict]}, accepted</span>`;
}
