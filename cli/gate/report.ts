import { createHash } from 'node:crypto';
import type { Observed } from '../../posture/observed.ts';
import type { Decision, ImageSubject } from '../../policy/decide.ts';
import type { ImageEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { reasonIdentity } from '../../policy/reason.ts';
import type { Reason } from '../../policy/reason.ts';
import type { VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';

/** Everything that the formats of `plimsoll gate` show. */
export interface GateReport {
  readonly subject: ImageSubject;
  /** What was examined, as the user named it. */
  readonly target: string;
  readonly decision: Decision;
  /** Violations that the baseline has: they do not refuse the image. */
  readonly known: readonly Reason[];
  readonly evidence: ImageEvidence;
  /** The policies that decided. */
  readonly policies: readonly ImagePolicy[];
  /** Milliseconds since the epoch. */
  readonly decidedAt: number;
  readonly version: string;
}

/** Version of the JSON document; raised when a field changes its meaning. */
const SCHEMA_VERSION = 1;
/** `kind` of the JSON document. */
export const GATE_RESULT = 'GateResult';

/** The JSON document of a report. Times are RFC 3339. */
export function reportDocument(report: GateReport): object {
  const { subject, target, decision, known, evidence, decidedAt, version } = report;
  return {
    kind: GATE_RESULT,
    schemaVersion: SCHEMA_VERSION,
    plimsoll: version,
    decidedAt: timeText(decidedAt),
    target,
    reference: subject.reference ?? null,
    digest: subject.digest ?? null,
    namespace: subject.namespace ?? null,
    outcome: decision.outcome,
    policies: decision.policies,
    reasons: decision.reasons.map(reasonDocument),
    known: known.map(reasonDocument),
    warnings: decision.warnings.map(reasonDocument),
    observed: decision.observed.map(reasonDocument),
    suppressed: decision.suppressed.map(suppressedDocument),
    evidence: evidenceDocument(evidence),
  };
}

/** Lines for ndjson: one object a reason with its effect, then the outcome. */
export function reportItems(report: GateReport): readonly object[] {
  const { decision, known, subject, target } = report;
  const image = { target, reference: subject.reference ?? null, digest: subject.digest ?? null };
  const lines = (effect: string, reasons: readonly Reason[]): readonly object[] =>
    reasons.map((reason) => Object.assign({ effect }, reasonDocument(reason), image));
  return [
    ...lines('refuse', decision.reasons),
    ...lines('known', known),
    ...lines('warn', decision.warnings),
    ...lines('observe', decision.observed),
    { effect: 'outcome', outcome: decision.outcome, policies: decision.policies, ...image },
  ];
}

/** A stable identity of a reason, as hexadecimal digits: for baselines and for tools that track findings. */
export function fingerprintOf(reason: Pick<Reason, 'code' | 'about'>): string {
  return createHash('sha256').update(reasonIdentity(reason).toWellFormed()).digest('hex');
}

function reasonDocument(reason: Reason): object {
  const { package: one, vulnerability, fixedVersion, message, undetermined } = reason;
  return {
    fingerprint: fingerprintOf(reason),
    code: reason.code,
    kind: reason.kind,
    severity: reason.severity,
    policy: reason.policy,
    rule: reason.rule,
    actual: reason.actual,
    expected: reason.expected,
    action: reason.action,
    ...(message === undefined ? {} : { message }),
    ...(one === undefined ? {} : { package: one }),
    ...(vulnerability === undefined ? {} : { vulnerability }),
    ...(fixedVersion === undefined ? {} : { fixedVersion }),
    ...(undetermined === undefined ? {} : { undetermined: undetermined.reason }),
  };
}

function suppressedDocument({ package: one, vulnerability, suppressed }: VulnerabilityMatch): object {
  return { vulnerability: vulnerability.id, severity: vulnerability.severity, package: one, ...suppressed };
}

/** What the decision rests on: counts, times, and what could not be read. */
function evidenceDocument(evidence: ImageEvidence): object {
  const { inventory, database, scannedAt, distribution, vulnerabilities } = evidence;
  return {
    scannedAt: observedDocument(scannedAt, timeText),
    inventory: observedDocument(inventory, ({ packages, gaps }) => ({ packages: packages.length, gaps })),
    distribution: observedDocument(distribution, ({ name, endOfLifeAt }) => ({
      name,
      endOfLifeAt: observedDocument(endOfLifeAt, timeText),
    })),
    database: observedDocument(database, ({ builtAt, ...parts }) => ({ builtAt: timeText(builtAt), ...parts })),
    vulnerabilities: observedDocument(vulnerabilities, ({ matches, unjudged }) => ({
      matches: matches.length,
      unjudged: unjudged.length,
    })),
    signatures: observedDocument(evidence.signatures, (results) => results.map(({ result }) => result)),
  };
}

function observedDocument<T>(observed: Observed<T>, describe: (value: T) => unknown): object {
  switch (observed.state) {
    case 'seen':
      return { state: 'seen', value: describe(observed.value) };
    case 'absent':
      return { state: 'absent' };
    case 'unreadable':
      return { state: 'unreadable', reason: observed.reason };
  }
}

/** RFC 3339; a time beyond what a date can hold is shown as the nearest one that it can. */
export function timeText(ms: number): string {
  return new Date(Math.max(-8.64e15, Math.min(8.64e15, ms))).toISOString();
}
