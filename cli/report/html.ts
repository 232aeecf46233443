import type { BenchmarkResult, ControlVerdict } from '../../posture/benchmark/compliance.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Finding } from '../../posture/finding.ts';
import { VERDICTS } from '../../posture/verdict.ts';
import { markup } from '../output/xml.ts';
import { commandsFor, familyOf } from '../../posture/remediation/commands.ts';
import { countFindings, evidenceLine } from '../render/finding.ts';
import { CONTROL_LABELS } from './control-listing.ts';
import { acceptedBecause, timeText } from './scan-report.ts';
import type { ScanReport } from './scan-report.ts';
import { STYLE } from './style.ts';

/** A part of the report: a control of the benchmark, or a check. */
interface Section {
  readonly id: string;
  readonly title: string;
  readonly verdict: ControlVerdict;
  readonly note: string;
  readonly findings: readonly Finding[];
}

/** Subjects that pass or to which a check does not apply are named, without evidence, up to this number for each check. */
const MAX_NAMED = 50;
type ChecksById = ReadonlyMap<string, Check>;

/** What all parts of a report need to know. */
interface PartContext {
  /** Baseline and waivers. */
  readonly report: Pick<ScanReport, 'known' | 'waived'>;
  /** What to run on this host for a check. */
  readonly commandsOf: (check: string) => readonly string[];
}

/**
 * The findings as one HTML file without scripts and without anything from elsewhere: by control where a benchmark was
 * chosen, otherwise by check. Everything that is not passed is shown with its evidence and what to do.
 */
