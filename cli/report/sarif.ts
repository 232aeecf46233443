import { safe } from '../../api/safe.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { sarifLocations, sarifLog } from '../output/sarif.ts';
import { evidenceLine } from '../render/finding.ts';
import { acceptedBecause, fingerprintOf, timeText } from './scan-report.ts';
import type { ScanReport } from './scan-report.ts';

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
export function sarifDocument(report: ScanReport): object {
  const { node, findings, catalog, benchmark, scannedAt, version } = report;
  const reported = new Set(findings.map(({ check }) => check));
  return sarifLog({
    version,
    rules: catalog.checks.filter(({ id }) => reported.has(id)).map(ruleOf),
    results: findings.map((finding) => resultOf(finding, acceptedBecause(report, finding.id))),
    endTime: timeText(scannedAt),
    isComplete: true,
    properties: {
      node: { id: node.id, name: node.name },
      ...(catalog.profile !== undefined && {
        profile: catalog.profile,
        excluded: catalog.excluded.map(({ check, reason }) => ({ check: check.id, reason })),
      }),
      ...(benchmark === undefined ? {} : { benchmark: benchmark.benchmark.id, score: benchmark.score }),
    },
  });
}

function ruleOf({ id, title, rationale, remediation, references, severity }: Check): object {
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

function resultOf(finding: Finding, accepted: string | undefined): object {
  const { id, check, title, verdict, severity, subject, evidence } = finding;
  const name = subject.name === '' ? subject.id : subject.name;
  const path = subject.kind === 'file' ? subject.id : `${subject.kind}/${name}`;
  return {
    ruleId: check,
    kind: KINDS[verdict],
    level: verdict === 'fail' ? LEVELS[severity] : 'none',
    message: { text: safe(`${title}: ${subject.kind} ${name}. ${evidenceLine(finding)}`) },
    locations: sarifLocations(path, `${subject.kind} ${name}`, 'resource'),
    partialFingerprints: { 'plimsoll/v1': fingerprintOf(finding) },
    ...(accepted !== undefined && { suppressions: [{ kind: 'external', justification: safe(accepted) }] }),
    properties: { id, verdict, severity, subject, evidence },
  };
}
