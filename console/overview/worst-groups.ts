import type { FindingPage } from '../../api/finding.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { SEVERITIES } from '../../posture/verdict.ts';

/** Failures of one check and one severity. */
export interface WorstGroup {
  readonly first: FleetFinding;
  readonly findings: readonly FleetFinding[];
  /** False: the page ended within it, so there may be more. */
  readonly isWhole: boolean;
}

/** The failures of a page that is sorted worst first, grouped by severity and check; at most `limit` groups. */
export function worstGroups({ findings, cursor }: FindingPage, limit: number): readonly WorstGroup[] {
  const groups = new Map<string, { readonly first: FleetFinding; readonly findings: FleetFinding[] }>();
  for (const finding of findings) {
    const key = `${String(SEVERITIES.indexOf(finding.severity))} ${finding.check}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: finding, findings: [finding] });
    else group.findings.push(finding);
  }
  const last = findings.at(-1);
  return [...groups.values()].slice(0, limit).map((group) => ({
    first: group.first,
    findings: group.findings,
    isWhole: cursor === null || group.findings.at(-1) !== last,
  }));
}
