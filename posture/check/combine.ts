import { notApplicable, severityRank } from '../verdict.ts';
import type { Evidence, Judgement, Severity } from '../verdict.ts';

/** Pieces of evidence in one finding. */
const MAX_EVIDENCE = 8;

/** From the answer that decides to the answer that counts least. */
const ORDER = { fail: 0, unknown: 1, manual: 2, pass: 3, notApplicable: 4 } as const;

/**
 * One answer for several parts of one question: the worst part decides (fail, then unknown, manual, pass, and
 * notApplicable only where every part is). Its evidence comes first, then that of the other parts with the same
 * verdict; each piece once. `severity` is that of the check, for parts that state none.
 */
export function allOf(severity: Severity, parts: readonly Judgement[]): Judgement {
  const sorted = [...parts].sort((one, other) => weight(one, severity) - weight(other, severity));
  const worst = sorted[0];
  if (worst === undefined) return notApplicable('there is nothing to judge');
  const same = sorted.filter((part) => part.verdict === worst.verdict);
  return { ...worst, evidence: distinct(same.flatMap((part) => part.evidence)).slice(0, MAX_EVIDENCE) };
}

function weight(part: Judgement, severity: Severity): number {
  return ORDER[part.verdict] * 10 + severityRank(part.severity ?? severity);
}

function distinct(evidence: readonly Evidence[]): readonly Evidence[] {
  const known = new Set<string>();
  return evidence.filter(({ source, seen, expected }) => {
    const key = JSON.stringify([source, seen, expected]);
    if (known.has(key)) return false;
    known.add(key);
    return true;
  });
}
