import { safe } from '../../api/safe.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { sarifLocations, sarifLog } from '../output/sarif.ts';
import { evidenceLine } from '../render/finding.ts';
import { fingerprintOf, timeText } from './finding-report.ts';
import type { FindingReport, ReportedCheck, ReportedFinding } from './finding-report.ts';

/** `kind` of a result (SARIF 2.1.0, 3.27.9): a level is for failures only. */
const KINDS = Object.freeze({
  fail: 'fail',
  unknown: 'open',
  manual: 'review',
  pass: 'pass',
  notApplicable: 'notApplicable',
} satisfies Record<Verdict, string>);

const LEVELS = Object.freeze({
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  info: 'note',
} satisfies Record<Severity, string>);

/** The lower bounds of the ranges that GitHub shows as critical, high, medium, low. */
const SCORES = Object.freeze({
  critical: '9.0',
  high: '7.0',
  medium: '4.0',
  low: '0.1',
  info: '0.0',
} satisfies Record<Severity, string>);

/** The findings in SARIF: a rule for each check, a result for each finding. */
export function sarifDocument(report: FindingReport): object {
  const { nodes, findings, checks, tailoring, benchmark, madeAt, version, isComplete } = report;
  const reported = new Set(findings.map(({ check }) => check));
  const [node] = nodes;
  return sarifLog({
    version,
    rules: checks.filter(({ id }) => reported.has(id)).map(ruleOf),
    results: findings.map((finding) => resultOf(finding, report.isFleet)),
    endTime: timeText(madeAt),
    isComplete,
    properties: {
      ...(report.isFleet || node === undefined
        ? { nodes: nodes.map(({ id, name }) => ({ id, name })) }
        : { node: { id: node.id, name: node.name } }),
      ...(tailoring.profile !== undefined && {
        profile: tailoring.profile,
        excluded: tailoring.excluded.map(({ check, reason }) => ({ check: check.id, reason })),
      }),
      ...(benchmark === undefined ? {} : { benchmark: benchmark.benchmark.id, score: benchmark.score }),
    },
  });
}

function ruleOf({ id, title, rationale, remediation, references, severity }: ReportedCheck): object {
  return {
    id,
    shortDescription: { text: title },
    fullDescription: { text: rationale },
    help: { text: remediation },
    ...(references[0] === undefined ? {} : { helpUri: references[0] }),
    defaultConfiguration: { level: LEVELS[severity] },
    properties: { 'security-severity': SCORES[severity], precision: 'very-high', tags: ['security'] },
  };
}

/** `withNode`: the same subject may be on several nodes. */
function resultOf(finding: ReportedFinding, withNode: boolean): object {
  const { id, check, title, verdict, severity, subject, evidence, accepted, node } = finding;
  const name = subject.name === '' ? subject.id : subject.name;
  const path = subject.kind === 'file' ? subject.id : `${subject.kind}/${name}`;
  const place = withNode ? ` on ${node.name}` : '';
  return {
    ruleId: check,
    kind: KINDS[verdict],
    level: verdict === 'fail' ? LEVELS[severity] : 'none',
    message: { text: safe(`${title}: ${subject.kind} ${name}${place}. ${evidenceLine(finding)}`) },
    locations: sarifLocations(withNode ? `${node.name}/${path}` : path, `${subject.kind} ${name}${place}`, 'resource'),
    partialFingerprints: { 'plimsoll/v1': fingerprintOf(finding, ...(withNode ? [node.id] : [])) },
    ...(accepted !== undefined && { suppressions: [{ kind: 'external', justification: safe(accepted) }] }),
    properties: {
      id,
      verdict,
      severity,
      subject,
      evidence,
      ...(withNode && { node: { id: node.id, name: node.name } }),
    },
  };
}
