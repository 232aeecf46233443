import { safe } from '../../api/safe.ts';
import { junitXml } from '../output/junit.ts';
import type { JunitCase } from '../output/junit.ts';
import type { Reason } from '../../policy/reason.ts';
import { timeText } from './report.ts';
import type { GateReport } from './report.ts';

/**
 * The report as JUnit XML: one test case a rule of the policies. A violation is a failure, what could not be decided is
 * an error; rules in mode `warn` and `observe` pass, with output.
 */
export function junitDocument(report: GateReport): string {
  const { decision, policies, target, decidedAt, known } = report;
  const cases = [
    ...policies.flatMap(({ name, rules }) => [
      caseOf(report, name, 'spec.match', 'match'),
      ...rules.map((rule, index) => caseOf(report, name, `spec.rules[${String(index)}]`, rule.type)),
    ]),
    // Without a policy that applies, the reasons belong to none.
    ...(policies.length === 0 ? [caseOf(report, '', 'spec.match', 'match')] : []),
  ];
  const suite = {
    name: target,
    attributes: { timestamp: timeText(decidedAt).slice(0, 19) },
    properties: { outcome: decision.outcome },
    cases,
    output: known.length === 0 ? undefined : describe('known from the baseline', known),
  };
  return junitXml('plimsoll gate', [suite]);
}

function caseOf({ decision }: GateReport, policy: string, rule: string, type: string): JunitCase {
  const own = (reasons: readonly Reason[]): readonly Reason[] =>
    reasons.filter((reason) => reason.policy === policy && reason.rule === rule);
  const [refusing, mild] = [own(decision.reasons), own([...decision.warnings, ...decision.observed])];
  const [first] = refusing;
  const tag = refusing.some(({ kind }) => kind === 'violation') ? 'failure' : 'error';
  return {
    className: policy === '' ? 'policy' : policy,
    name: `${rule} ${type}`,
    problem: first && { tag, message: messageOf(refusing), type: first.code, details: describe('', refusing) },
    output: mild.length === 0 ? undefined : describe('does not refuse', mild),
  };
}

function messageOf(reasons: readonly Reason[]): string {
  const rest = reasons.length - 1;
  return `${reasons[0]?.actual ?? ''}${rest > 0 ? ` and ${String(rest)} more` : ''}`;
}

function describe(title: string, reasons: readonly Reason[]): string {
  const lines = reasons.map(
    ({ code, kind, actual, expected, action }) =>
      `${kind === 'unknown' ? 'could not tell: ' : ''}${code}: ${actual}; expected ${expected}. ${action}`,
  );
  // Each line is made safe separately, so that the line feeds between them stay.
  return [...(title === '' ? [] : [`${title}:`]), ...lines].map(safe).join('\n');
}
