import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { StoreError } from './error.ts';

/**
 * Verdict and severity as one number, verdict * 5 + severity, which sorts worst first. These numbers are stored: they
 * may be added to, never changed.
 */
const VERDICT_PLACE = { fail: 0, unknown: 1, manual: 2, pass: 3, notApplicable: 4 } as const satisfies Record<
  Verdict,
  number
>;
const SEVERITY_PLACE = { critical: 0, high: 1, medium: 2, low: 3, info: 4 } as const satisfies Record<Severity, number>;

/** Codes below this are open: fail, unknown and manual ask for someone's attention. */
const FIRST_CLOSED_CODE = VERDICT_PLACE.pass * 5;

const BY_STATUS_CODE: readonly { readonly verdict: Verdict; readonly severity: Severity }[] = VERDICTS.flatMap(
  (verdict) => SEVERITIES.map((severity) => ({ verdict, severity })),
).sort((one, other) => statusCodeOf(one) - statusCodeOf(other));

/** 0 (a critical failure) to 24. */
export function statusCodeOf({ verdict, severity }: Pick<Finding, 'verdict' | 'severity'>): number {
  return VERDICT_PLACE[verdict] * 5 + SEVERITY_PLACE[severity];
}

/** The verdict and severity of a stored code; throws StoreError `damaged` on an unknown number. */
export function fromStatusCode(statusCode: number): { readonly verdict: Verdict; readonly severity: Severity } {
  const found = BY_STATUS_CODE[statusCode];
  if (found === undefined) throw new StoreError('damaged', 'a row of the store has an unknown verdict');
  return found;
}

/** Does a finding with this code ask for attention? */
export function isOpenStatus(statusCode: number): boolean {
  return statusCode < FIRST_CLOSED_CODE;
}

/** The codes that have one of the verdicts and one of the severities, worst first; an absent list allows all. */
export function statusCodesOf(verdicts?: readonly Verdict[], severities?: readonly Severity[]): readonly number[] {
  return BY_STATUS_CODE.filter(
    ({ verdict, severity }) => (verdicts?.includes(verdict) ?? true) && (severities?.includes(severity) ?? true),
  ).map(statusCodeOf);
}
