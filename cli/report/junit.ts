import type { Finding } from '../../posture/finding.ts';
import { junitXml } from '../output/junit.ts';
import type { JunitCase, JunitProblem } from '../output/junit.ts';
import { evidenceLine } from '../render/finding.ts';
import { acceptedBecause, timeText } from './scan-report.ts';
import type { ScanReport } from './scan-report.ts';

/**
 * The findings as JUnit XML: a suite for each check, a case for each subject. What fails is a failure, what could not be
 * read is an error; what needs a person, does not apply, is in the baseline or is waived is skipped.
 */
export function junitDocument(report: ScanReport): string {
  const { node, findings, scannedAt, catalog } = report;
  const attributes = { timestamp: timeText(scannedAt).slice(0, 19), hostname: node.name };
  const suites = [...Map.groupBy(findings, ({ check }) => check)].map(([check, members]) => ({
    name: check,
    attributes,
    cases: members.map((finding) => caseOf(finding, acceptedBecause(report, finding.id))),
  }));
  const excluded = catalog.excluded.map(({ check, reason }): JunitCase => {
    const problem = { tag: 'skipped', message: `excluded by the profile: ${reason}` } as const;
    return { className: check.id, name: 'all subjects', problem };
  });
  const left = excluded.length === 0 ? [] : [{ name: 'excluded', attributes, cases: excluded }];
  return junitXml('plimsoll scan', [...suites, ...left]);
}

function caseOf(finding: Finding, accepted: string | undefined): JunitCase {
  const { check, subject } = finding;
  const name = `${subject.kind} ${subject.name === '' ? subject.id : subject.name}`;
  return { className: check, name, problem: problemOf(finding, accepted) };
}

function problemOf(finding: Finding, accepted: string | undefined): JunitProblem | undefined {
  const { verdict, title, severity, evidence, reason = title } = finding;
  if (accepted !== undefined) return { tag: 'skipped', message: `${accepted}: ${title}` };
  const proof = evidence.map(({ source, seen, expected }) => `${source}: ${seen}; expected: ${expected}`);
  const details = [evidenceLine(finding), ...proof].join('\n');
  switch (verdict) {
    case 'pass':
      return undefined;
    case 'fail':
      return { tag: 'failure', message: title, type: severity, details };
    case 'unknown':
      return { tag: 'error', message: reason, type: 'unknown', details };
    case 'manual':
    case 'notApplicable':
      return { tag: 'skipped', message: reason };
  }
}