export function htmlDocument(report: ScanReport): string {
  const { node, benchmark, version, scannedAt } = report;
  const about = benchmark === undefined ? 'Security report' : benchmark.benchmark.title;
  const checks: ChecksById = new Map(report.catalog.checks.map((check) => [check.id, check]));
  const family = familyOf(node.operatingSystem);
  const context: PartContext = {
    report,
    commandsOf: (check) => (family === undefined ? [] : commandsFor(check, family)),
  };
  const sections = benchmark === undefined ? sectionsByCheck(report.findings, checks) : sectionsByControl(benchmark);
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${markup(`${about}: ${node.name}`)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    '<header>',
    `<h1>${markup(about)}</h1>`,
    `<p>Host <strong>${markup(node.name)}</strong>, ${markup(node.operatingSystem)}, kernel ${markup(node.kernelRelease)}, ${markup(runtimeText(report))}. Scanned ${timeText(scannedAt)} with Plimsoll ${markup(version)}${node.effectiveUid === 0 ? '' : ', not as root: some things could not be read'}.</p>`,
    '</header>',
    '<main>',
    summary(report),
    index(sections, benchmark !== undefined),
    ...sections.map((section) => sectionOf(section, checks, context)),
    notJudged(sections),
    ...excludedChecks(report.catalog),
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function runtimeText({ node: { runtime, containers } }: ScanReport): string {
  const engine = runtime === null ? 'container engine unknown' : runtime === '' ? 'no Docker' : runtime;
  return `${engine}, ${containers === null ? 'number of containers unknown' : `${String(containers)} running containers`}`;
}

function summary({ findings, benchmark, known, waived }: ScanReport): string {
  const { verdicts, failures } = countFindings(findings);
  const failed = Object.entries(failures)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${String(count)} ${severity}`);
  const counts = `Findings: ${String(verdicts.fail)} failed${failed.length === 0 ? '' : ` (${failed.join(', ')})`}, ${String(verdicts.unknown)} unknown, ${String(verdicts.manual)} for manual review, ${String(verdicts.pass)} passed, ${String(verdicts.notApplicable)} not applicable.${known.size === 0 ? '' : ` ${String(known.size)} of the failures are in the baseline.`}${waived.size === 0 ? '' : ` ${String(waived.size)} findings are waived; controls count them as they are.`}`;
  if (benchmark === undefined) return `<section><h2>Summary</h2><p>${counts}</p></section>`;
  const { score, counts: controls } = benchmark;
  const percent = score.percent === null ? 'none' : `${String(score.percent)} %`;
  return [
    '<section><h2>Summary</h2>',
    `<p class="score"><strong>${percent}</strong> ${String(score.passed)} of ${String(score.counted)} controls that could be counted pass.</p>`,
    `<p>Controls: ${String(controls.pass)} passed, ${String(controls.fail)} failed, ${String(controls.unknown)} unknown, ${String(controls.manual)} for manual review, ${String(controls.notApplicable)} not applicable, ${String(controls.notJudged)} not judged. The score counts a control that could not be read as one that is not met; manual, not applicable and not judged controls do not count.</p>`,
    `<p>${counts}</p></section>`,
  ].join('\n');
}

function index(sections: readonly Section[], isBenchmark: boolean): string {
  const rows = sections.map(
    ({ id, title, verdict }) =>
      `<tr><td><a href="#${markup(anchor(id))}">${markup(id)}</a></td><td>${markup(title)}</td><td>${badge(verdict)}</td></tr>`,
  );
  return [
    `<section><h2>${isBenchmark ? 'Controls' : 'Checks'}</h2>`,
    `<table><thead><tr><th scope="col">${isBenchmark ? 'Control' : 'Check'}</th><th scope="col">Title</th><th scope="col">Result</th></tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table></section>`,
  ].join('\n');
}

function sectionsByControl({ controls }: BenchmarkResult): readonly Section[] {
  return controls.map(({ control, verdict, findings, missing }) => ({
    id: control.id,
    title: control.title,
    verdict,
    note: [
      `Level ${String(control.level)}.`,
      ...(control.why === undefined ? [] : [control.why]),
      ...(control.evidence === undefined ? [] : [`Facts to look at: ${control.evidence.join(', ')}.`]),
      ...(missing.length === 0 ? [] : [`No finding of ${missing.join(', ')}.`]),
    ].join(' '),
    findings,
  }));
}

function sectionsByCheck(findings: readonly Finding[], checks: ChecksById): readonly Section[] {
  return [...Map.groupBy(findings, ({ check }) => check)].map(([check, members]) => ({
    id: check,
    title: checks.get(check)?.title ?? check,
    verdict: VERDICTS.find((verdict) => members.some((finding) => finding.verdict === verdict)) ?? 'unknown',
    note: '',
    findings: members,
  }));
}

function sectionOf({ id, title, verdict, note, findings }: Section, checks: ChecksById, context: PartContext): string {
  const byCheck = [...Map.groupBy(findings, ({ check }) => check)];
  return [
    `<section id="${markup(anchor(id))}"><h2>${markup(`${id} ${title}`)} ${badge(verdict)}</h2>`,
    ...(note === '' ? [] : [`<p>${markup(note)}</p>`]),
    ...byCheck.map(([id, members]) => checkPart({ id, check: checks.get(id) }, members, context)),
    '</section>',
  ].join('\n');
}

function checkPart(
  { id, check }: { readonly id: string; readonly check: Check | undefined },
  findings: readonly Finding[],
  { report, commandsOf }: PartContext,
): string {
  const open = findings.filter(({ verdict }) => verdict !== 'pass' && verdict !== 'notApplicable');
  const hasFailed = open.some(({ verdict }) => verdict === 'fail');
  return [
    `<h3>${markup(check?.title ?? id)} <code>${markup(id)}</code></h3>`,
    ...(open.length > 0 && check !== undefined ? [`<p>${markup(check.rationale)}</p>`] : []),
    ...open.map((finding) => findingPart(finding, acceptedBecause(report, finding.id))),
    ...(hasFailed && check !== undefined
      ? [`<p class="fix"><strong>What to do:</strong> ${markup([check.remediation, ...commandsOf(id)].join('\n'))}</p>`]
      : []),
    ...named('Passed', findings, 'pass'),
    ...named('Not applicable', findings, 'notApplicable'),
  ].join('\n');
}

function findingPart(finding: Finding, accepted: string | undefined): string {
  const { verdict, severity, subject, evidence } = finding;
  const rows = evidence.map(
    ({ source, seen, expected }) =>
      `<tr><td>${markup(source)}</td><td>${markup(seen)}</td><td>${markup(expected)}</td></tr>`,
  );
  return [
    `<div class="finding"><p>${badge(verdict)}${verdict === 'fail' ? ` ${markup(severity)}` : ''} <strong>${markup(subjectName(finding))}</strong> (${markup(subject.kind)})${accepted === undefined ? '' : `, ${markup(accepted)}`}: ${markup(finding.reason ?? evidenceLine(finding))}</p>`,
    ...(rows.length === 0
      ? []
      : [
          `<table><thead><tr><th scope="col">Source</th><th scope="col">Actual</th><th scope="col">Expected</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`,
        ]),
    '</div>',
  ].join('\n');
}

function named(label: string, findings: readonly Finding[], verdict: Finding['verdict']): readonly string[] {
  const names = findings.filter((finding) => finding.verdict === verdict).map(subjectName);
  if (names.length === 0) return [];
  const rest = names.length - MAX_NAMED;
  const text = `${names.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${String(rest)} more` : ''}`;
  return [`<p>${label}: ${markup(text)}</p>`];
}

/** Why something has no answer, once for each reason. */
function notJudged(sections: readonly Section[]): string {
  const findings = sections.flatMap((section) => section.findings).filter(({ verdict }) => verdict === 'unknown');
  const reasons = [...Map.groupBy(new Set(findings), ({ reason = 'no reason given' }) => reason)].map(
    ([reason, members]) =>
      `<li>${markup(reason)}: ${markup([...new Set(members.map(({ check }) => check))].join(', '))}</li>`,
  );
  const controls = sections
    .filter(({ verdict }) => verdict === 'notJudged')
    .map(({ id, title, note }) => `<li>${markup(`${id} ${title}: ${note}`)}</li>`);
  const all = [...reasons, ...controls];
  const body = all.length === 0 ? '<p>Nothing.</p>' : `<ul>${all.join('\n')}</ul>`;
  return `<section><h2>What could not be judged, and why</h2>${body}</section>`;
}

/** Checks that the profile leaves out, by reason. */
function excludedChecks({ profile, excluded }: ScanReport['catalog']): readonly string[] {
  if (profile === undefined) return [];
  const reasons = [...Map.groupBy(excluded, ({ reason }) => reason)].map(
    ([reason, members]) => `<li>${markup(`${reason}: ${members.map(({ check }) => check.id).join(', ')}`)}</li>`,
  );
  const body = reasons.length === 0 ? '<p>Nothing.</p>' : `<ul>${reasons.join('\n')}</ul>`;
  return [`<section><h2>${markup(`Excluded by the profile ${profile}`)}</h2>${body}</section>`];
}

function subjectName({ subject }: Finding): string {
  return subject.name === '' ? subject.id : subject.name;
}

function badge(verdict: ControlVerdict): string {
  return `<span class="badge ${verdict}">${CONTROL_LABELS[verdict]}</span>`;
}

function anchor(id: string): string {
  return `c-${id}`;
}
