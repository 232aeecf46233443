import cvss from 'ae-cvss-calculator';
import type { CvssRating } from '../../vulnerability/vulnerability.ts';

/** Longest vector; those of CVSS v4.0 with every metric have some 250 characters. */
const MAX_VECTOR = 512;

/** The base score of a CVSS vector; undefined for a text that is no complete vector of a version that is known. */
export function rateCvss(vector: string): CvssRating | undefined {
  if (vector.length > MAX_VECTOR) return undefined;
  try {
    const parsed = cvss.fromVector(vector);
    const version = versionOf(parsed);
    if (version === undefined || parsed === null || !parsed.isBaseFullyDefined()) return undefined;
    const scores = parsed.calculateScores();
    const score = 'base' in scores ? scores.base : scores.overall;
    return typeof score === 'number' && Number.isFinite(score) && score >= 0 && score <= 10
      ? { version, vector, score }
      : undefined;
  } catch {
    // The library throws for metrics that it does not know.
    return undefined;
  }
}

function versionOf(parsed: unknown): CvssRating['version'] | undefined {
  if (parsed instanceof cvss.Cvss4P0) return '4.0';
  if (parsed instanceof cvss.Cvss3P1) return '3.1';
  if (parsed instanceof cvss.Cvss3P0) return '3.0';
  return parsed instanceof cvss.Cvss2 ? '2.0' : undefined;
}
