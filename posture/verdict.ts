/** The five answers of a check. `unknown`: we could not look. `manual`: a person must decide. */
export type Verdict = 'pass' | 'fail' | 'notApplicable' | 'unknown' | 'manual';

/** All verdicts, in the order in which people want to read them. */
export const VERDICTS = ['fail', 'unknown', 'manual', 'pass', 'notApplicable'] as const satisfies readonly Verdict[];

/** How bad it is when the check fails. */
export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info';

/** All severities, worst first. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const satisfies readonly Severity[];

/** 0 for critical … 4 for info: a smaller rank is worse. */
export function severityRank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

/** One thing that was seen: where (`/proc/4121/status`), what it said, and what was expected instead. */
export interface Evidence {
  readonly source: string;
  readonly seen: string;
  readonly expected: string;
}

/**
 * What a check answers for one subject. `reason` is required by `unknown`, `notApplicable` and `manual`, and says in
 * one sentence why. `severity` overrides the check's own where the case is milder or worse.
 */
export interface Judgement {
  readonly verdict: Verdict;
  readonly evidence: readonly Evidence[];
  readonly reason?: string;
  readonly severity?: Severity;
}

/** It is as it should be. */
export function pass(...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'pass', evidence };
}

/** It is not as it should be. */
export function fail(...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'fail', evidence };
}

/** It is not as it should be, but worse or milder than the check's own severity says. */
export function failAs(severity: Severity, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'fail', evidence, severity };
}

/** We could not look; `reason` says what could not be read and why. */
export function unknownBecause(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'unknown', evidence, reason };
}

/** The question does not arise here; `reason` says why. */
export function notApplicable(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'notApplicable', evidence, reason };
}

/** A person must decide; `reason` says what to look at. */
export function manual(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'manual', evidence, reason };
}
