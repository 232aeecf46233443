import type { Finding } from '../../posture/finding.ts';
import { markup } from '../output/xml.ts';
import { evidenceLine } from '../render/finding.ts';
import { acceptedBecause, timeText } from './scan-report.ts';
import type { ScanReport } from './scan-report.ts';

/**
 * The findings as JUnit XML, in the form that Jenkins and GitLab read: a suite for each check, a case for each subject. What
 * fails is a failure, what could not be read is an error; what needs a person, does not apply, is in the baseline or is waived is
 * skipped.
 */
export function junitDocument(report: ScanReport): string {
  const { node, findings, scannedAt, catalog } = report;
  const time = timeText(scannedAt).slice(0, 19);
  const suites = [...Map.groupBy(findings, ({ check }) => check)].map(([check, members]) => {
    const cases = members.map((finding) => caseOf(finding, acceptedBecause(report, finding.id)));
    return [
      `<testsuite name="${markup(check)}" ${countsOf(cases)} time="0" timestamp="${time}" hostname="${markup(node.name)}">`,
      ...cases,
      '</testsuite>',
    ].join('\n');
  });
  const left = catalog.excluded.map(
    ({ check, reason }) =>
      `<testcase classname="${markup(check.id)}" name="all subjects" time="0"><skipped message="${markup(`excluded by the profile: ${reason}`)}"/></testcase>`,
  );
  if (left.length > 0)
    suites.push(
      [
        `<testsuite name="excluded" ${countsOf(left)} time="0" timestamp="${time}" hostname="${markup(node.name)}">`,
        ...left,
        '</testsuite>',
      ].join('\n'),
    );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="plimsoll scan" ${countsOf(suites)}>`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

function countsOf(parts: readonly string[]): string {
  const text = parts.join('');
  const count = (tag: string): string => String(text.split(`<${tag} `).length - 1);
  return `tests="${count('testcase')}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
}

function caseOf(finding: Finding, accepted: string | undefined): string {
  const { check, verdict, title, severity, subject } = finding;
  const name = subject.name === '' ? subject.id : subject.name;
  const head = `<testcase classname="${markup(check)}" name="${markup(`${subject.kind} ${name}`)}" time="0">`;
  return `${head}${bodyOf()}</testcase>`;

  function bodyOf(): string {
    if (accepted !== undefined) return `<skipped message="${markup(`${accepted}: ${title}`)}"/>`;
    switch (verdict) {
      case 'pass':
        return '';
      case 'fail':
        return `<failure message="${markup(title)}" type="${severity}">${markup(details())}</failure>`;
      case 'unknown':
        return `<error message="${markup(finding.reason ?? title)}" type="unknown">${markup(details())}</error>`;
      case 'manual':
      case 'notApplicable':
        return `<skipped message="${markup(finding.reason ?? title)}"/>`;
    }
  }

  function details(): string {
    const proof = finding.evidence.map(({ source, seen, expected }) => `${source}: ${seen}; expected: ${expected}`);
    return [evidenceLine(finding), ...proof].join('\n');
  }
}
