import { safe } from '../../api/safe.ts';
import { markup } from '../output/xml.ts';
import type { Reason } from '../../policy/reason.ts';
import { timeText } from './report.ts';
import type { GateReport } from './report.ts';

/**
 * The report as JUnit XML, in the form that Jenkins and GitLab read: one test case a rule of the policies. A violation
 * is a failure, what could not be told is an error; rules in mode `warn` and `observe` pass, with output.
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
  const count = (tag: string): string => String(cases.filter((one) => one.includes(`<${tag} `)).length);
  const output =
    known.length === 0 ? '' : `<system-out>${markup(describe('known from the baseline', known))}</system-out>`;
  const counts = `tests="${String(cases.length)}" failures="${count('failure')}" errors="${count('error')}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="plimsoll gate" ${counts}>`,
    `<testsuite name="${markup(target)}" ${counts} skipped="0" time="0" timestamp="${timeText(decidedAt).slice(0, 19)}">`,
    `<properties><property name="outcome" value="${decision.outcome}"/></properties>`,
    ...cases,
    ...(output === '' ? [] : [output]),
    '</testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function caseOf({ decision }: GateReport, policy: string, rule: string, type: string): string {
  const own = (reasons: readonly Reason[]): readonly Reason[] =>
    reasons.filter((reason) => reason.policy === policy && reason.rule === rule);
  const [refusing, mild] = [own(decision.reasons), own([...decision.warnings, ...decision.observed])];
  const head = `<testcase classname="${markup(policy === '' ? 'policy' : policy)}" name="${markup(`${rule} ${type}`)}" time="0">`;
  const isFailure = refusing.some(({ kind }) => kind === 'violation');
  const tag = isFailure ? 'failure' : 'error';
  const [first] = refusing;
  const body =
    first === undefined
      ? ''
      : `<${tag} message="${markup(messageOf(refusing))}" type="${first.code}">${markup(describe('', refusing))}</${tag}>`;
  const output = mild.length === 0 ? '' : `<system-out>${markup(describe('does not refuse', mild))}</system-out>`;
  return `${head}${body}${output}</testcase>`;
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
