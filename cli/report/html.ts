import type { BenchmarkResult, ControlVerdict } from '../../posture/benchmark/compliance.ts';
import { VERDICTS } from '../../posture/verdict.ts';
import { markup } from '../output/xml.ts';
import { commandsFor, familyOf } from '../../posture/remediation/commands.ts';
import { counted } from '../../api/format.ts';
import { countFindings } from '../render/finding.ts';
import { badge, checkPart, waivedBadge } from './html-findings.ts';
import type { PartContext } from './html-findings.ts';
import type { FindingReport, ReportedCheck, ReportedFinding } from './finding-report.ts';
import { STYLE } from './style.ts';

/** A part of the report: a control of the benchmark, or a check. */
interface Section {
  readonly id: string;
  readonly title: string;
  readonly verdict: ControlVerdict;
  /** It fails, and all of its failures are accepted. */
  readonly isAccepted: boolean;
  readonly note: string;
  readonly findings: readonly ReportedFinding[];
}

type ChecksById = ReadonlyMap<string, ReportedCheck>;

/**
 * The findings as one HTML file without scripts and without anything from elsewhere: by control where a benchmark was
 * chosen, otherwise by check. Everything that is not passed is shown with its evidence and what to do.
 */
export function htmlDocument(report: FindingReport): string {
  const { nodes, benchmark, tailoring, description, isComplete, isFleet } = report;
  const about = benchmark === undefined ? 'Security report' : benchmark.benchmark.title;
  const checks: ChecksById = new Map(report.checks.map((check) => [check.id, check]));
  // Commands are shown where all nodes take the same ones.
  const [family, ...others] = new Set(nodes.map(({ operatingSystem }) => familyOf(operatingSystem)));
  const context: PartContext = {
    checks,
    isFleet,
    commandsOf: (check) => (family === undefined || others.length > 0 ? [] : commandsFor(check, family)),
  };
  const sections = benchmark === undefined ? sectionsByCheck(report.findings, checks) : sectionsByControl(benchmark);
  const title = `${about}: ${isFleet ? 'fleet' : (nodes[0]?.name ?? '')}`;
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${markup(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    '<header>',
    `<h1>${markup(about)}</h1>`,
    `<p>${markup(description)}</p>`,
    ...(isComplete
      ? []
      : [
          '<p><strong>Incomplete: more findings match than the report holds.</strong> Raise --limit, or select fewer.</p>',
        ]),
    '</header>',
    '<main>',
    summary(report),
    index(sections, benchmark !== undefined),
    ...sections.map((section) => sectionOf(section, context)),
    ...acceptedFindings(sections),
    notJudged(sections),
    ...excludedChecks(tailoring),
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function summary({ findings, benchmark }: FindingReport): string {
  const { verdicts, failures } = countFindings(findings);
  const failed = Object.entries(failures)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${String(count)} ${severity}`);
  const waived = findings.filter((finding) => finding.waived === true).length;
  const known = findings.filter((finding) => finding.accepted !== undefined).length - waived;
  const counts = `Findings: ${String(verdicts.fail)} failed${failed.length === 0 ? '' : ` (${failed.join(', ')})`}, ${String(verdicts.unknown)} unknown, ${String(verdicts.manual)} for manual review, ${String(verdicts.pass)} passed, ${String(verdicts.notApplicable)} not applicable.${known === 0 ? '' : ` ${String(known)} of the failures are in the baseline.`}${waived === 0 ? '' : ` ${counted(waived, 'finding')} waived; controls count ${waived === 1 ? 'it as if it were' : 'them as if they were'} not.`}`;
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
    (section) =>
      `<tr><td><a href="#${markup(anchor(section.id))}">${markup(section.id)}</a></td><td>${markup(section.title)}</td><td>${countText(section)}</td><td>${resultBadge(section)}</td></tr>`,
  );
  return [
    `<section><h2>${isBenchmark ? 'Controls' : 'Checks'}</h2>`,
    `<table class="index"><thead><tr><th scope="col">${isBenchmark ? 'Control' : 'Check'}</th><th scope="col">Title</th><th scope="col">Failed</th><th scope="col">Result</th></tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table></section>`,
  ].join('\n');
}

function sectionsByControl({ controls }: BenchmarkResult<ReportedFinding>): readonly Section[] {
  return controls.map(({ control, verdict, findings, missing, onlyWaived }) => ({
    id: control.id,
    title: control.title,
    verdict,
    isAccepted: onlyWaived,
    note: [
      `Level ${String(control.level)}.`,
      ...(control.why === undefined ? [] : [control.why]),
      ...(control.evidence === undefined ? [] : [`Facts to look at: ${control.evidence.join(', ')}.`]),
      ...(missing.length === 0 ? [] : [`No finding of ${missing.join(', ')}.`]),
    ].join(' '),
    findings,
  }));
}

function sectionsByCheck(findings: readonly ReportedFinding[], checks: ChecksById): readonly Section[] {
  return [...Map.groupBy(findings, ({ check }) => check)].map(([check, members]) => ({
    id: check,
    title: checks.get(check)?.title ?? check,
    verdict: VERDICTS.find((verdict) => members.some((finding) => finding.verdict === verdict)) ?? 'unknown',
    isAccepted:
      members.some(({ verdict }) => verdict === 'fail') &&
      members.every(({ verdict, accepted }) => verdict !== 'fail' || accepted !== undefined),
    note: '',
    findings: members,
  }));
}

function sectionOf(section: Section, context: PartContext): string {
  const { id, title, note, findings } = section;
  const byCheck = [...Map.groupBy(findings, ({ check }) => check)];
  return [
    `<section id="${markup(anchor(id))}"><h2>${markup(`${id} ${title}`)} ${resultBadge(section)}</h2>`,
    ...(note === '' ? [] : [`<p>${markup(note)}</p>`]),
    ...byCheck.map(([id, members]) => checkPart(id, members, context)),
    '</section>',
  ].join('\n');
}

function resultBadge({ verdict, isAccepted }: Section): string {
  return isAccepted ? waivedBadge(verdict) : badge(verdict);
}

/** `2 of 14` subjects fail; nothing where none was judged. */
function countText({ findings }: Section): string {
  const judged = findings.filter(({ verdict }) => verdict !== 'notApplicable');
  const failed = judged.filter(({ verdict }) => verdict === 'fail');
  return judged.length === 0 ? '' : `${String(failed.length)} of ${String(judged.length)}`;
}

/** What is accepted, by whom, until when and why. */
function acceptedFindings(sections: readonly Section[]): readonly string[] {
  const findings = new Set(sections.flatMap((section) => section.findings));
  const accepted = [...findings].filter((finding) => finding.accepted !== undefined);
  if (accepted.length === 0) return [];
  const items = [...Map.groupBy(accepted, (finding) => finding.accepted ?? '')].map(
    ([text, members]) =>
      `<li>${markup(text)}: ${counted(members.length, 'finding')} of ${markup([...new Set(members.map(({ check }) => check))].join(', '))}</li>`,
  );
  return [
    `<section><h2>What is accepted</h2><p>Accepted failures count as failures in the score.</p><ul>${items.join('\n')}</ul></section>`,
  ];
}

/** Why something has no answer, once for each reason. */
function notJudged(sections: readonly Section[]): string {
  const findings = sections.flatMap((section) => section.findings).filter(({ verdict }) => verdict === 'unknown');
  const reasons = [...Map.groupBy(new Set(findings), ({ reason = 'no reason given' }) => reason)].map(
    ([reason, members]) =>
      `<li>${markup(reason)} (${counted(members.length, 'finding')}): ${markup([...new Set(members.map(({ check }) => check))].join(', '))}</li>`,
  );
  const controls = sections
    .filter(({ verdict }) => verdict === 'notJudged')
    .map(({ id, title, note }) => `<li>${markup(`${id} ${title}: ${note}`)}</li>`);
  const all = [...reasons, ...controls];
  const body = all.length === 0 ? '<p>Nothing.</p>' : `<ul>${all.join('\n')}</ul>`;
  return `<section><h2>What could not be judged, and why</h2>${body}</section>`;
}

/** Checks that the profile leaves out, by reason. */
function excludedChecks({ profile, excluded }: FindingReport['tailoring']): readonly string[] {
  if (profile === undefined) return [];
  const reasons = [...Map.groupBy(excluded, ({ reason }) => reason)].map(
    ([reason, members]) => `<li>${markup(`${reason}: ${members.map(({ check }) => check.id).join(', ')}`)}</li>`,
  );
  const body = reasons.length === 0 ? '<p>Nothing.</p>' : `<ul>${reasons.join('\n')}</ul>`;
  return [`<section><h2>${markup(`Excluded by the profile ${profile}`)}</h2>${body}</section>`];
}

function anchor(id: string): string {
  return `c-${id}`;
}
