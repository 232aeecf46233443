import { safe } from '../../api/safe.ts';
import { REASON_CODES } from '../../policy/reason.ts';
import type { Reason } from '../../policy/reason.ts';
import type { VulnerabilityMatch, VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import { sarifLocations, sarifLog } from '../output/sarif.ts';
import { fingerprintOf, timeText } from './report.ts';
import type { GateReport } from './report.ts';

/** Scores of severities without CVSS: the lower bound of the ranges that GitHub shows as critical, high, medium, low. */
const SCORES: Readonly<Record<VulnerabilitySeverity, string>> = Object.freeze({
  critical: '9.0',
  high: '7.0',
  medium: '4.0',
  low: '0.1',
  negligible: '0.1',
  unknown: '0.0',
});

/**
 * The report in SARIF: one result a reason. `error`:
 * refuses the image; `warning`: could not be decided, or a rule in mode `warn`; `note`: a rule in mode `observe`.
 */
export function sarifDocument(report: GateReport): object {
  const { decision, known, version, decidedAt } = report;
  const results = [
    ...decision.reasons.map((reason) => ({ reason, level: reason.kind === 'violation' ? 'error' : 'warning' })),
    ...decision.warnings.map((reason) => ({ reason, level: 'warning' })),
    ...decision.observed.map((reason) => ({ reason, level: 'note' })),
  ].map(({ reason, level }) => resultOf(report, reason, level));
  const unchanged = known.map((reason) =>
    Object.assign(resultOf(report, reason, 'note'), {
      suppressions: [{ kind: 'external', justification: 'in the baseline' }],
    }),
  );
  const suppressed = decision.suppressed.map((match) => suppressedResult(report, match));
  const all = [...results, ...unchanged, ...suppressed];
  return sarifLog({
    version,
    rules: rulesOf(report),
    results: all,
    endTime: timeText(decidedAt),
    isComplete: decision.outcome !== 'couldNotTell',
    properties: { outcome: decision.outcome, policies: decision.policies },
  });
}

function resultOf(report: GateReport, reason: Reason, level: string): object {
  const { package: one } = reason;
  const message = `${reason.actual}. Expected: ${reason.expected}. ${reason.action}${reason.message === undefined ? '' : ` ${reason.message}`}`;
  return {
    ruleId: ruleId(reason),
    level,
    message: { text: safe(message) },
    locations: locationsOf(report, one?.path),
    partialFingerprints: { 'plimsoll/v1': fingerprintOf(reason) },
    properties: { code: reason.code, kind: reason.kind, policy: reason.policy, rule: reason.rule },
  };
}

function suppressedResult(report: GateReport, { package: one, vulnerability, suppressed }: VulnerabilityMatch): object {
  const about = `${vulnerability.id} ${one.type}:${one.name}`;
  return {
    ruleId: vulnerability.id,
    level: 'note',
    message: { text: safe(`${vulnerability.id} in ${one.name} ${one.version}`) },
    locations: locationsOf(report, one.path),
    partialFingerprints: { 'plimsoll/v1': fingerprintOf({ code: 'vulnerability', about }) },
    suppressions: [
      {
        kind: 'external',
        justification: safe(`${suppressed?.by ?? ''}: ${suppressed?.reason ?? ''}`),
        status: 'accepted',
      },
    ],
  };
}

function ruleId({ code, vulnerability }: Reason): string {
  return vulnerability?.id ?? code;
}

function rulesOf({ decision, known }: GateReport): readonly object[] {
  const rules = new Map<string, object>();
  for (const reason of [...decision.reasons, ...decision.warnings, ...decision.observed, ...known]) {
    const { code, vulnerability, severity } = reason;
    const id = ruleId(reason);
    const text = safe(vulnerability?.summary ?? REASON_CODES[code]);
    const score = vulnerability?.cvss?.score.toFixed(1) ?? SCORES[severity];
    rules.set(id, {
      id,
      shortDescription: { text: vulnerability === undefined ? REASON_CODES[code] : safe(`${id} in a package`) },
      fullDescription: { text },
      help: { text: REASON_CODES[code] },
      properties: {
        'security-severity': score,
        precision: 'very-high',
        tags: ['security', ...(vulnerability === undefined ? ['policy'] : ['vulnerability', severity])],
      },
    });
  }
  for (const { vulnerability } of decision.suppressed)
    if (!rules.has(vulnerability.id))
      rules.set(vulnerability.id, {
        id: vulnerability.id,
        shortDescription: { text: safe(`${vulnerability.id} in a package`) },
        properties: {
          'security-severity': vulnerability.cvss?.score.toFixed(1) ?? SCORES[vulnerability.severity],
          tags: ['security', 'vulnerability', vulnerability.severity],
        },
      });
  return [...rules.values()];
}

function locationsOf({ target }: GateReport, path: string | undefined): readonly object[] {
  return sarifLocations(path ?? target, target, 'module');
}
