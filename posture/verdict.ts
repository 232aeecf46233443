/** The five answers of a check. `unknown`: it could not be read. `manual`: a person must decide. */
export type Verdict = 'pass' | 'fail' | 'notApplicable' | 'unknown' | 'manual';

/** All verdicts, in the order in which people want to read them. */
export const VERDICTS = ['fail', 'unknown', 'manual', 'pass', 'notApplicable'] as const satisfies readonly Verdict[];

/** How much harm a failure can do. */
export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info';

/** All severities, worst first. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const satisfies readonly Severity[];

/** 0 for critical … 4 for info: a smaller rank is worse. */
export function severityRank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

/** One observation: its source (`/proc/4121/status`), the actual value, and the expected one. */
export interface Evidence {
  readonly source: string;
  readonly seen: string;
  readonly expected: string;
}

/**
 * The answer of a check about one subject. `reason` is one sentence for people: what a failure means here, or why there
 * is no pass and no failure; only a pass has none. `evidence` is the proof. `severity` is set where the failure is not
 * the worst that the check can find.
 */
export interface Judgement {
  readonly verdict: Verdict;
  readonly evidence: readonly Evidence[];
  readonly reason?: string;
  readonly severity?: Severity;
}

/** The subject is as required. */
export function pass(...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'pass', evidence };
}

/** The subject is not as required; `reason` says what that means here: `docker.sock of the host is mounted at /x`. */
export function fail(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'fail', evidence, reason };
}

/** As {@link fail}, with one of the severities that the check lists in `severityLevels`. */
export function failAs(severity: Severity, reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'fail', evidence, reason, severity };
}

/** The subject could not be read; `reason` says what and why. */
export function unknownBecause(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'unknown', evidence, reason };
}

/** The check does not apply to the subject; `reason` says why. */
export function notApplicable(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'notApplicable', evidence, reason };
}

/** A person must decide; `reason` says what to look at. */
export function manual(reason: string, ...evidence: readonly Evidence[]): Judgement {
  return { verdict: 'manual', evidence, reason };
}
