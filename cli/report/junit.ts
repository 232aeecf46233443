import { junitXml } from '../output/junit.ts';
import type { JunitCase, JunitProblem } from '../output/junit.ts';
import { evidenceLine } from '../render/finding.ts';
import { timeText } from './finding-report.ts';
import type { FindingReport, ReportedFinding, ReportedNode } from './finding-report.ts';

/**
 * The findings as JUnit XML: a suite for each check, a case for each subject. What fails is a failure, what could not be
 * read is an error; what needs a person, does not apply, is in the baseline or is waived is skipped.
 */
export function junitDocument(report: FindingReport): string {
  const { nodes, findings, madeAt, tailoring, command } = report;
  const attributesOf = (node: ReportedNode | undefined) => ({
    timestamp: timeText(madeAt).slice(0, 19),
    ...(node !== undefined && { hostname: node.name }),
  });
  const byNode = Map.groupBy(findings, ({ node }) => node.id);
  const suites = [...byNode.values()].flatMap((own) =>
    [...Map.groupBy(own, ({ check }) => check)].map(([check, members]) => ({
      name: check,
      attributes: attributesOf(members[0]?.node),
      cases: members.map((finding) => caseOf(finding, report.isFleet)),
    })),
  );
  const excluded = tailoring.excluded.map(({ check, reason }): JunitCase => {
    const problem = { tag: 'skipped', message: `excluded by the profile: ${reason}` } as const;
    return { className: check.id, name: 'all subjects', problem };
  });
  const attributes = attributesOf(report.isFleet ? undefined : nodes[0]);
  const left = excluded.length === 0 ? [] : [{ name: 'excluded', attributes, cases: excluded }];
  return junitXml(command, [
    ...suites,
    ...left,
    ...(report.isComplete ? [] : [{ name: 'incomplete', attributes, cases: [INCOMPLETE] }]),
  ]);
}

/** A report that ends early must not look like one without further failures. */
const INCOMPLETE = Object.freeze({
  className: 'plimsoll.report',
  name: 'all findings are in the report',
  problem: { tag: 'error', message: 'more findings match than --limit allows', type: 'incomplete' },
} as const satisfies JunitCase);

function caseOf(finding: ReportedFinding, withNode: boolean): JunitCase {
  const { check, subject, node } = finding;
  const name = `${subject.kind} ${subject.name === '' ? subject.id : subject.name}`;
  return { className: check, name: withNode ? `${name} on ${node.name}` : name, problem: problemOf(finding) };
}

function problemOf(finding: ReportedFinding): JunitProblem | undefined {
  const { verdict, title, severity, evidence, accepted, reason = title } = finding;
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
