import { safe } from '../../api/safe.ts';
import type { Reason } from '../../policy/reason.ts';
import type { VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import { fingerprintOf } from './report.ts';
import type { GateReport } from './report.ts';
import { uriOf } from '../output/sarif.ts';

const SEVERITIES: Readonly<Record<VulnerabilitySeverity, string>> = Object.freeze({
  critical: 'blocker',
  high: 'critical',
  medium: 'major',
  low: 'minor',
  negligible: 'info',
  unknown: 'major',
});

/**
 * The report for GitLab's code quality widget: the fields that GitLab reads of a Code Climate report
 * (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format). Rules in mode `observe` are `info`.
 */
export function codeQualityDocument({ decision, target }: GateReport): readonly object[] {
  const seen = new Map<string, number>();
  const entry = (reason: Reason, severity: string): object => {
    const fingerprint = fingerprintOf(reason);
    const count = seen.get(fingerprint) ?? 0;
    seen.set(fingerprint, count + 1);
    return {
      description: safe(`${reason.actual}. Expected: ${reason.expected}. ${reason.action}`),
      check_name: reason.vulnerability?.id ?? reason.code,
      // GitLab drops all but one of the entries with the same fingerprint.
      fingerprint: count === 0 ? fingerprint : `${fingerprint}-${String(count)}`,
      severity,
      location: { path: uriOf(reason.package?.path ?? target), lines: { begin: 1 } },
    };
  };
  return [
    ...[...decision.reasons, ...decision.warnings].map((reason) => entry(reason, SEVERITIES[reason.severity])),
    ...decision.observed.map((reason) => entry(reason, 'info')),
  ];
}
