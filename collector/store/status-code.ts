import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { StoreError } from './error.ts';
import type { FindingAction } from './stored-event.ts';

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

/** What a waiver accepts: a failure, and what needs a person. Nobody knows what else would be accepted. */
const WAIVABLE: readonly Verdict[] = Object.freeze(['fail', 'manual']);
/** Added to the code of a finding that a waiver accepts: these codes sort after all others. */
const WAIVED = VERDICTS.length * SEVERITIES.length;

/** 0 (a critical failure) to 24. */
export function statusCodeOf({ verdict, severity }: Pick<Finding, 'verdict' | 'severity'>): number {
  return VERDICT_PLACE[verdict] * 5 + SEVERITY_PLACE[severity];
}

/** The verdict and severity of a stored code; throws StoreError `damaged` on an unknown number. */
export function fromStatusCode(statusCode: number): { readonly verdict: Verdict; readonly severity: Severity } {
  const found = BY_STATUS_CODE[reportedStatus(statusCode)];
  if (found === undefined) throw new StoreError('damaged', 'a row of the store has an unknown verdict');
  return found;
}

/** Does a finding with this code ask for attention? */
export function isOpenStatus(statusCode: number): boolean {
  return statusCode < FIRST_CLOSED_CODE;
}

/** Is it open, or would be without its waiver? */
export function isActiveStatus(statusCode: number): boolean {
  return isOpenStatus(reportedStatus(statusCode));
}

/** Does a waiver accept the finding? */
export function isWaivedStatus(statusCode: number): boolean {
  return statusCode >= WAIVED;
}

/** Can a waiver accept a finding that was reported with this code? */
export function isWaivable(statusCode: number): boolean {
  return WAIVABLE.includes(fromStatusCode(statusCode).verdict);
}

/** The code of a finding that a waiver accepts. */
export function waivedStatus(statusCode: number): number {
  return reportedStatus(statusCode) + WAIVED;
}

/** The code that the node reported. */
export function reportedStatus(statusCode: number): number {
  return isWaivedStatus(statusCode) ? statusCode - WAIVED : statusCode;
}

/**
 * What a change of status code means to people; undefined where the finding neither was nor is open or waived. One that a
 * waiver accepted before is opened.
 */
export function actionOf(previous: number | undefined, statusCode: number): FindingAction | undefined {
  const wasActive = previous !== undefined && isActiveStatus(previous);
  const wasOpen = wasActive && isOpenStatus(previous);
  if (isOpenStatus(statusCode)) return wasOpen ? 'changed' : 'opened';
  if (isWaivedStatus(statusCode)) return wasActive ? 'changed' : 'opened';
  return wasActive ? 'resolved' : undefined;
}

/**
 * The codes that have one of the verdicts and one of the severities, worst first; an absent list allows all. `waived`:
 * only those of waived findings, or only the others; absent: both.
 */
export function statusCodesOf(
  verdicts?: readonly Verdict[],
  severities?: readonly Severity[],
  waived?: boolean,
): readonly number[] {
  const codes = BY_STATUS_CODE.filter(
    ({ verdict, severity }) => (verdicts?.includes(verdict) ?? true) && (severities?.includes(severity) ?? true),
  ).map(statusCodeOf);
  return [...(waived === true ? [] : codes), ...(waived === false ? [] : codes.filter(isWaivable).map(waivedStatus))];
}
